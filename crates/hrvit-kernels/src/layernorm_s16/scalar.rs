//! Definition of the LayerNorm: one pass for the sums, one for the affine.

use super::Norm;
use crate::math::rsqrt;

/// What one token's channels share.
#[derive(Clone, Copy)]
struct Statistics {
    channels: i32,
    sum: i32,
    r: i64,
    k: u32,
}

/// Sums of one token of at most [`super::MAX_CHANNELS`] channels.
fn statistics(token: &[i16], eps: u64) -> Statistics {
    let channels = token.len() as i32;
    let mut sum = 0i32;
    let mut squares = 0u64;
    for x in token {
        let x = i32::from(*x);
        sum = sum.wrapping_add(x);
        squares = squares.wrapping_add(u64::from((x * x) as u32));
    }
    let mean_square = i64::from(sum) * i64::from(sum);
    let var = (channels as u64).wrapping_mul(squares).wrapping_sub(mean_square as u64);
    let (r, k) = rsqrt(var.wrapping_add(eps));
    Statistics { channels, sum, r: i64::from(r), k }
}

impl Statistics {
    /// One normalised channel through the affine, clamped to `lo..=hi`.
    #[inline(always)]
    fn normalise(self, x: i16, gain: i32, offset: i32, shift: u8, lo: i64, hi: i64) -> i64 {
        let d = i64::from(self.channels.wrapping_mul(i32::from(x)).wrapping_sub(self.sum));
        let half = 1i64.wrapping_shl(self.k.wrapping_sub(1));
        let xh = d.wrapping_mul(self.r).wrapping_add(half).wrapping_shr(self.k);
        let xh = xh.max(i64::from(i16::MIN)).min(i64::from(i16::MAX));
        let half = 1i64.wrapping_shl(u32::from(shift).wrapping_sub(1));
        let y = xh.wrapping_mul(i64::from(gain)).wrapping_add(i64::from(offset)).wrapping_add(half).wrapping_shr(u32::from(shift));
        y.max(lo).min(hi)
    }
}

/// Tokens to s8; lengths were checked by the caller, as in the functions below.
pub(super) fn tokens_s8(x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let channels = norm.gain.len().max(1);
    for (token, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let shared = statistics(token, norm.eps);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, i64::from(lo), i64::from(hi)) as i8;
        }
    }
}

/// Tokens to s16.
pub(super) fn tokens_s16(x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let channels = norm.gain.len().max(1);
    for (token, out) in x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        let shared = statistics(token, norm.eps);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = shared.normalise(*x, *gain, *offset, norm.shift, i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
        }
    }
}

/// Tokens to s16, in place.
pub(super) fn tokens_s16_in_place(x: &mut [i16], norm: &Norm<'_>) {
    for token in x.chunks_exact_mut(norm.gain.len().max(1)) {
        let shared = statistics(token, norm.eps);
        for (x, (gain, offset)) in token.iter_mut().zip(norm.gain.iter().zip(norm.offset)) {
            *x = shared.normalise(*x, *gain, *offset, norm.shift, i64::from(i16::MIN), i64::from(i16::MAX)) as i16;
        }
    }
}
