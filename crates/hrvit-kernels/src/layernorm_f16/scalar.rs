//! Definition of the LayerNorm: one pass for the mean, one for the variance, one for the affine.

use half::f16;

use super::NormF16;
use crate::math_f32::{narrow, rsqrt, widen};
use crate::slices::{rows, rows_mut};

/// Mean and `1 / sqrt(variance + eps)` of one token.
#[inline(always)]
fn statistics(token: &[f16], eps: f32) -> (f32, f32) {
    let channels = token.len() as f32;
    let mean = token.iter().fold(0.0, |sum, x| sum + widen(*x)) / channels;
    let squares = token.iter().fold(0.0, |sum, x| {
        let d = widen(*x) - mean;
        sum + d * d
    });
    (mean, rsqrt(squares / channels + eps))
}

/// One channel through the affine.
#[inline(always)]
fn normalise(x: f16, (mean, r): (f32, f32), gain: f32, offset: f32) -> f16 {
    narrow((widen(x) - mean) * r * gain + offset)
}

/// Tokens; lengths were checked by the caller, as below.
pub(super) fn tokens(x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    let channels = norm.gain.len();
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(token, norm.eps);
        for ((x, out), (gain, offset)) in token.iter().zip(out).zip(norm.gain.iter().zip(norm.offset)) {
            *out = normalise(*x, shared, *gain, *offset);
        }
    }
}

/// Tokens, in place.
pub(super) fn tokens_in_place(x: &mut [f16], norm: &NormF16<'_>) {
    for token in rows_mut(x, norm.gain.len()) {
        let shared = statistics(token, norm.eps);
        for (x, (gain, offset)) in token.iter_mut().zip(norm.gain.iter().zip(norm.offset)) {
            *x = normalise(*x, shared, *gain, *offset);
        }
    }
}
