//! What the f16 kernels share: conversions, the functions of [`math_f32`](crate::math_f32) on vectors, ways of storing.
//!
//! Conversions (`fcvtl`, `fcvtn`) are in every AArch64 processor, arithmetic is in f32. Fused products round once where the definition rounds twice; but for sums of
//! products, whose terms are exact, results may differ in the last places.

use core::arch::aarch64::*;

use half::f16;

use super::{load_f32x4, load_u16x4, load_u16x8, store_f32x4, store_u16x8};
use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_EXPONENT, GELU_MAX, MAX, ROUNDER};
use crate::slices::{window, window_mut};

/// Lanes of two vectors: what one vector of f16 becomes.
pub(crate) const LANES: usize = 8;

/// 8 values in f32.
pub(crate) type Eight = [float32x4_t; 2];

/// 8 values, widened.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load(values: &[f16; LANES]) -> Eight {
    // SAFETY: reads the 16 bytes of the reference, aligned for u16 as f16 is.
    let values = vreinterpretq_f16_u16(unsafe { load_u16x8(values.as_ptr().cast()) });
    [vcvt_f32_f16(vget_low_f16(values)), vcvt_high_f32_f16(values)]
}

/// Stores 8 values, rounded to nearest even; never an infinity or a NaN.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn store(values: &mut [f16; LANES], x: Eight) {
    // Of a NaN and a number these return the number.
    let [low, high] = x.map(|x| vminnmq_f32(vmaxnmq_f32(x, vdupq_n_f32(-MAX)), vdupq_n_f32(MAX)));
    let narrow = vcvt_high_f16_f32(vcvt_f16_f32(low), high);
    // SAFETY: writes the 16 bytes of the reference, aligned for u16 as f16 is.
    unsafe { store_u16x8(values.as_mut_ptr().cast(), vreinterpretq_u16_f16(narrow)) }
}

/// 8 values.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load_f32(values: &[f32; LANES]) -> Eight {
    // SAFETY: reads the 32 bytes of the reference.
    unsafe { [load_f32x4(values.as_ptr()), load_f32x4(values.as_ptr().add(4))] }
}

/// Stores 8 values.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn store_f32(values: &mut [f32; LANES], x: Eight) {
    // SAFETY: writes the 32 bytes of the reference.
    unsafe {
        store_f32x4(values.as_mut_ptr(), x[0]);
        store_f32x4(values.as_mut_ptr().add(4), x[1]);
    }
}

/// The values from `first` on, up to 8, zeros beyond the end.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load_up_to(values: &[f32], first: usize) -> Eight {
    match window(values, first) {
        Some(eight) => load_f32(eight),
        // One after the other: compilers make a call of a loop that copies.
        None => load_f32(&core::array::from_fn(|i| values.get(first + i).copied().unwrap_or(0.0))),
    }
}

/// The 4 values from `first` on, widened; zeros beyond the end.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn load_four(values: &[f16], first: usize) -> float32x4_t {
    let load = |four: &[f16; 4]| {
        // SAFETY: reads the 8 bytes of the reference, aligned for u16 as f16 is.
        vcvt_f32_f16(vreinterpret_f16_u16(unsafe { load_u16x4(four.as_ptr().cast()) }))
    };
    match window(values, first) {
        Some(four) => load(four),
        None => load(&core::array::from_fn(|i| values.get(first + i).copied().unwrap_or(f16::ZERO))),
    }
}

/// One value 8 times.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn splat(x: f32) -> Eight {
    [vdupq_n_f32(x); 2]
}

/// Lane by lane `x + y`.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn add(x: Eight, y: Eight) -> Eight {
    [vaddq_f32(x[0], y[0]), vaddq_f32(x[1], y[1])]
}

/// Lane by lane `x - y`.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn sub(x: Eight, y: Eight) -> Eight {
    [vsubq_f32(x[0], y[0]), vsubq_f32(x[1], y[1])]
}

/// Lane by lane `x * y`.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn mul(x: Eight, y: Eight) -> Eight {
    [vmulq_f32(x[0], y[0]), vmulq_f32(x[1], y[1])]
}

/// Lane by lane `sum + x * y`.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn fma(sum: Eight, x: Eight, y: Eight) -> Eight {
    [vfmaq_f32(sum[0], x[0], y[0]), vfmaq_f32(sum[1], x[1], y[1])]
}

/// Lane by lane `x` or `y`, whichever is larger.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn max(x: Eight, y: Eight) -> Eight {
    [vmaxq_f32(x[0], y[0]), vmaxq_f32(x[1], y[1])]
}

/// [`exp2`](crate::math_f32::exp2).
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn exp2(x: Eight) -> Eight {
    x.map(|x| {
        let x = vmaxq_f32(x, vdupq_n_f32(EXP2_MIN));
        let rounder = vdupq_n_f32(ROUNDER);
        let shifted = vaddq_f32(x, rounder);
        let power = polynomial(&EXP2, vsubq_f32(x, vsubq_f32(shifted, rounder)));
        vreinterpretq_f32_s32(vaddq_s32(vreinterpretq_s32_f32(power), vshlq_n_s32::<23>(vreinterpretq_s32_f32(shifted))))
    })
}

/// [`gelu`](crate::math_f32::gelu).
#[inline]
#[target_feature(enable = "neon")]
fn gelu(x: Eight) -> Eight {
    let t = x.map(|x| vminq_f32(vabsq_f32(x), vdupq_n_f32(GELU_MAX)));
    let power = exp2(t.map(|t| vmulq_n_f32(vmulq_f32(t, t), GELU_EXPONENT)));
    let tail = mul(t.map(|t| polynomial(&GELU, t)), power);
    let positive = max(x, splat(0.0));
    [vfmsq_f32(positive[0], t[0], tail[0]), vfmsq_f32(positive[1], t[1], tail[1])]
}

/// [`hardswish`](crate::math_f32::hardswish).
#[inline]
#[target_feature(enable = "neon")]
fn hardswish(x: Eight) -> Eight {
    x.map(|x| {
        let ramp = vminq_f32(vmaxq_f32(vaddq_f32(x, vdupq_n_f32(3.0)), vdupq_n_f32(0.0)), vdupq_n_f32(6.0));
        vmulq_f32(x, vmulq_n_f32(ramp, 1.0 / 6.0))
    })
}

/// The activation.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn activate(act: ActivationF16, x: Eight) -> Eight {
    match act {
        ActivationF16::None => x,
        ActivationF16::Relu => max(x, splat(0.0)),
        ActivationF16::Gelu => gelu(x),
        ActivationF16::ReluGelu => gelu(max(x, splat(0.0))),
        ActivationF16::Hardswish => hardswish(x),
    }
}

/// The sum of `coefficients[i] * x^i`.
#[inline]
#[target_feature(enable = "neon")]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: float32x4_t) -> float32x4_t {
    let mut sum = vdupq_n_f32(coefficients[N - 1]);
    for coefficient in coefficients[..N - 1].iter().rev() {
        sum = vfmaq_f32(vdupq_n_f32(*coefficient), sum, x);
    }
    sum
}

/// The sum of all lanes.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn sum(x: Eight) -> f32 {
    vaddvq_f32(vaddq_f32(x[0], x[1]))
}

/// The largest lane.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn largest(x: Eight) -> f32 {
    vmaxvq_f32(vmaxq_f32(x[0], x[1]))
}

/// `1 / sqrt(x)`, each rounded once.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn reciprocal_root(x: f32) -> f32 {
    1.0 / vgetq_lane_f32::<0>(vsqrtq_f32(vdupq_n_f32(x)))
}

/// Stores the sums of 8 neighbouring channels from element `at` on, or as many of them as `len` says. A range outside of the output, of which no caller has one,
/// stores nothing.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn put(epilogue: &mut EpilogueF16<'_>, at: usize, sums: Eight, len: usize) {
    if len < LANES {
        let mut all = [0.0; LANES];
        match epilogue {
            EpilogueF16::Store { act, .. } => store_f32(&mut all, activate(*act, sums)),
            EpilogueF16::Add { .. } | EpilogueF16::Sum { .. } => store_f32(&mut all, sums),
        }
        let sums = all.get(..len).unwrap_or_default();
        return match epilogue {
            EpilogueF16::Store { out, .. } => EpilogueF16::Store { out, act: ActivationF16::None }.store(at, sums),
            other => other.store(at, sums),
        };
    }
    match epilogue {
        EpilogueF16::Store { out, act } => {
            let Some(out) = window_mut(out, at) else { return };
            store(out, activate(*act, sums));
        }
        EpilogueF16::Add { out } => {
            let Some(out) = window_mut(out, at) else { return };
            store(out, add(load(out), sums));
        }
        EpilogueF16::Sum { out } => {
            let Some(out) = window_mut(out, at) else { return };
            store_f32(out, add(load_f32(out), sums));
        }
    }
}

/// Puts 8 sums.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn put_eight(epilogue: &mut EpilogueF16<'_>, at: usize, sums: Eight) {
    put(epilogue, at, sums, LANES);
}
