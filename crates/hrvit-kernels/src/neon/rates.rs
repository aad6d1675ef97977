//! The rounding rule on vectors: `((acc << pre) * mult + 2^(shift - 1)) >> shift` for 8
//! accumulators at once, exact for every shift in 32..=62.
//!
//! `sqdmulh` gives `floor(acc * mult / 2^31)`. `srshl` by `31 - shift` (a right shift of 1 or more)
//! adds half and shifts. The floor of a floor is the floor of the whole.

use core::arch::aarch64::*;

use super::{load_s32x4, load_u8x8};
use crate::requant::{Requant, TensorRequant};
use crate::slices::window;

/// Channels of a [`Rates`].
pub(crate) const CHANNELS: usize = 8;

/// Multipliers and shifts of 8 accumulators.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    mult: [int32x4_t; 2],
    /// `31 - shift`: a right shift.
    shift: [int32x4_t; 2],
    pre_shift: int32x4_t,
    shifted: bool,
}

impl Rates {
    /// Rates of the channels from `first` on; channels beyond the last get harmless ones.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn new(requant: Requant<'_>, first: usize) -> Self {
        match (window::<i32, CHANNELS>(requant.mult, first), window::<u8, CHANNELS>(requant.shift, first)) {
            (Some(mult), Some(shift)) => Self::of(mult, shift, requant.pre_shift),
            _ => {
                let (mut mult, mut shift) = ([0i32; CHANNELS], [32u8; CHANNELS]);
                let given = requant.mult.iter().zip(requant.shift).skip(first);
                for ((mult, shift), (given_mult, given_shift)) in mult.iter_mut().zip(&mut shift).zip(given) {
                    (*mult, *shift) = (*given_mult, *given_shift);
                }
                Self::of(&mult, &shift, requant.pre_shift)
            }
        }
    }

    /// Rates of the channels from `first` on, all of which exist.
    ///
    /// # Safety
    /// The processor has NEON, and the last of the [`CHANNELS`] is one of `requant`.
    #[inline(always)]
    pub(crate) unsafe fn whole(requant: Requant<'_>, first: usize) -> Self {
        // SAFETY: the caller vouches for the channels.
        unsafe { Self::of(&*requant.mult.as_ptr().add(first).cast(), &*requant.shift.as_ptr().add(first).cast(), requant.pre_shift) }
    }

    #[inline]
    #[target_feature(enable = "neon")]
    fn of(mult: &[i32; CHANNELS], shift: &[u8; CHANNELS], pre_shift: u8) -> Self {
        // SAFETY: reads the 32 bytes of one reference and the 8 of the other.
        let (mult, shift) = unsafe { ([load_s32x4(mult.as_ptr()), load_s32x4(mult.as_ptr().add(4))], load_u8x8(shift.as_ptr())) };
        let right = vmovl_s8(vsub_s8(vdup_n_s8(31), vreinterpret_s8_u8(shift)));
        Self { mult, shift: [vmovl_s16(vget_low_s16(right)), vmovl_high_s16(right)], pre_shift: vdupq_n_s32(pre_shift.into()), shifted: pre_shift != 0 }
    }

    /// The same for all channels.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn splat(scalar: TensorRequant) -> Self {
        let (mult, shift) = (vdupq_n_s32(scalar.mult), vdupq_n_s32(31 - i32::from(scalar.shift)));
        Self { mult: [mult; 2], shift: [shift; 2], pre_shift: vdupq_n_s32(scalar.pre_shift.into()), shifted: scalar.pre_shift != 0 }
    }

    /// One for the first 4 accumulators, one for the others; both have the same shift to the left.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn pair(first: TensorRequant, second: TensorRequant) -> Self {
        let [mult, shift] =
            [[first.mult, second.mult], [31 - i32::from(first.shift), 31 - i32::from(second.shift)]].map(|both| both.map(|one| vdupq_n_s32(one)));
        Self { mult, shift, pre_shift: vdupq_n_s32(first.pre_shift.into()), shifted: first.pre_shift != 0 }
    }

    /// 8 accumulators of each of some rows. One test of the shift to the left serves them all.
    #[inline]
    #[target_feature(enable = "neon")]
    pub(crate) fn apply<const N: usize>(&self, mut acc: [[int32x4_t; 2]; N]) -> [[int32x4_t; 2]; N] {
        if self.shifted {
            for [low, high] in &mut acc {
                (*low, *high) = (vshlq_s32(*low, self.pre_shift), vshlq_s32(*high, self.pre_shift));
            }
        }
        for [low, high] in &mut acc {
            *low = vrshlq_s32(vqdmulhq_s32(*low, self.mult[0]), self.shift[0]);
            *high = vrshlq_s32(vqdmulhq_s32(*high, self.mult[1]), self.shift[1]);
        }
        acc
    }
}
