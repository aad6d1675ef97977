//! Primitives of the f16 kernels, see [`floats`](crate::floats).

use core::arch::x86_64::*;

use half::f16;

use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::floats::{first_row, functions};
use crate::math_f32::{EXP2, EXP2_MIN, GELU, GELU_MAX, GELU_SQUARES, MAX};
use crate::slices::window;

/// Lanes of a vector.
pub(crate) const LANES: usize = 8;

/// 8 values in f32.
pub(crate) type Eight = __m256;

/// Applies a function of vectors to the one that 8 lanes are.
macro_rules! each {
    ($function:expr, $($x:expr),+) => { $function($($x),+) };
}

crate::floats::lanewise! {
    "avx2,fma,f16c", each, {
        add: _mm256_add_ps, sub: _mm256_sub_ps, mul: _mm256_mul_ps, div: _mm256_div_ps, min: _mm256_min_ps, max: _mm256_max_ps,
        abs: |x| _mm256_andnot_ps(_mm256_set1_ps(-0.0), x),
        fma: |sum, x, y| _mm256_fmadd_ps(x, y, sum),
        fms: |sum, x, y| _mm256_fnmadd_ps(x, y, sum),
        round: _mm256_round_ps::<{ _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC }>,
        scale: |x, power| {
            let power = _mm256_slli_epi32::<23>(_mm256_cvtps_epi32(power));
            _mm256_castsi256_ps(_mm256_add_epi32(_mm256_castps_si256(x), power))
        },
    }
}
crate::floats::activations::activations!("avx2,fma,f16c", exp2_polynomials, gelu_polynomials);
crate::floats::shared::shared!("avx2,fma,f16c");

functions! {
    "avx2,fma,f16c";
    /// One value 8 times.
    fn splat(x: f32) -> Eight {
        _mm256_set1_ps(x)
    }

    /// 8 values, widened.
    fn load(values: &[f16; LANES]) -> Eight {
        // SAFETY: reads the 16 bytes of the reference; the load needs no alignment.
        _mm256_cvtph_ps(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
    }

    /// Stores 8 values, rounded to nearest even; never an infinity or a NaN.
    fn store(values: &mut [f16; LANES], x: Eight) {
        // The second operand is taken in place of a NaN.
        let x = min(max(x, splat(-MAX)), splat(MAX));
        // SAFETY: writes the 16 bytes of the reference; the store needs no alignment.
        unsafe { _mm_storeu_si128(values.as_mut_ptr().cast(), _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)) }
    }

    /// 8 values.
    fn load_f32(values: &[f32; LANES]) -> Eight {
        // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
        unsafe { _mm256_loadu_ps(values.as_ptr()) }
    }

    /// Stores 8 values.
    fn store_f32(values: &mut [f32; LANES], x: Eight) {
        // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
        unsafe { _mm256_storeu_ps(values.as_mut_ptr(), x) }
    }

    /// 8 codes.
    fn load_s16(codes: &[i16; LANES]) -> Eight {
        _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(super::load8_i16(codes)))
    }

    /// Stores 8 values as codes, rounded to nearest even and saturated.
    fn store_s16(codes: &mut [i16; LANES], x: Eight) {
        let x = _mm256_cvtps_epi32(min(max(x, splat(-32768.0)), splat(32767.0)));
        let x = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256::<1>(x));
        // SAFETY: writes the 16 bytes of the reference, without alignment.
        unsafe { _mm_storeu_si128(codes.as_mut_ptr().cast(), x) }
    }

    /// `1 / sqrt(x)`, each rounded once.
    fn reciprocal_root(x: f32) -> f32 {
        1.0 / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)))
    }

    /// The sum of all lanes.
    fn sum(x: Eight) -> f32 {
        let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
    }

    /// The largest lane.
    fn largest(x: Eight) -> f32 {
        let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
        let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
        _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
    }

    /// Polynomials of `exp2`.
    fn exp2_polynomials(x: [Eight; 2]) -> [Eight; 2] {
        x.map(|x| polynomial(&EXP2, x))
    }

    /// Polynomials of `gelu`.
    fn gelu_polynomials(x: [Eight; 2]) -> [Eight; 2] {
        x.map(|x| polynomial(&GELU, x))
    }
}
