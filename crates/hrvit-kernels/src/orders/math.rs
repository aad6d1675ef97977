//! The functions of [`math_f32`](crate::math_f32) that have multiplications and additions to fuse.

use super::Order;
use crate::math_f32::{self, EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES, ROUNDER};

/// [`exp2`](crate::math_f32::exp2).
pub(crate) fn exp2(order: Order, x: f32) -> f32 {
    if order == Order::Scalar {
        return math_f32::exp2(x);
    }
    let x = x.max(EXP2_MIN);
    let shifted = x + ROUNDER;
    let f = x - (shifted - ROUNDER);
    let [low @ .., second, highest] = EXP2;
    // Helium has no lane of a vector times a register plus a register.
    let start = if order == Order::Mve { f * highest + second } else { highest.mul_add(f, second) };
    let power = polynomial(start, &low, f);
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// [`gelu`](crate::math_f32::gelu).
pub(crate) fn gelu(order: Order, x: f32) -> f32 {
    if order == Order::Scalar {
        return math_f32::gelu(x);
    }
    let t = x.abs().min(GELU_MAX);
    let [low @ .., highest] = GELU;
    let tail = (0..GELU_SQUARES).fold(polynomial(highest, &low, t), |root, _| root * root);
    (-t).mul_add(tail, x.max(0.0))
}

/// `start` times x to the power of how many coefficients there are, plus their polynomial.
fn polynomial(start: f32, coefficients: &[f32], x: f32) -> f32 {
    coefficients.iter().rev().fold(start, |sum, coefficient| sum.mul_add(x, *coefficient))
}
