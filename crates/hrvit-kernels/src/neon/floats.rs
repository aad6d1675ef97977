//! Parts that the f16 kernels share: conversions, loads and stores, arithmetic on vectors.
//!
//! Conversions (`fcvtl`, `fcvtn`) are in every AArch64 processor, arithmetic is in f32. Fused
//! products round once where the definition rounds twice; but for sums of products, whose terms are
//! exact, results may differ in the last places.

use core::arch::aarch64::*;

use half::f16;

use super::{load_f32x4, load_u16x4, load_u16x8, store_f32x4, store_u16x8};
use crate::slices::window;

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
    // SAFETY: writes the 16 bytes of the reference, aligned for u16 as f16 is.
    unsafe { store_at(values.as_mut_ptr(), x) }
}

/// [`store`] through a pointer.
///
/// # Safety
/// 8 elements may be written.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) unsafe fn store_at(to: *mut f16, [low, high]: Eight) {
    /// Bits of the largest f16.
    const MOST: u16 = 0x7bff;
    let narrow = vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(low), high));
    // Bits of infinities and NaN lie above those of the largest number of their sign: of negative
    // ones as u16, of the others as s16.
    let narrow = vreinterpretq_s16_u16(vminq_u16(narrow, vdupq_n_u16(0x8000 | MOST)));
    let narrow = vreinterpretq_u16_s16(vminq_s16(narrow, vdupq_n_s16(MOST as i16)));
    // SAFETY: the caller vouches for the elements, aligned for u16 as f16 is.
    unsafe { store_u16x8(to.cast(), narrow) }
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
