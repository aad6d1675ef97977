//! Parts that the AVX-512 kernels share: loads up to the end of a slice, the requantisation of a
//! vector, ways of storing.
//!
//! Vectors hold 16 channels in their natural order. A mask marks a tail of fewer channels. Nothing
//! beyond the end of a slice is read or written. Functions with
//! `#[target_feature(enable = "avx512..")]` are safe to call from each other. Every kernel's entry
//! takes an [`Avx512`](crate::isa::Avx512) token as the proof that they may be called. Trait
//! methods cannot have the attribute: they are `#[inline(always)]` into functions that have it.

pub(crate) mod rates;
pub(crate) mod sink;

use core::arch::x86_64::*;

/// Channels of a vector of 32-bit values.
pub(crate) const LANES: usize = 16;

/// The first `count` of 16 lanes, all from 16 on.
#[inline(always)]
pub(crate) fn first_lanes(count: usize) -> __mmask16 {
    if count >= LANES { !0 } else { (1 << count) - 1 }
}

/// The lanes of what is left of `slice` from `first` on, and where that starts.
#[inline(always)]
fn rest<T>(slice: &[T], first: usize) -> (__mmask16, *const T) {
    (first_lanes(slice.len().saturating_sub(first)), slice.as_ptr().wrapping_add(first))
}

/// The 16 values from `first` on, 0 beyond the end.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn load_i32(slice: &[i32], first: usize) -> __m512i {
    let (lanes, start) = rest(slice, first);
    // SAFETY: the lanes lie inside the slice; the load needs no alignment.
    unsafe { if lanes == !0 { _mm512_loadu_epi32(start) } else { _mm512_maskz_loadu_epi32(lanes, start) } }
}

/// The 16 values from `first` on, 0 beyond the end.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn load_i16(slice: &[i16], first: usize) -> __m256i {
    let (lanes, start) = rest(slice, first);
    // SAFETY: as for `load_i32`.
    unsafe { if lanes == !0 { _mm256_loadu_epi16(start) } else { _mm256_maskz_loadu_epi16(lanes, start) } }
}

/// The 16 bytes from `first` on, 0 beyond the end.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn load_i8(slice: &[i8], first: usize) -> __m128i {
    let (lanes, start) = rest(slice, first);
    // SAFETY: as for `load_i32`.
    unsafe { if lanes == !0 { _mm_loadu_epi8(start) } else { _mm_maskz_loadu_epi8(lanes, start) } }
}

/// 64 bytes.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn load64(bytes: &[i8; 64]) -> __m512i {
    // SAFETY: reads the 64 bytes of the reference; the load needs no alignment.
    unsafe { _mm512_loadu_si512(bytes.as_ptr().cast()) }
}

/// Four runs of 16 bytes, those of a channel side by side.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn side_by_side([a, b, c, d]: [__m128i; 4]) -> __m512i {
    let all = _mm512_inserti32x4::<1>(_mm512_castsi128_si512(a), b);
    _mm512_permutexvar_epi8(load64(&BY_CHANNEL), _mm512_inserti32x4::<3>(_mm512_inserti32x4::<2>(all, c), d))
}

/// Byte 4 c + row of the result is byte c of the row.
const BY_CHANNEL: [i8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        order[i] = (i % 4 * LANES + i / 4) as i8;
        i += 1;
    }
    order
};

/// Results of `both` over the 16 lanes of each of 8 vectors.
#[inline(always)]
pub(crate) fn across([a, b, c, d, e, f, g, h]: [__m512i; 8], both: impl Fn(__m256i, __m256i) -> __m256i) -> [i32; 8] {
    let mut results = [0; 8];
    // SAFETY: only called from functions with AVX-512; the store writes the 32 bytes of the array,
    // without alignment.
    unsafe {
        let halves = |v| both(_mm512_castsi512_si256(v), _mm512_extracti64x4_epi64::<1>(v));
        let pairs = |a, b| both(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
        let fours = |a, b| both(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
        let (a, b, c, d) = (halves(a), halves(b), halves(c), halves(d));
        let (e, f, g, h) = (halves(e), halves(f), halves(g), halves(h));
        let (first, second) = (fours(pairs(a, b), pairs(c, d)), fours(pairs(e, f), pairs(g, h)));
        let all = both(_mm256_permute2x128_si256::<0x20>(first, second), _mm256_permute2x128_si256::<0x31>(first, second));
        _mm256_storeu_si256(results.as_mut_ptr().cast(), all);
    }
    results
}
