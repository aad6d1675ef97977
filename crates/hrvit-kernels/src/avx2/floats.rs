//! Parts that the f16 kernels share: conversions, arithmetic, ways of storing, the tile of
//! products.
//!
//! Fused products round once where the definition rounds twice; but for sums of products, whose
//! terms are exact, results may differ in the last places.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use half::f16;

use super::activations::activate;
use crate::epilogue_f16::{ActivationF16, EpilogueF16};
use crate::math_f32::MAX;

/// Lanes of a vector.
pub(crate) const LANES: usize = 8;

/// 8 values in f32.
pub(crate) type Eight = __m256;

/// 8 values, widened.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn load(values: &[f16; LANES]) -> __m256 {
    // SAFETY: reads the 16 bytes of the reference; the load needs no alignment.
    _mm256_cvtph_ps(unsafe { _mm_loadu_si128(values.as_ptr().cast()) })
}

/// 8 values in f16, rounded to nearest even; never an infinity or a NaN.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn narrow(x: __m256) -> __m128i {
    // The second operand is taken in place of a NaN.
    let x = _mm256_min_ps(_mm256_max_ps(x, _mm256_set1_ps(-MAX)), _mm256_set1_ps(MAX));
    _mm256_cvtps_ph::<_MM_FROUND_TO_NEAREST_INT>(x)
}

/// Stores 8 values, narrowed.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn store(values: &mut [f16; LANES], x: __m256) {
    // SAFETY: writes the 16 bytes of the reference; the store needs no alignment.
    unsafe { _mm_storeu_si128(values.as_mut_ptr().cast(), narrow(x)) }
}

/// 8 values.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn load_f32(values: &[f32; LANES]) -> __m256 {
    // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
    unsafe { _mm256_loadu_ps(values.as_ptr()) }
}

/// Stores 8 values.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn store_f32(values: &mut [f32; LANES], x: __m256) {
    // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
    unsafe { _mm256_storeu_ps(values.as_mut_ptr(), x) }
}

/// The values from `first` on, up to 8, zeros beyond the end.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn load_up_to(values: &[f32], first: usize) -> __m256 {
    load_f32(&crate::avx2::rates::up_to(values, first, 0.0))
}

/// `values` in f32, written to the beginning of `out`; as many as fit.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn widen<'o>(values: &[f16], out: &'o mut [MaybeUninit<f32>]) -> &'o [f32] {
    let len = values.len().min(out.len());
    let out = &mut out[..len];
    let ((values, tail), (blocks, out_tail)) = (values[..len].as_chunks::<LANES>(), out.as_chunks_mut::<LANES>());
    for (values, out) in values.iter().zip(blocks) {
        // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
        unsafe { _mm256_storeu_ps(out.as_mut_ptr().cast(), load(values)) };
    }
    for (value, out) in tail.iter().zip(out_tail) {
        out.write(crate::math_f32::widen(*value));
    }
    // SAFETY: the two loops have written whole vectors and what is left: all `len`.
    unsafe { out.assume_init_ref() }
}

/// One value 8 times.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn splat(x: f32) -> Eight {
    _mm256_set1_ps(x)
}

/// Lane by lane `x + y`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn add(x: Eight, y: Eight) -> Eight {
    _mm256_add_ps(x, y)
}

/// Lane by lane `x - y`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn sub(x: Eight, y: Eight) -> Eight {
    _mm256_sub_ps(x, y)
}

/// Lane by lane `x * y`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn mul(x: Eight, y: Eight) -> Eight {
    _mm256_mul_ps(x, y)
}

/// Lane by lane `sum + x * y`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn fma(sum: Eight, x: Eight, y: Eight) -> Eight {
    _mm256_fmadd_ps(x, y, sum)
}

/// Lane by lane `x` or `y`, whichever is larger.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn max(x: Eight, y: Eight) -> Eight {
    _mm256_max_ps(x, y)
}

/// `1 / sqrt(x)`, each rounded once.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn reciprocal_root(x: f32) -> f32 {
    1.0 / _mm_cvtss_f32(_mm_sqrt_ss(_mm_set_ss(x)))
}

/// The sum of all lanes.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn sum(x: __m256) -> f32 {
    let x = _mm_add_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)))
}

/// The largest lane.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn largest(x: __m256) -> f32 {
    let x = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps::<1>(x));
    let x = _mm_max_ps(x, _mm_movehl_ps(x, x));
    _mm_cvtss_f32(_mm_max_ss(x, _mm_movehdup_ps(x)))
}

/// Stores the sums of neighbouring channels from element `at` on: as many as `len` says of 8 times
/// `N`. A range outside of the output, of which no caller has one, stores nothing.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn put<const N: usize>(epilogue: &mut EpilogueF16<'_>, at: usize, sums: [__m256; N], len: usize) {
    if len < N * LANES {
        let mut all = [[0.0; LANES]; N];
        match epilogue {
            EpilogueF16::Store { act, .. } => all.iter_mut().zip(sums).for_each(|(all, sum)| store_f32(all, activate(*act, sum))),
            EpilogueF16::Add { .. } | EpilogueF16::Sum { .. } => all.iter_mut().zip(sums).for_each(|(all, sum)| store_f32(all, sum)),
        }
        let sums = all.as_flattened().get(..len).unwrap_or_default();
        return match epilogue {
            EpilogueF16::Store { out, .. } => EpilogueF16::Store { out, act: ActivationF16::None }.store(at, sums),
            other => other.store(at, sums),
        };
    }
    match epilogue {
        EpilogueF16::Store { out, act } => {
            let Some(out) = out.get_mut(at..at + N * LANES) else { return };
            out.as_chunks_mut().0.iter_mut().zip(sums).for_each(|(out, sum)| store(out, activate(*act, sum)));
        }
        EpilogueF16::Add { out } => {
            let Some(out) = out.get_mut(at..at + N * LANES) else { return };
            out.as_chunks_mut().0.iter_mut().zip(sums).for_each(|(out, sum)| store(out, _mm256_add_ps(load(out), sum)));
        }
        EpilogueF16::Sum { out } => {
            let Some(out) = out.get_mut(at..at + N * LANES) else { return };
            out.as_chunks_mut().0.iter_mut().zip(sums).for_each(|(out, sum)| store_f32(out, _mm256_add_ps(load_f32(out), sum)));
        }
    }
}

/// Weights of 8 channels.
pub(crate) trait Weights: Copy {
    /// As a vector.
    ///
    /// # Safety
    /// The processor has AVX2, FMA and F16C.
    unsafe fn vector(&self) -> __m256;
}

impl Weights for [f16; LANES] {
    #[inline(always)]
    unsafe fn vector(&self) -> __m256 {
        // SAFETY: by the contract.
        unsafe { load(self) }
    }
}

impl Weights for [f32; LANES] {
    #[inline(always)]
    unsafe fn vector(&self) -> __m256 {
        // SAFETY: by the contract.
        unsafe { load_f32(self) }
    }
}

/// `start` plus the products of `R` rows with `N` times 8 channels, over the shortest of them, in
/// order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn tile<W: Weights, const R: usize, const N: usize>(a: [&[f32]; R], weights: [&[W]; N], start: [[__m256; N]; R]) -> [[__m256; N]; R] {
    let depth = a.iter().map(|a| a.len()).chain(weights.iter().map(|weights| weights.len())).min().unwrap_or(0);
    let mut acc = start;
    for i in 0..depth {
        // SAFETY: `i` is below the length of all of them; this function has the instructions.
        let w = weights.map(|weights| unsafe { weights.get_unchecked(i).vector() });
        for (acc, a) in acc.iter_mut().zip(a) {
            // SAFETY: `i` is below the length of all of them.
            let a = _mm256_set1_ps(unsafe { *a.get_unchecked(i) });
            for (acc, w) in acc.iter_mut().zip(w) {
                *acc = _mm256_fmadd_ps(a, w, *acc);
            }
        }
    }
    acc
}

/// Puts 8 sums.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn put_eight(epilogue: &mut EpilogueF16<'_>, at: usize, sums: Eight) {
    put(epilogue, at, [sums], LANES);
}
