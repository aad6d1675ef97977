//! Ways of storing requantised accumulators: [`Epilogue`] on vectors of 16 channels, four at a
//! time.

use core::arch::x86_64::*;

use super::{LANES, load64};
use crate::epilogue::Epilogue;
use crate::requant::Range8;

/// Place of four vectors of 16 channels, or fewer: the first `runs` of them, each to the `channels`
/// of the 16 elements from `out + i * stride` on.
#[derive(Clone, Copy)]
pub(crate) struct Place<T> {
    pub(crate) out: *mut T,
    pub(crate) stride: usize,
    pub(crate) runs: usize,
    pub(crate) channels: __mmask16,
}

impl<T> Place<T> {
    /// Start and channels of run `i`, none beyond the last.
    #[inline(always)]
    fn run(self, i: usize) -> (*mut T, __mmask16) {
        (self.out.wrapping_add(i * self.stride), if i < self.runs { self.channels } else { 0 })
    }

    /// Whether all four runs have all channels.
    #[inline(always)]
    fn whole(self) -> bool {
        self.runs == 4 && self.channels == !0
    }
}

/// A way of storing. Results are exact for every requantised accumulator within `+-2^30`.
pub(crate) trait Sink: Copy {
    /// Element that is stored.
    type Out: Copy + Default;

    /// Stores four vectors of 16 channels.
    ///
    /// # Safety
    /// The processor has AVX-512, and every element that `place` names may be read and written.
    unsafe fn four(self, place: Place<Self::Out>, rq: [__m512i; 4]);
}

/// A kernel that is generic over how it stores.
pub(crate) trait Kernel: Sized {
    /// Computes every output.
    ///
    /// # Safety
    /// The processor has AVX-512.
    unsafe fn run<S: Sink>(self, sink: S, out: &mut [S::Out]);

    /// Computes what vectors cannot store exactly.
    fn otherwise(self, epilogue: Epilogue<'_>);
}

/// Runs `kernel` with the way of storing that `epilogue` names.
///
/// # Safety
/// The processor has AVX-512.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) unsafe fn drive(epilogue: Epilogue<'_>, kernel: impl Kernel) {
    // SAFETY: by the contract.
    unsafe {
        match epilogue {
            Epilogue::Store16 { out } => kernel.run(Store16, out),
            Epilogue::Add16 { out } => kernel.run(Add16, out),
            Epilogue::Add32 { out } => kernel.run(Add32, out),
            Epilogue::Store8 { out, range } => match Store8::new(range) {
                Some(sink) => kernel.run(sink, out),
                None => kernel.otherwise(Epilogue::Store8 { out, range }),
            },
            Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero, &mut [0; ENTRIES]) {
                Some(sink) => kernel.run(sink, out),
                None => kernel.otherwise(Epilogue::Table8 { out, table, zero }),
            },
        }
    }
}

/// Largest `|zero|` of a range that vectors can store: the sum then saturates like the clamp.
const MAX_ZERO: u32 = 32_000;

/// `out = clamp(rq + zero, lo, hi)`.
#[derive(Clone, Copy)]
pub(crate) struct Store8 {
    zero: __m512i,
    lo: __m512i,
    hi: __m512i,
}

impl Store8 {
    /// The sink of `range`, if its zero is not absurd.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn new(range: Range8) -> Option<Self> {
        let Range8 { zero, lo, hi } = range;
        let vectors = Self { zero: _mm512_set1_epi16(zero as i16), lo: _mm512_set1_epi8(lo as i8), hi: _mm512_set1_epi8(hi as i8) };
        (zero.unsigned_abs() <= MAX_ZERO).then_some(vectors)
    }
}

impl Sink for Store8 {
    type Out = i8;

    #[inline(always)]
    unsafe fn four(self, place: Place<i8>, [a, b, c, d]: [__m512i; 4]) {
        // SAFETY: the caller has AVX-512 and vouches for the place.
        unsafe {
            let (ab, cd) = (_mm512_adds_epi16(_mm512_packs_epi32(a, b), self.zero), _mm512_adds_epi16(_mm512_packs_epi32(c, d), self.zero));
            let codes = _mm512_min_epi8(_mm512_max_epi8(_mm512_packs_epi16(ab, cd), self.lo), self.hi);
            // Four channels of the four runs in every quarter.
            let order = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
            store_bytes(place, _mm512_permutexvar_epi32(order, codes));
        }
    }
}

/// `out = clamp(rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Store16;

impl Sink for Store16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn four(self, place: Place<i16>, [a, b, c, d]: [__m512i; 4]) {
        // SAFETY: the caller has AVX-512 and vouches for the place.
        unsafe { store_words(place, [words(a, b), words(c, d)]) }
    }
}

/// `out = clamp(out + rq, -32768, 32767)`.
#[derive(Clone, Copy)]
pub(crate) struct Add16;

impl Sink for Add16 {
    type Out = i16;

    #[inline(always)]
    unsafe fn four(self, place: Place<i16>, mut rq: [__m512i; 4]) {
        // SAFETY: the caller has AVX-512 and vouches for the place.
        unsafe {
            for (i, rq) in rq.iter_mut().enumerate() {
                let (out, channels) = place.run(i);
                *rq = _mm512_add_epi32(*rq, _mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(channels, out)));
            }
            Store16.four(place, rq);
        }
    }
}

/// `out += rq`.
#[derive(Clone, Copy)]
pub(crate) struct Add32;

impl Sink for Add32 {
    type Out = i32;

    #[inline(always)]
    unsafe fn four(self, place: Place<i32>, rq: [__m512i; 4]) {
        // SAFETY: the caller has AVX-512 and vouches for the place.
        unsafe {
            for (i, rq) in rq.into_iter().enumerate() {
                let (out, channels) = place.run(i);
                _mm512_mask_storeu_epi32(out, channels, _mm512_add_epi32(rq, _mm512_maskz_loadu_epi32(channels, out)));
            }
        }
    }
}

/// Entries of a table that [`Table8`] looks up.
pub(crate) const ENTRIES: usize = 2048;

/// `out = table[clamp(rq + zero, 0, table.len() - 1)]` by byte permutations: one looks up 64
/// indices of 7 bits in 128 entries, and the index's upper bits choose among the results.
#[derive(Clone, Copy)]
pub(crate) struct Table8<'a> {
    table: &'a [[i8; 64]; ENTRIES / 64],
    zero: __m512i,
    last: __m512i,
}

impl<'a> Table8<'a> {
    /// The sink of a table of at most [`ENTRIES`] entries, and not of none; `padded` holds it where
    /// it has fewer.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn new(table: &'a [i8], zero: i32, padded: &'a mut [i8; ENTRIES]) -> Option<Self> {
        let last = table.len().checked_sub(1)?;
        // Index and zero then fit 16 bits together: their sum saturates like the clamp.
        if last >= ENTRIES || zero.unsigned_abs() > i16::MAX as u32 - ENTRIES as u32 {
            return None;
        }
        let vectors = |table: &'a [i8; ENTRIES]| table.as_chunks().0.first_chunk();
        let blocks = match table.first_chunk::<ENTRIES>() {
            Some(table) => vectors(table)?,
            None => {
                padded.iter_mut().zip(table).for_each(|(to, from)| *to = *from);
                vectors(padded)?
            }
        };
        Some(Self { table: blocks, zero: _mm512_set1_epi16(zero as i16), last: _mm512_set1_epi16(last as i16) })
    }

    /// Entries of 64 indices, of which `low` holds 7 bits or more and `high` those from the eighth
    /// on.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn look_up(self, low: __m512i, high: __m512i) -> __m512i {
        let bit = |bit: i8| _mm512_test_epi8_mask(high, _mm512_set1_epi8(bit));
        let (k0, k1, k2, k3) = (bit(1), bit(2), bit(4), bit(8));
        let one = |i: usize| _mm512_permutex2var_epi8(load64(&self.table[2 * i]), low, load64(&self.table[2 * i + 1]));
        let two = |i: usize| _mm512_mask_blend_epi8(k0, one(2 * i), one(2 * i + 1));
        let four = |i: usize| _mm512_mask_blend_epi8(k1, two(2 * i), two(2 * i + 1));
        let eight = |i: usize| _mm512_mask_blend_epi8(k2, four(2 * i), four(2 * i + 1));
        _mm512_mask_blend_epi8(k3, eight(0), eight(1))
    }

    /// Entries of four times 16 indices, run by run.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn codes(self, [a, b, c, d]: [__m512i; 4]) -> __m512i {
        let index = |words| _mm512_max_epi16(_mm512_min_epi16(_mm512_adds_epi16(words, self.zero), self.last), _mm512_setzero_si512());
        let (ab, cd) = (index(_mm512_packs_epi32(a, b)), index(_mm512_packs_epi32(c, d)));
        let order = load64(&LOWER_BYTES);
        let low = _mm512_permutex2var_epi8(ab, order, cd);
        let high = _mm512_permutex2var_epi8(_mm512_srli_epi16::<7>(ab), order, _mm512_srli_epi16::<7>(cd));
        self.look_up(low, high)
    }
}

/// Order of the lower bytes of four runs' words in two vectors of `vpackssdw`.
const LOWER_BYTES: [i8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (run, channel) = (i / LANES, i % LANES);
        order[i] = (run / 2 * 64 + 2 * (channel / 4 * 8 + run % 2 * 4 + channel % 4)) as i8;
        i += 1;
    }
    order
};

impl Sink for Table8<'_> {
    type Out = i8;

    #[inline(always)]
    unsafe fn four(self, place: Place<i8>, rq: [__m512i; 4]) {
        // SAFETY: the caller has AVX-512 and vouches for the place.
        unsafe { store_bytes(place, self.codes(rq)) }
    }
}

/// 32 values saturated to 16 bits, in their order.
#[inline(always)]
unsafe fn words(a: __m512i, b: __m512i) -> __m512i {
    // SAFETY: the caller has AVX-512.
    unsafe { _mm512_permutexvar_epi64(_mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7), _mm512_packs_epi32(a, b)) }
}

/// Stores the four runs of 16 bytes.
#[inline(always)]
unsafe fn store_bytes(place: Place<i8>, codes: __m512i) {
    // SAFETY: the caller has AVX-512 and vouches for the place.
    unsafe {
        let runs = [
            _mm512_castsi512_si128(codes),
            _mm512_extracti32x4_epi32::<1>(codes),
            _mm512_extracti32x4_epi32::<2>(codes),
            _mm512_extracti32x4_epi32::<3>(codes),
        ];
        for (i, run) in runs.into_iter().enumerate() {
            let (out, channels) = place.run(i);
            if place.whole() {
                _mm_storeu_si128(out.cast(), run);
            } else {
                _mm_mask_storeu_epi8(out, channels, run);
            }
        }
    }
}

/// Stores the four runs of 16 words, two in each vector.
#[inline(always)]
unsafe fn store_words(place: Place<i16>, [ab, cd]: [__m512i; 2]) {
    // SAFETY: the caller has AVX-512 and vouches for the place.
    unsafe {
        let runs = [_mm512_castsi512_si256(ab), _mm512_extracti64x4_epi64::<1>(ab), _mm512_castsi512_si256(cd), _mm512_extracti64x4_epi64::<1>(cd)];
        for (i, run) in runs.into_iter().enumerate() {
            let (out, channels) = place.run(i);
            if place.whole() {
                _mm256_storeu_si256(out.cast(), run);
            } else {
                _mm256_mask_storeu_epi16(out, channels, run);
            }
        }
    }
}
