//! Requantisation with 32-bit registers: only the upper half of the product is needed, as the lower
//! one cannot carry past the rounding bit where `shift > 32`.

use core::arch::asm;

use crate::isa::Dsp;
use crate::requant::{Requant, TensorRequant};

/// Parameters that requantise one channel.
#[derive(Clone, Copy)]
pub(crate) struct Rate {
    mult: i32,
    /// `2^(shift - 33)`, or 0 where `shift = 32`.
    half: i32,
    /// `shift - 32`.
    shift: u32,
}

impl Rate {
    /// The rate of `mult` and `shift` (32 to 62).
    #[inline(always)]
    pub(crate) fn new(_: Dsp, mult: i32, shift: u8) -> Self {
        let shift = u32::from(shift).wrapping_sub(32);
        Self { mult, half: 1i32.wrapping_shl(shift) >> 1, shift }
    }

    /// The rate of a whole tensor.
    #[inline(always)]
    pub(crate) fn of(dsp: Dsp, requant: TensorRequant) -> Self {
        Self::new(dsp, requant.mult, requant.shift)
    }

    /// Rates of all channels.
    #[inline(always)]
    pub(crate) fn all(dsp: Dsp, requant: Requant<'_>) -> impl Iterator<Item = Self> {
        requant.mult.iter().zip(requant.shift).map(move |(mult, shift)| Self::new(dsp, *mult, *shift))
    }

    /// `(acc * mult + 2^(shift - 1)) >> shift` of an accumulator that has its `pre_shift`.
    #[inline(always)]
    pub(crate) fn apply(self, acc: i32) -> i32 {
        let result: i32;
        if self.shift == 0 {
            // SAFETY: the value was made from a token that proves the DSP extension.
            unsafe { asm!("smmulr {}, {}, {}", lateout(reg) result, in(reg) acc, in(reg) self.mult, options(pure, nomem, nostack, preserves_flags)) };
        } else {
            // SAFETY: as above.
            unsafe {
                asm!(
                    "smmla {result}, {acc}, {mult}, {half}",
                    "asr {result}, {result}, {shift}",
                    result = out(reg) result, acc = in(reg) acc, mult = in(reg) self.mult, half = in(reg) self.half, shift = in(reg) self.shift,
                    options(pure, nomem, nostack, preserves_flags),
                );
            }
        }
        result
    }
}

/// `acc << pre_shift`.
#[inline(always)]
pub(crate) fn shifted(acc: i32, pre_shift: u8) -> i32 {
    acc.wrapping_shl(pre_shift.into())
}
