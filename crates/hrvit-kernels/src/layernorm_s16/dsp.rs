//! LayerNorm with the DSP extension: the definition's loops in 32-bit registers.

use core::arch::asm;

use super::{Common, Norm};
use crate::dsp::rates::{Rate, shifted};
use crate::isa::Dsp;
use crate::slices::{rows, rows_mut};

/// What one token's channels share.
#[derive(Clone, Copy)]
struct Statistics {
    channels: i32,
    minus_sum: i32,
    rate: Rate,
}

/// Sums of one token.
#[inline(always)]
fn statistics(dsp: Dsp, token: &[i16], common: Common) -> Statistics {
    let (pairs, rest) = token.as_chunks::<2>();
    let (mut sum, mut low, mut high) = (0i32, 0u32, 0u32);
    for pair in pairs {
        let word = u32::from(pair[0] as u16) | u32::from(pair[1] as u16) << 16;
        // SAFETY: the token proves the DSP extension.
        unsafe {
            asm!(
                "smlad {sum}, {word}, {ones}, {sum}",
                "smlald {low}, {high}, {word}, {word}",
                sum = inout(reg) sum, low = inout(reg) low, high = inout(reg) high, word = in(reg) word, ones = in(reg) 0x0001_0001,
                options(pure, nomem, nostack),
            );
        }
    }
    let mut squares = u64::from(high) << 32 | u64::from(low);
    for x in rest {
        let x = i32::from(*x);
        sum = sum.wrapping_add(x);
        squares = squares.wrapping_add(u64::from((x * x) as u32));
    }
    let channels = token.len() as i32;
    let mean_square = i64::from(sum) * i64::from(sum);
    let var = (channels as u64).wrapping_mul(squares).wrapping_sub(mean_square as u64);
    let (r, k) = common.reciprocal(var);
    // A rate shifts by 32 or more. Where k is less, var is below 2^(2 k - 32) and |d| below 2^7 sqrt(var): shifting left leaves it far below 2^31.
    let pre_shift = 32u32.saturating_sub(k) as u8;
    let rate = Rate::new(dsp, r as i32, k.max(32) as u8);
    Statistics { channels: shifted(channels, pre_shift), minus_sum: shifted(sum.wrapping_neg(), pre_shift), rate }
}

impl Statistics {
    /// One normalised channel through the affine, clamped to `lo..=hi`.
    #[inline(always)]
    fn normalise(self, x: i16, gain: i32, offset: i32, shift: u8, lo: i32, hi: i32) -> i32 {
        let xh = self.rate.apply(self.channels.wrapping_mul(i32::from(x)).wrapping_add(self.minus_sum));
        let xh = xh.max(i32::from(i16::MIN)).min(i32::from(i16::MAX));
        // Below 2^31; the rounding bit is added after all but one of the shifts.
        let sum = xh.wrapping_mul(gain).wrapping_add(offset);
        ((sum >> (shift.wrapping_sub(1) & 31)).wrapping_add(1) >> 1).max(lo).min(hi)
    }
}

/// Tokens to s8.
pub(super) fn tokens_s8(dsp: Dsp, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(dsp, token, common);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, lo, hi) as i8;
        }
    }
}

/// Tokens to s16.
pub(super) fn tokens_s16(dsp: Dsp, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(dsp, token, common);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(dsp: Dsp, x: &mut [i16], norm: &Norm<'_>) {
    let common = norm.common();
    for token in rows_mut(x, norm.gain.len()) {
        let shared = statistics(dsp, token, common);
        for (x, (gain, offset)) in token.iter_mut().zip(norm.gain.iter().zip(norm.offset)) {
            *x = shared.normalise(*x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}
