//! The LayerNorm: sums in 8 lanes, the last channels as in the definition where 8 do not divide them.

use core::arch::x86_64::*;

use half::f16;

use super::NormF16;
use crate::avx2::floats::{LANES, load, load_f32, store, sum};
use crate::isa::Avx2;
use crate::lanes::{rows, rows_mut};
use crate::math_f32::{narrow, widen};

/// Tokens.
pub(super) fn tokens(_: Avx2, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    let channels = norm.gain.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        // SAFETY: the token proves AVX2, FMA and F16C.
        unsafe { token(x, norm, out) };
    }
}

/// Tokens, in place.
pub(super) fn tokens_in_place(_: Avx2, x: &mut [f16], norm: &NormF16<'_>) {
    for x in rows_mut(x, norm.gain.len()) {
        // SAFETY: the token proves AVX2, FMA and F16C.
        unsafe { token_in_place(x, norm) };
    }
}

/// One token.
#[target_feature(enable = "avx2,fma,f16c")]
fn token(x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    let shared = statistics(x, norm.eps);
    let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
    let ((gain, gain_tail), (offset, offset_tail)) = (norm.gain.as_chunks(), norm.offset.as_chunks());
    for ((x, out), (gain, offset)) in x.iter().zip(out).zip(gain.iter().zip(offset)) {
        store(out, eight(load(x), shared, gain, offset));
    }
    for ((x, out), (gain, offset)) in x_tail.iter().zip(out_tail).zip(gain_tail.iter().zip(offset_tail)) {
        *out = one(*x, shared, *gain, *offset);
    }
}

/// One token, in place.
#[target_feature(enable = "avx2,fma,f16c")]
fn token_in_place(x: &mut [f16], norm: &NormF16<'_>) {
    let shared = statistics(x, norm.eps);
    let ((gain, gain_tail), (offset, offset_tail)) = (norm.gain.as_chunks(), norm.offset.as_chunks());
    let (x, x_tail) = x.as_chunks_mut();
    for (x, (gain, offset)) in x.iter_mut().zip(gain.iter().zip(offset)) {
        store(x, eight(load(x), shared, gain, offset));
    }
    for (x, (gain, offset)) in x_tail.iter_mut().zip(gain_tail.iter().zip(offset_tail)) {
        *x = one(*x, shared, *gain, *offset);
    }
}

/// Mean and `1 / sqrt(variance + eps)` of one token.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn statistics(token: &[f16], eps: f32) -> (f32, f32) {
    let channels = token.len() as f32;
    let (blocks, tail) = token.as_chunks::<LANES>();
    let (pairs, last) = blocks.as_chunks::<2>();
    let mut sums = [_mm256_setzero_ps(); 2];
    for [low, high] in pairs {
        sums = [_mm256_add_ps(sums[0], load(low)), _mm256_add_ps(sums[1], load(high))];
    }
    for block in last {
        sums[0] = _mm256_add_ps(sums[0], load(block));
    }
    let mean = tail.iter().fold(sum(_mm256_add_ps(sums[0], sums[1])), |sum, x| sum + widen(*x)) / channels;
    let means = _mm256_set1_ps(mean);
    let mut squares = [_mm256_setzero_ps(); 2];
    for [low, high] in pairs {
        let (low, high) = (_mm256_sub_ps(load(low), means), _mm256_sub_ps(load(high), means));
        squares = [_mm256_fmadd_ps(low, low, squares[0]), _mm256_fmadd_ps(high, high, squares[1])];
    }
    for block in last {
        let d = _mm256_sub_ps(load(block), means);
        squares[0] = _mm256_fmadd_ps(d, d, squares[0]);
    }
    let squares = tail.iter().fold(sum(_mm256_add_ps(squares[0], squares[1])), |sum, x| sum + (widen(*x) - mean) * (widen(*x) - mean));
    let root = _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(squares / channels + eps)));
    (mean, 1.0 / root)
}

/// 8 channels through the affine.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn eight(x: __m256, (mean, r): (f32, f32), gain: &[f32; LANES], offset: &[f32; LANES]) -> __m256 {
    let x = _mm256_mul_ps(_mm256_sub_ps(x, _mm256_set1_ps(mean)), _mm256_set1_ps(r));
    _mm256_fmadd_ps(x, load_f32(gain), load_f32(offset))
}

/// One channel through the affine.
#[inline(always)]
fn one(x: f16, (mean, r): (f32, f32), gain: f32, offset: f32) -> f16 {
    narrow((widen(x) - mean) * r * gain + offset)
}
