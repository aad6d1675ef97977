//! The LayerNorm in another order: sums in 8 lanes, of one block of channels after the other or of
//! every other one, the last channels as in the definition.

use half::f16;

use super::{NormF16, scalar};
use crate::isa::{Emulated, Order};
use crate::math_f32::{narrow, rsqrt, widen};
use crate::orders::LANES;
use crate::slices::{rows, rows_mut};

/// Tokens.
pub(super) fn tokens(emulated: Emulated, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    if emulated.order() == Order::Scalar {
        return scalar::tokens(x, norm, out);
    }
    let channels = norm.gain.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = statistics(emulated.order(), x, norm.eps);
        for (i, (x, out)) in x.iter().zip(out).enumerate() {
            *out = affine(i, *x, shared, norm);
        }
    }
}

/// Tokens, in place.
pub(super) fn tokens_in_place(emulated: Emulated, x: &mut [f16], norm: &NormF16<'_>) {
    if emulated.order() == Order::Scalar {
        return scalar::tokens_in_place(x, norm);
    }
    for x in rows_mut(x, norm.gain.len()) {
        let shared = statistics(emulated.order(), x, norm.eps);
        for (i, x) in x.iter_mut().enumerate() {
            *x = affine(i, *x, shared, norm);
        }
    }
}

/// Mean and `1 / sqrt(variance + eps)` of one token.
fn statistics(order: Order, token: &[f16], eps: f32) -> (f32, f32) {
    let channels = token.len() as f32;
    let mean = sum(order, token, widen, |sum, x| sum + x, |sum, x| sum + x) / channels;
    let distance = |x| widen(x) - mean;
    let squares = sum(order, token, distance, |sum, d| d.mul_add(d, sum), |sum, d| sum + d * d);
    let variance = squares / channels + eps;
    let root = if order == Order::Mve { rsqrt(variance) } else { 1.0 / variance.sqrt() };
    (mean, root)
}

/// The sum of all `term`s: those in blocks of 8 added by `vector` in lanes, the others by `one`.
fn sum(order: Order, token: &[f16], term: impl Fn(f16) -> f32, vector: impl Fn(f32, f32) -> f32, one: impl Fn(f32, f32) -> f32) -> f32 {
    let (blocks, tail) = token.as_chunks::<LANES>();
    let paired = if order == Order::Mve { 0 } else { blocks.len() / 2 * 2 };
    let mut chains = [[0.0; LANES]; 2];
    for (at, block) in blocks.iter().enumerate() {
        let chain = if at < paired { at % 2 } else { 0 };
        for (lane, x) in chains[chain].iter_mut().zip(block) {
            *lane = vector(*lane, term(*x));
        }
    }
    let lanes = core::array::from_fn(|lane| chains[0][lane] + chains[1][lane]);
    tail.iter().fold(order.sum(lanes), |sum, x| one(sum, term(*x)))
}

/// Channel `i` through the affine, fused where it is in a whole block.
fn affine(i: usize, x: f16, (mean, r): (f32, f32), norm: &NormF16<'_>) -> f16 {
    let (gain, offset) = (norm.gain[i], norm.offset[i]);
    let x = (widen(x) - mean) * r;
    narrow(if i < norm.gain.len() / LANES * LANES { x.mul_add(gain, offset) } else { x * gain + offset })
}
