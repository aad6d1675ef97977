//! The elementwise operators on vectors: conversions, and [`elements`](super::elements).

use core::arch::x86_64::*;

use half::f16;

use super::scalar;
use crate::avx2::floats::{LANES, load, store};
use crate::isa::Avx2;

pub(super) use elements::*;

/// Operators that other instruction sets have alike.
mod elements {
    crate::activation_f16::elements::elements!(Avx2, avx2, "avx2,fma,f16c");
}

/// See [`Kernels::s16_to_f16`](crate::Kernels::s16_to_f16).
pub(super) fn s16_to_f16(_: Avx2, x: &[i16], scale: f32, out: &mut [f16]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(x: &[i16], scale: f32, out: &mut [f16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks::<LANES>(), out.as_chunks_mut());
        for (x, out) in x.iter().zip(out) {
            let x = _mm256_cvtepi32_ps(_mm256_cvtepi16_epi32(crate::avx2::load8_i16(x)));
            store(out, _mm256_mul_ps(x, _mm256_set1_ps(scale)));
        }
        scalar::s16_to_f16(x_tail, scale, out_tail);
    }
    // SAFETY: the token proves AVX2, FMA and F16C; so below.
    unsafe { run(x, scale, out) }
}

/// See [`Kernels::f16_to_s16`](crate::Kernels::f16_to_s16).
pub(super) fn f16_to_s16(_: Avx2, x: &[f16], scale: f32, out: &mut [i16]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(x: &[f16], scale: f32, out: &mut [i16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut::<LANES>());
        for (x, out) in x.iter().zip(out) {
            let x = _mm256_div_ps(load(x), _mm256_set1_ps(scale));
            let x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-32768.0)), _mm256_set1_ps(32767.0));
            // Rounds to nearest, ties to even.
            let codes = _mm256_cvtps_epi32(x);
            let codes = _mm_packs_epi32(_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes));
            // SAFETY: writes the 16 bytes of the reference, without alignment.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().cast(), codes) };
        }
        scalar::f16_to_s16(x_tail, scale, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, scale, out) }
}
