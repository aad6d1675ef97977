//! The elementwise operators on vectors; what 8 do not divide ends as in the definition.

use core::arch::x86_64::*;

use half::f16;

use super::scalar;
use crate::avx2::floats::{LANES, activate, load, load_f32, store, store_f32};
use crate::epilogue_f16::ActivationF16;
use crate::isa::Avx2;
use crate::lanes::rows;

/// See [`Kernels::hardswish_f16`](crate::Kernels::hardswish_f16).
pub(super) fn hardswish_f16(_: Avx2, x: &[f16], out: &mut [f16]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(x: &[f16], out: &mut [f16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
        for (x, out) in x.iter().zip(out) {
            store(out, activate(ActivationF16::Hardswish, load(x)));
        }
        scalar::hardswish_f16(x_tail, out_tail);
    }
    // SAFETY: the token proves AVX2, FMA and F16C; so below.
    unsafe { run(x, out) }
}

/// See [`Kernels::activate_f32`](crate::Kernels::activate_f32).
pub(super) fn activate_f32(_: Avx2, acc: &[f32], act: ActivationF16, out: &mut [f16]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(acc: &[f32], act: ActivationF16, out: &mut [f16]) {
        let ((acc, acc_tail), (out, out_tail)) = (acc.as_chunks(), out.as_chunks_mut());
        for (acc, out) in acc.iter().zip(out) {
            store(out, activate(act, load_f32(acc)));
        }
        scalar::activate_f32(acc_tail, act, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(acc, act, out) }
}

/// See [`Kernels::add_f16`](crate::Kernels::add_f16).
pub(super) fn add_f16(_: Avx2, x: &mut [f16], y: &[f32]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(x: &mut [f16], y: &[f32]) {
        let ((x, x_tail), (y, y_tail)) = (x.as_chunks_mut(), y.as_chunks());
        for (x, y) in x.iter_mut().zip(y) {
            store(x, _mm256_add_ps(load(x), load_f32(y)));
        }
        scalar::add_f16(x_tail, y_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, y) }
}

/// See [`Kernels::widen_add_f32`](crate::Kernels::widen_add_f32).
pub(super) fn widen_add_f32(_: Avx2, x: &[f16], acc: &mut [f32]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(x: &[f16], acc: &mut [f32]) {
        let ((x, x_tail), (acc, acc_tail)) = (x.as_chunks(), acc.as_chunks_mut());
        for (x, acc) in x.iter().zip(acc) {
            store_f32(acc, _mm256_add_ps(load_f32(acc), load(x)));
        }
        scalar::widen_add_f32(x_tail, acc_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, acc) }
}

/// See [`Kernels::add_f32`](crate::Kernels::add_f32).
pub(super) fn add_f32(_: Avx2, acc: &mut [f32], other: &[f32]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(acc: &mut [f32], other: &[f32]) {
        let ((acc, acc_tail), (other, other_tail)) = (acc.as_chunks_mut(), other.as_chunks());
        for (acc, other) in acc.iter_mut().zip(other) {
            store_f32(acc, _mm256_add_ps(load_f32(acc), load_f32(other)));
        }
        scalar::add_f32(acc_tail, other_tail);
    }
    // SAFETY: as above.
    unsafe { run(acc, other) }
}

/// See [`Kernels::relu_f32`](crate::Kernels::relu_f32).
pub(super) fn relu_f32(_: Avx2, acc: &mut [f32]) {
    #[target_feature(enable = "avx2,fma,f16c")]
    fn run(acc: &mut [f32]) {
        let (acc, tail) = acc.as_chunks_mut();
        for acc in acc {
            store_f32(acc, _mm256_max_ps(load_f32(acc), _mm256_setzero_ps()));
        }
        scalar::relu_f32(tail);
    }
    // SAFETY: as above.
    unsafe { run(acc) }
}

/// See [`Kernels::mean_f16`](crate::Kernels::mean_f16).
pub(super) fn mean_f16(token: Avx2, sums: &mut [f32], x: &[f16]) {
    for x in rows(x, sums.len()) {
        widen_add_f32(token, x, sums);
    }
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
    // SAFETY: as above.
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
