//! The functions of [`math_f32`](crate::math_f32) on vectors.

use core::arch::x86_64::*;

use crate::epilogue_f16::ActivationF16;
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES, ROUNDER};

/// [`exp2`](crate::math_f32::exp2).
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn exp2(x: __m256) -> __m256 {
    let x = _mm256_max_ps(x, _mm256_set1_ps(EXP2_MIN));
    let rounder = _mm256_set1_ps(ROUNDER);
    let shifted = _mm256_add_ps(x, rounder);
    let power = polynomial(&EXP2, _mm256_sub_ps(x, _mm256_sub_ps(shifted, rounder)));
    let exponent = _mm256_slli_epi32::<23>(_mm256_castps_si256(shifted));
    _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(power), exponent))
}

/// [`gelu`](crate::math_f32::gelu).
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn gelu(x: __m256) -> __m256 {
    let t = _mm256_min_ps(_mm256_andnot_ps(_mm256_set1_ps(-0.0), x), _mm256_set1_ps(GELU_MAX));
    let mut tail = polynomial(&GELU, t);
    for _ in 0..GELU_SQUARES {
        tail = _mm256_mul_ps(tail, tail);
    }
    _mm256_fnmadd_ps(t, tail, _mm256_max_ps(x, _mm256_setzero_ps()))
}

/// [`hardswish`](crate::math_f32::hardswish).
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn hardswish(x: __m256) -> __m256 {
    let ramp = _mm256_min_ps(_mm256_max_ps(_mm256_add_ps(x, _mm256_set1_ps(3.0)), _mm256_setzero_ps()), _mm256_set1_ps(6.0));
    _mm256_mul_ps(x, _mm256_mul_ps(ramp, _mm256_set1_ps(1.0 / 6.0)))
}

/// The activation.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn activate(act: ActivationF16, x: __m256) -> __m256 {
    match act {
        ActivationF16::None => x,
        ActivationF16::Relu => _mm256_max_ps(x, _mm256_setzero_ps()),
        ActivationF16::Gelu => gelu(x),
        ActivationF16::ReluGelu => gelu(_mm256_max_ps(x, _mm256_setzero_ps())),
        ActivationF16::Hardswish => hardswish(x),
    }
}

/// The sum of `coefficients[i] * x^i`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn polynomial<const N: usize>(coefficients: &[f32; N], x: __m256) -> __m256 {
    let mut sum = _mm256_setzero_ps();
    for coefficient in coefficients.iter().rev() {
        sum = _mm256_fmadd_ps(sum, x, _mm256_set1_ps(*coefficient));
    }
    sum
}
