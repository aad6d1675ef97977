//! Float mathematics of the f16 kernels, in f32: conversions, powers of two, GELU, Hardswish,
//! reciprocal square root. Each function has its error measured over every f16
//! (`tests/math_f32.rs`).
//!
//! **No kernel stores an infinity or a NaN.** Operands in f16 are finite, hence at most 65504.
//! Operands in f32 (biases, gains, sums to add to) are at most 2^64 in magnitude, lengths at most
//! 2^16. Then a sum of products is at most `2^16 * 2^32 + 2^64 < 2^65`. An activation is no larger
//! than its argument, up to a rounding. A normalised value is at most `sqrt(channels) <= 2^7` times
//! a gain. The two products of the diversity-enhancing shortcut together give at most
//! `2^16 * 2^65 * 2^16 = 2^97`. f32 holds all of them (2^128). Divisors are a softmax's sum, which
//! is 1 or more, a count, and a scale that is no subnormal. The only root is that of a variance
//! plus an `eps` that is no subnormal. [`narrow`] clamps before it rounds. Other operands make
//! unspecified results, and no harm.
//!
//! **Sums of products** are the same on every instruction set that adds in the definition's order:
//! f32 holds the product of two f16, which has 22 bits. A fused multiplication and addition rounds
//! like a multiplication and an addition.

use half::f16;

/// The largest f16.
pub const MAX: f32 = 65504.0;

/// `x` in f32, exactly. (An infinity or a NaN reads as any number, or stays what it is.)
#[inline(always)]
pub fn widen(x: f16) -> f32 {
    #[cfg(hrvit_float_unit)]
    return in_hardware::widen(x);
    #[cfg(not(hrvit_float_unit))]
    in_integers::widen(x)
}

/// `x` rounded to the nearest f16, ties to even, at most [`MAX`] in magnitude: never an infinity,
/// and never a NaN.
#[inline(always)]
#[allow(clippy::manual_clamp, reason = "`clamp` keeps a NaN")]
pub fn narrow(x: f32) -> f16 {
    let x = x.max(-MAX).min(MAX);
    #[cfg(hrvit_float_unit)]
    return in_hardware::narrow(x);
    #[cfg(not(hrvit_float_unit))]
    in_integers::narrow(x)
}

/// Conversions in plain code.
#[cfg(not(hrvit_float_unit))]
mod in_integers {
    use half::f16;

    #[inline(always)]
    pub(super) fn widen(x: f16) -> f32 {
        /// The least subnormal.
        const UNIT: f32 = f32::from_bits((127 - 24) << 23);
        let bits = u32::from(x.to_bits());
        // No subnormal of f32 on the way: vectors of MVE flush them to zero.
        let normal = ((bits & 0x7fff) << 13) + (112 << 23);
        let subnormal = ((bits & 0x3ff) as f32 * UNIT).to_bits();
        let magnitude = if bits & 0x7c00 == 0 { subnormal } else { normal };
        f32::from_bits(magnitude | (bits & 0x8000) << 16)
    }

    /// Of a number whose magnitude is at most [`super::MAX`].
    #[inline(always)]
    pub(super) fn narrow(x: f32) -> f16 {
        /// The least normal f16.
        const NORMAL: u32 = (127 - 14) << 23;
        let bits = x.to_bits();
        let magnitude = bits & 0x7fff_ffff;
        let normal = (magnitude + 0xfff + (magnitude >> 13 & 1)).wrapping_sub(112 << 23) >> 13;
        // One unit of a subnormal is the last place of 0.5.
        let subnormal = (f32::from_bits(magnitude) + 0.5).to_bits().wrapping_sub(0.5f32.to_bits());
        let rounded = if magnitude >= NORMAL { normal } else { subnormal };
        f16::from_bits((bits >> 16 & 0x8000 | rounded) as u16)
    }
}

/// The same conversions by the instructions that a floating-point unit has for them. The compiler
/// has no half-precision type of its own to make them from.
#[cfg(hrvit_float_unit)]
mod in_hardware {
    use core::arch::asm;

    use half::f16;

    #[inline(always)]
    pub(super) fn widen(x: f16) -> f32 {
        let wide;
        // SAFETY: the build is for a processor with the instruction, which touches registers only.
        unsafe { asm!("vcvtb.f32.f16 {0}, {1}", out(sreg) wide, in(sreg) f32::from_bits(x.to_bits().into()), options(pure, nomem, nostack)) };
        wide
    }

    /// Of a number whose magnitude is at most [`super::MAX`]. Rounds to nearest even, as the unit
    /// does from reset on.
    #[inline(always)]
    pub(super) fn narrow(x: f32) -> f16 {
        let half: f32;
        // SAFETY: as above.
        unsafe { asm!("vcvtb.f16.f32 {0}, {0}", inout(sreg) x => half, options(pure, nomem, nostack)) };
        f16::from_bits(half.to_bits() as u16)
    }
}

/// `1.5 * 2^23`: a sum of it and a number of at most 2^22 has no fractional bits, and ends in the
/// number's integer.
pub(crate) const ROUNDER: f32 = 12_582_912.0;

/// `x`, at most 2^22 in magnitude, rounded to an integer, ties to even.
#[inline(always)]
pub(crate) fn round(x: f32) -> f32 {
    (x + ROUNDER) - ROUNDER
}

/// Least argument of [`exp2`]: powers stay normal numbers.
pub(crate) const EXP2_MIN: f32 = -125.0;

/// `2^f` for f in -1/2..=1/2 by powers of f; relative error at most 2.9e-6.
pub(crate) const EXP2: [f32; 5] = [1.0, 0.693_124_2, 0.240_241, 0.055_906_426, 0.009_582_853];

/// `2^x` for `x <= 0`: relative error at most 3.1e-6 (2^-18.3); exactly 1 at 0, and `2^-125` for
/// all `x` below -125.
#[inline(always)]
pub fn exp2(x: f32) -> f32 {
    let x = x.max(EXP2_MIN);
    let shifted = x + ROUNDER;
    let power = polynomial(&EXP2, x - (shifted - ROUNDER));
    f32::from_bits(power.to_bits().wrapping_add(shifted.to_bits() << 23))
}

/// From which magnitude on [`gelu`] is the same number on each side: `6 * (1 - Phi(6)) < 6e-9`
/// rounds to 0.
pub(crate) const GELU_MAX: f32 = 6.0;

/// How often [`GELU`] is squared.
pub(crate) const GELU_SQUARES: u32 = 5;

/// `(1 - Phi(t))^(1/32)` for t in 0..=6 by powers of t: `t` times its 32nd power is within 0.02
/// units in the last place of an f16 of `t * (1 - Phi(t))`.
pub(crate) const GELU: [f32; 7] = [0.978_572_2, -0.024_403_853, -0.009_409_187, -0.000_910_500_1, 0.000_258_418_06, -1.559_971_9e-5, 2.710_412e-7];

/// `GELU(x) = x * Phi(x)`, Phi the normal distribution (the form with `erf`, not the one with
/// `tanh`), as `max(x, 0) - t * (1 - Phi(t))`, `t = min(|x|, 6)`.
///
/// At most 0.52 units in the last place of the f16 result, over every f16; at most 0 for `x <= 0`,
/// and not above `max(x, 0)`.
#[inline(always)]
pub fn gelu(x: f32) -> f32 {
    let t = x.abs().min(GELU_MAX);
    let tail = (0..GELU_SQUARES).fold(polynomial(&GELU, t), |root, _| root * root);
    x.max(0.0) - t * tail
}

/// `x * clamp(x + 3, 0, 6) / 6`: at most 0.51 units in the last place of the f16 result, over every
/// f16.
#[inline(always)]
pub fn hardswish(x: f32) -> f32 {
    x * ((x + 3.0).clamp(0.0, 6.0) * (1.0 / 6.0))
}

/// `1 / sqrt(x)` for a positive number that is not subnormal: the estimate of `micromath`, relative
/// error at most 0.035, and three Newton steps from it: relative error at most 2e-7 (2^-22.2).
#[inline(always)]
pub fn rsqrt(x: f32) -> f32 {
    // The magnitude, since the estimate's subtraction would overflow for a NaN with a sign.
    let mut y = micromath::F32(x.abs()).invsqrt().0;
    for _ in 0..3 {
        y *= 1.5 - 0.5 * x * y * y;
    }
    y
}

/// The sum of `coefficients[i] * x^i`.
#[inline(always)]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: f32) -> f32 {
    coefficients.iter().rev().fold(0.0, |sum, coefficient| sum * x + coefficient)
}
