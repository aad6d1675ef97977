//! Ways of storing requantised accumulators: [`Epilogue`] on vectors.

use core::arch::x86_64::*;

use super::rates::up_to;
use crate::epilogue::Epilogue;
use crate::requant::Range8;

/// A way of storing. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Sink: Copy {
    /// Element that is stored.
    type Out: Copy + Default;

    /// Stores 4 rows of 8 channels whose lanes are `[0 1 4 5 | 2 3 6 7]`.
    ///
    /// # Safety
    /// The processor has AVX2, and the 8 elements from `out + i * stride` on may be read and
    /// written for each of the 4 rows i.
    unsafe fn rows(self, out: *mut Self::Out, stride: usize, rq: [__m256i; 4]);

    /// Stores 16 channels: `low` holds channels `[0 1 2 3 | 8 9 10 11]`, `high`
    /// `[4 5 6 7 | 12 13 14 15]`.
    ///
    /// # Safety
    /// The processor has AVX2, and the 16 elements from `out` on may be read and written.
    unsafe fn sixteen(self, out: *mut Self::Out, low: __m256i, high: __m256i);
}

/// A kernel that is generic over how it stores.
pub(crate) trait Kernel: Sized {
    /// Computes every output.
    ///
    /// # Safety
    /// The processor has the instructions that the kernel is written for.
    unsafe fn run<S: Sink>(self, sink: S, out: &mut [S::Out]);

    /// Computes what vectors cannot store exactly.
    fn otherwise(self, epilogue: Epilogue<'_>);
}

/// Runs `kernel` with the way of storing that `epilogue` names.
///
/// # Safety
/// The processor has AVX2 and the instructions that the kernel is written for.
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn drive(epilogue: Epilogue<'_>, kernel: impl Kernel) {
    // SAFETY: by the contract.
    unsafe {
        match epilogue {
            Epilogue::Store8 { out, range } => match Store8::new(range) {
                Some(sink) => kernel.run(sink, out),
                None => kernel.otherwise(Epilogue::Store8 { out, range }),
            },
            Epilogue::Store16 { out } => kernel.run(Store16, out),
            Epilogue::Add16 { out } => kernel.run(Add16, out),
            Epilogue::Add32 { out } => kernel.run(Add32, out),
            Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero) {
                Some(sink) => kernel.run(sink, out),
                None => kernel.otherwise(Epilogue::Table8 { out, table, zero }),
            },
        }
    }
}

/// Channels of [`Sink::sixteen`].
const SIXTEEN: usize = 16;

/// Lanes `[0 1 4 5 | 2 3 6 7]` to natural order, and back.
const SWAP: i32 = 0b11_01_10_00;

/// Largest `|zero|` of a range that vectors can store: the sum then saturates like the clamp.
const MAX_ZERO: u32 = 32_000;

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8 {
    zero: __m256i,
    lo: __m256i,
    hi: __m256i,
}

impl Store8 {
    /// The sink of `range`, if its zero is not absurd.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(range: Range8) -> Option<Self> {
        let Range8 { zero, lo, hi } = range;
        let vectors = Self { zero: _mm256_set1_epi16(zero as i16), lo: _mm256_set1_epi8(lo as i8), hi: _mm256_set1_epi8(hi as i8) };
        (zero.unsigned_abs() <= MAX_ZERO).then_some(vectors)
    }

    /// From 32 results, saturated to 16 bits, to codes in the order of `vpacksswb`.
    #[inline(always)]
    unsafe fn codes(self, low: __m256i, high: __m256i) -> __m256i {
        // SAFETY: the caller has AVX2.
        unsafe {
            let codes = _mm256_packs_epi16(_mm256_adds_epi16(low, self.zero), _mm256_adds_epi16(high, self.zero));
            _mm256_min_epi8(_mm256_max_epi8(codes, self.lo), self.hi)
        }
    }
}

impl Sink for Store8 {
    type Out = i8;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i8, stride: usize, [a, b, c, d]: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 8 bytes each.
        unsafe {
            store_rows(out, stride, self.codes(_mm256_packs_epi32(a, b), _mm256_packs_epi32(c, d)));
        }
    }

    #[inline(always)]
    unsafe fn sixteen(self, out: *mut i8, low: __m256i, high: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 16 bytes.
        unsafe {
            let words = _mm256_packs_epi32(low, high);
            store_sixteen(out, self.codes(words, words));
        }
    }
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

impl Sink for Store16 {
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

    #[inline(always)]
    unsafe fn sixteen(self, out: *mut i16, low: __m256i, high: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe { _mm256_storeu_si256(out.cast(), _mm256_packs_epi32(low, high)) }
    }
}

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

impl Sink for Add16 {
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

    #[inline(always)]
    unsafe fn sixteen(self, out: *mut i16, low: __m256i, high: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe {
            let out = out.cast::<__m256i>();
            let old = _mm256_loadu_si256(out);
            // Each 16-bit value to the upper half of a lane, and down again with its sign.
            let old_low = _mm256_srai_epi32::<16>(_mm256_unpacklo_epi16(old, old));
            let old_high = _mm256_srai_epi32::<16>(_mm256_unpackhi_epi16(old, old));
            _mm256_storeu_si256(out, _mm256_packs_epi32(_mm256_add_epi32(low, old_low), _mm256_add_epi32(high, old_high)));
        }
    }
}

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

impl Sink for Add32 {
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

    #[inline(always)]
    unsafe fn sixteen(self, out: *mut i32, low: __m256i, high: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 64 bytes.
        unsafe {
            let out = out.cast::<__m256i>();
            let (first, second) = (_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high));
            _mm256_storeu_si256(out, _mm256_add_epi32(first, _mm256_loadu_si256(out)));
            _mm256_storeu_si256(out.add(1), _mm256_add_epi32(second, _mm256_loadu_si256(out.add(1))));
        }
    }
}

/// `out = table[clamp(rq + zero, 0, table.len() - 1)]`, entry by entry: single loads take less time
/// than a gather of 8.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    table: &'a [i8],
    zero: __m256i,
    last: __m256i,
}

impl<'a> Table8<'a> {
    /// The sink of a table of fewer than 2^31 entries, and not of none.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(table: &'a [i8], zero: i32) -> Option<Self> {
        let last = i32::try_from(table.len().checked_sub(1)?).ok()?;
        Some(Self { table, zero: _mm256_set1_epi32(zero), last: _mm256_set1_epi32(last) })
    }

    /// The entries of 8 lanes, each to the place in `out` that `places` gives its lane.
    #[inline(always)]
    unsafe fn look_up(self, rq: __m256i, out: *mut i8, places: [usize; 8]) {
        let mut lanes = [0u32; 8];
        // SAFETY: the caller has AVX2 and vouches for the places; `0 <= index <= table.len() - 1`.
        unsafe {
            let index = _mm256_max_epi32(_mm256_min_epi32(_mm256_add_epi32(rq, self.zero), self.last), _mm256_setzero_si256());
            _mm256_storeu_si256(lanes.as_mut_ptr().cast(), index);
            for (index, place) in lanes.into_iter().zip(places) {
                *out.add(place) = *self.table.get_unchecked(index as usize);
            }
        }
    }
}

impl Sink for Table8<'_> {
    type Out = i8;

    #[inline(always)]
    unsafe fn rows(self, out: *mut i8, stride: usize, rq: [__m256i; 4]) {
        // SAFETY: the caller has AVX2 and vouches for the four rows, of 8 bytes each.
        unsafe {
            for (i, rq) in rq.into_iter().enumerate() {
                self.look_up(rq, out.add(i * stride), [0, 1, 4, 5, 2, 3, 6, 7]);
            }
        }
    }

    #[inline(always)]
    unsafe fn sixteen(self, out: *mut i8, low: __m256i, high: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 16 bytes.
        unsafe {
            self.look_up(low, out, [0, 1, 2, 3, 8, 9, 10, 11]);
            self.look_up(high, out, [4, 5, 6, 7, 12, 13, 14, 15]);
        }
    }
}

/// Stores 4 rows of 8 bytes. The lower half of `codes` holds channels 0 1 4 5, the upper half 2 3
/// 6 7.
#[inline(always)]
unsafe fn store_rows(out: *mut i8, stride: usize, codes: __m256i) {
    // SAFETY: the caller has AVX2 and vouches for the four rows.
    unsafe {
        let (low, high) = (_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes));
        let (ab, cd) = (_mm_unpacklo_epi16(low, high), _mm_unpackhi_epi16(low, high));
        _mm_storel_epi64(out.cast(), ab);
        _mm_storeh_pd(out.add(stride).cast(), _mm_castsi128_pd(ab));
        _mm_storel_epi64(out.add(2 * stride).cast(), cd);
        _mm_storeh_pd(out.add(3 * stride).cast(), _mm_castsi128_pd(cd));
    }
}

/// Stores 16 bytes, 8 of them at the start of each half of `codes`.
#[inline(always)]
unsafe fn store_sixteen(out: *mut i8, codes: __m256i) {
    // SAFETY: the caller has AVX2 and vouches for 16 bytes.
    unsafe { _mm_storeu_si128(out.cast(), _mm_unpacklo_epi64(_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes))) }
}

/// Stores `width` of 16 channels at the start of `out`.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn put<S: Sink>(sink: S, out: &mut [S::Out], width: usize, low: __m256i, high: __m256i) {
    if width == SIXTEEN && out.len() >= SIXTEEN {
        // SAFETY: AVX2 by this function's attribute; `out` has 16 elements or more.
        unsafe { sink.sixteen(out.as_mut_ptr(), low, high) };
    } else {
        let mut tile: [S::Out; SIXTEEN] = up_to(out, 0, S::Out::default());
        // SAFETY: AVX2 by this function's attribute; the tile has 16 elements.
        unsafe { sink.sixteen(tile.as_mut_ptr(), low, high) };
        out.iter_mut().zip(tile).take(width).for_each(|(to, from)| *to = from);
    }
}
