//! Definition of the LayerNorm: one pass for the sums, one for the affine.

use super::{Common, Norm};
use crate::slices::{rows, rows_mut};

/// Statistics that one token's channels share.
#[derive(Clone, Copy)]
struct Statistics {
    channels: i32,
    sum: i32,
    r: i64,
    k: u32,
}

/// Sums of one token of at most [`MAX_NORM_CHANNELS`](crate::contract::MAX_NORM_CHANNELS) channels.
fn statistics(token: &[i16], common: Common) -> Statistics {
    let channels = token.len() as i32;
    let mut sum = 0i32;
    let mut squares = 0u64;
    for x in token {
        let x = i32::from(*x);
        sum = sum.wrapping_add(x);
        squares = squares.wrapping_add(u64::from((x * x) as u32));
    }
    let (r, k) = common.reciprocal(variance(token.len(), sum, squares));
    Statistics { channels, sum, r: i64::from(r), k }
}

/// `C * S2 - S1^2`.
#[inline(always)]
pub(super) fn variance(channels: usize, sum: i32, squares: u64) -> u64 {
    let square_of_sum = i64::from(sum) * i64::from(sum);
    (channels as u64).wrapping_mul(squares).wrapping_sub(square_of_sum as u64)
}

impl Statistics {
    /// One normalised channel through the affine, clamped to `lo..=hi`.
    #[inline(always)]
    fn normalise(self, x: i16, gain: i32, offset: i32, shift: u8, lo: i32, hi: i32) -> i32 {
        let d = i64::from(self.channels.wrapping_mul(i32::from(x)).wrapping_sub(self.sum));
        let half = 1i64.wrapping_shl(self.k.wrapping_sub(1));
        // |d| / sqrt(var) <= sqrt(channels) <= 2^7, so 15 fractional bits fit i32.
        let xh = d.wrapping_mul(self.r).wrapping_add(half).wrapping_shr(self.k) as i32;
        let xh = xh.max(i32::from(i16::MIN)).min(i32::from(i16::MAX));
        let half = 1i64.wrapping_shl(u32::from(shift).wrapping_sub(1));
        // At most 2^30 + 2^29 + 2^29 before a shift of at least 1: fits i32 after it.
        let sum = i64::from(xh).wrapping_mul(i64::from(gain)).wrapping_add(i64::from(offset)).wrapping_add(half);
        (sum.wrapping_shr(u32::from(shift)) as i32).max(lo).min(hi)
    }
}

/// Tokens to s8; lengths were checked by the caller, as in the functions below.
pub(super) fn tokens_s8(x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(token, common);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, lo, hi) as i8;
        }
    }
}

/// Tokens to s16.
pub(super) fn tokens_s16(x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let (channels, common) = (norm.gain.len(), norm.common());
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(token, common);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(x: &mut [i16], norm: &Norm<'_>) {
    let common = norm.common();
    for token in rows_mut(x, norm.gain.len()) {
        let shared = statistics(token, common);
        for (x, (gain, offset)) in token.iter_mut().zip(norm.gain.iter().zip(norm.offset)) {
            *x = shared.normalise(*x, *gain, *offset, norm.shift, i32::from(i16::MIN), i32::from(i16::MAX)) as i16;
        }
    }
}
