//! Parts that the AVX2 kernels share: loads, the requantisation of a vector, the product of 4 rows
//! with 8 channels, ways of storing.
//!
//! Functions with `#[target_feature(enable = "avx2")]` are safe to call from each other. Every
//! kernel's entry takes an [`Avx2`](crate::isa::Avx2) token as the proof that they may be called.
//! Trait methods cannot have the attribute: they are `#[inline(always)]` into functions that have
//! it.

#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod floats;
#[cfg(feature = "fp16")]
#[allow(clippy::float_arithmetic, reason = "float kernels")]
pub(crate) mod product_f16;
pub(crate) mod rates;
pub(crate) mod tile;

use core::arch::x86_64::*;

/// 16 bytes.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load16(bytes: &[i8; 16]) -> __m128i {
    // SAFETY: reads the 16 bytes of the reference; the load needs no alignment.
    unsafe { _mm_loadu_si128(bytes.as_ptr().cast()) }
}

/// 8 bytes, zero above.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load8(bytes: &[i8; 8]) -> __m128i {
    // SAFETY: reads the 8 bytes of the reference; the load needs no alignment.
    unsafe { _mm_loadl_epi64(bytes.as_ptr().cast()) }
}

/// 16 values of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load16_i16(values: &[i16; 16]) -> __m256i {
    // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// 8 values of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load8_i32(values: &[i32; 8]) -> __m256i {
    // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
    unsafe { _mm256_loadu_si256(values.as_ptr().cast()) }
}

/// Stores 8 values of 32 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store8_i32(values: &mut [i32; 8], vector: __m256i) {
    // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) }
}

/// 16 values of 16 bits as 32 bits: `[0 1 2 3 | 8 9 10 11]` and `[4 5 6 7 | 12 13 14 15]`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn widen_sixteen(values: __m256i) -> [__m256i; 2] {
    // Each value to the upper half of a lane, and down again with its sign.
    [_mm256_srai_epi32::<16>(_mm256_unpacklo_epi16(values, values)), _mm256_srai_epi32::<16>(_mm256_unpackhi_epi16(values, values))]
}

/// 16 values of 32 bits as `[0 1 2 3 | 8 9 10 11]` and `[4 5 6 7 | 12 13 14 15]`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn interleave(values: &[i32; 16]) -> [__m256i; 2] {
    let (quarters, _) = values.as_chunks::<4>();
    // SAFETY: each load reads the 16 bytes of a reference, without alignment.
    let load = |i: usize| unsafe { _mm_loadu_si128(quarters[i].as_ptr().cast()) };
    // The second half comes straight from memory: no shuffle.
    [_mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load(0)), load(2)), _mm256_inserti128_si256::<1>(_mm256_castsi128_si256(load(1)), load(3))]
}

/// 8 values of 16 bits.
#[cfg(feature = "fp16")]
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn load8_i16(values: &[i16; 8]) -> __m128i {
    // SAFETY: reads the 16 bytes of the reference; the load needs no alignment.
    unsafe { _mm_loadu_si128(values.as_ptr().cast()) }
}

/// Stores 16 values of 16 bits.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn store16_i16(values: &mut [i16; 16], vector: __m256i) {
    // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
    unsafe { _mm256_storeu_si256(values.as_mut_ptr().cast(), vector) }
}

/// Functions of a family's `scalar` file, compiled for AVX2.
macro_rules! compiled {
    ($($name:ident($($arg:ident: $type:ty),*);)*) => {
        $(
            /// See the function of that name of [`Kernels`](crate::Kernels).
            pub(super) fn $name(_: Avx2, $($arg: $type),*) {
                #[target_feature(enable = "avx2")]
                fn compiled($($arg: $type),*) {
                    scalar::$name($($arg),*);
                }
                // SAFETY: the token proves AVX2.
                unsafe { compiled($($arg),*) }
            }
        )*
    };
}
pub(crate) use compiled;
