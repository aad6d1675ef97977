//! Ways of storing the rows of tiles: [`Sink`](super::sink::Sink) on 4 rows of 8 channels.

use core::arch::x86_64::*;

use super::stores::{Add16, Add32, Store8, Store16, Table8};

/// A way of storing tiles. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Rows: Copy {
    /// Element that is stored.
    type Out: Copy + Default;

    /// Stores 4 rows of 8 channels whose lanes are `[0 1 4 5 | 2 3 6 7]`.
    ///
    /// # Safety
    /// The processor has AVX2, and the 8 elements from `out + i * stride` on may be read and
    /// written for each of the 4 rows i.
    unsafe fn rows(self, out: *mut Self::Out, stride: usize, rq: [__m256i; 4]);
}

/// Lanes `[0 1 4 5 | 2 3 6 7]` to natural order, and back.
const SWAP: i32 = 0b11_01_10_00;

impl Rows for Store8 {
    type Out = i8;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i8, stride: usize, [a, b, c, d]: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 8 bytes each.
        unsafe {
            let load = |lanes: *const __m256i| _mm256_loadu_si256(lanes);
            let zero = load(self.zeros.as_ptr().cast());
            let (ab, cd) = (_mm256_adds_epi16(_mm256_packs_epi32(a, b), zero), _mm256_adds_epi16(_mm256_packs_epi32(c, d), zero));
            let codes = _mm256_packs_epi16(ab, cd);
            let codes = _mm256_min_epi8(_mm256_max_epi8(codes, load(self.least.as_ptr().cast())), load(self.largest.as_ptr().cast()));
            // The lower half holds channels 0 1 4 5, the upper half 2 3 6 7.
            let (low, high) = (_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes));
            let (ab, cd) = (_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
            _mm_storel_epi64(out.cast(), ab);
            _mm_storeh_pd(out.add(stride).cast(), _mm_castsi128_pd(ab));
            _mm_storel_epi64(out.add(2 * stride).cast(), cd);
            _mm_storeh_pd(out.add(3 * stride).cast(), _mm_castsi128_pd(cd));
        }
    }
}

impl Rows for Store16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i16, stride: usize, [a, b, c, d]: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 16 bytes each.
        unsafe {
            for (i, words) in [_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)].into_iter().enumerate() {
                let (low, high) = (_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
                _mm_storeu_si128(out.add(2 * i * stride).cast(), _mm_unpacklo_epi32(low, high));
                _mm_storeu_si128(out.add((2 * i + 1) * stride).cast(), _mm_unpackhi_epi32(low, high));
            }
        }
    }
}

impl Rows for Add16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i16, stride: usize, rq: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 16 bytes each.
        unsafe {
            for (i, rq) in rq.into_iter().enumerate() {
                let out = out.add(i * stride).cast::<__m128i>();
                let sum = _mm256_add_epi32(_mm256_permute4x64_epi64::<SWAP>(rq), _mm256_cvtepi16_epi32(_mm_loadu_si128(out)));
                let words = _mm_packs_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
                _mm_storeu_si128(out, words);
            }
        }
    }
}

impl Rows for Add32 {
    type Out = i32;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i32, stride: usize, rq: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 32 bytes each.
        unsafe {
            for (i, rq) in rq.into_iter().enumerate() {
                let out = out.add(i * stride).cast::<__m256i>();
                _mm256_storeu_si256(out, _mm256_add_epi32(_mm256_permute4x64_epi64::<SWAP>(rq), _mm256_loadu_si256(out)));
            }
        }
    }
}

/// Entry by entry: single loads take less time than a gather of 8.
impl Rows for Table8<'_> {
    type Out = i8;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i8, stride: usize, rq: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 8 bytes each;
        // `0 <= index <= last`, which lies in the table.
        unsafe {
            let (zero, last) = (_mm256_set1_epi32(self.zero.into()), _mm256_set1_epi32(self.last.into()));
            for (i, rq) in rq.into_iter().enumerate() {
                let index = _mm256_max_epi32(_mm256_min_epi32(_mm256_add_epi32(rq, zero), last), _mm256_setzero_si256());
                let lanes = core::mem::transmute::<__m256i, [u32; 8]>(index);
                for (index, channel) in lanes.into_iter().zip([0, 1, 4, 5, 2, 3, 6, 7]) {
                    out.add(i * stride + channel).write(*self.table.get_unchecked(index as usize));
                }
            }
        }
    }
}
