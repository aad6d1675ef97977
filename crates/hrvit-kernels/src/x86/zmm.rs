//! The primitives on AVX-512, and parts that its product loops share.
//!
//! A block is one register, its 16 channels in their natural order. A mask marks a tail of fewer
//! channels. Nothing beyond the end of a slice is read or written.

use core::arch::x86_64::*;

use super::stores::ENTRIES;
use super::{BLOCK, Lanes, Place, TOKENS, Task, first_channels, primitives, unsafe_primitives};
use crate::isa::Avx512;
use crate::math::SEED;

impl Lanes for Avx512 {
    type Vec = __m512i;
    type Block = [__m512i; 1];
    type Words = [__m512i; 2];
    type Bytes = __m512i;

    const LANES: usize = 16;

    fn apart<T: Task>(self, task: T) {
        #[inline(never)]
        #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
        fn compiled<T: Task>(v: Avx512, task: T) {
            task.run(v);
        }
        // SAFETY: the token proves the features.
        unsafe { compiled(self, task) }
    }

    primitives! { "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi"
        zeros() -> [__m512i; 1] { [_mm512_setzero_si512(); 1] }
        splat(value: i32) -> __m512i { _mm512_set1_epi32(value) }
        two(low: i32, high: i32) -> __m512i { _mm512_mask_set1_epi32(_mm512_set1_epi32(low), 0xff00, high) }
        splat64(value: i64) -> __m512i { _mm512_set1_epi64(value) }
        and(a: __m512i, b: __m512i) -> __m512i { _mm512_and_si512(a, b) }
        add(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi32(a, b) }
        sub(a: __m512i, b: __m512i) -> __m512i { _mm512_sub_epi32(a, b) }
        mul(a: __m512i, b: __m512i) -> __m512i { _mm512_mullo_epi32(a, b) }
        min(a: __m512i, b: __m512i) -> __m512i { _mm512_min_epi32(a, b) }
        max(a: __m512i, b: __m512i) -> __m512i { _mm512_max_epi32(a, b) }
        shl(a: __m512i, bits: i32) -> __m512i { _mm512_sll_epi32(a, _mm_cvtsi32_si128(bits)) }
        shr(a: __m512i, bits: __m512i) -> __m512i { _mm512_srav_epi32(a, bits) }
        where_larger(a: __m512i, b: __m512i, yes: __m512i, no: __m512i) -> __m512i { _mm512_mask_mov_epi32(no, _mm512_cmpgt_epi32_mask(a, b), yes) }
        in_turn(a: __m512i, b: __m512i) -> [__m512i; 2] { [_mm512_unpacklo_epi16(a, b), _mm512_unpackhi_epi16(a, b)] }
        natural(in_turn: [__m512i; 2]) -> [__m512i; 2] {
            let ([low, high], first) = (in_turn, _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23));
            [_mm512_permutex2var_epi32(low, first, high), _mm512_permutex2var_epi32(low, _mm512_add_epi32(first, _mm512_set1_epi32(8)), high)]
        }
        weighed(a: &[i16], b: &[i16], first: usize, weights: __m512i) -> [__m512i; 1] {
            let (a, b) = (_mm512_cvtepi16_epi32(load_i16(a, first)), _mm512_cvtepi16_epi32(load_i16(b, first)));
            [_mm512_madd_epi16(_mm512_mask_blend_epi16(0xaaaa_aaaa, a, _mm512_slli_epi32::<16>(b)), weights)]
        }
        products(a: __m512i, b: __m512i) -> __m512i { _mm512_madd_epi16(a, b) }
        dot(sum: __m512i, a: __m512i, b: __m512i) -> __m512i { _mm512_dpwssd_epi32(sum, a, b) }
        add64(a: __m512i, b: __m512i) -> __m512i { _mm512_add_epi64(a, b) }
        sub64(a: __m512i, b: __m512i) -> __m512i { _mm512_sub_epi64(a, b) }
        shl64(a: __m512i, bits: __m512i) -> __m512i { _mm512_sllv_epi64(a, bits) }
        mul_even(a: __m512i, b: __m512i) -> __m512i { _mm512_mul_epi32(a, b) }
        mul_even_unsigned(a: __m512i, b: __m512i) -> __m512i { _mm512_mul_epu32(a, b) }
        odd(a: __m512i) -> __m512i { _mm512_srli_epi64::<32>(a) }
        upper_halves(even: __m512i, odd: __m512i) -> __m512i { upper_halves(even, odd) }
        shifted(even: __m512i, odd: __m512i, bits: u32) -> __m512i {
            let (half, bits) = (_mm512_set1_epi64(1i64.wrapping_shl(bits.wrapping_sub(1))), _mm512_set1_epi64(bits.into()));
            let shift = |product| _mm512_srav_epi64(_mm512_add_epi64(product, half), bits);
            _mm512_mask_shuffle_epi32::<0b10_10_00_00>(shift(even), 0xaaaa, shift(odd))
        }
        merged(low: __m512i, high: __m512i) -> __m512i { _mm512_mask_blend_epi16(0xaaaa_aaaa, low, _mm512_slli_epi32::<16>(high)) }
        halves(both: __m512i) -> [__m512i; 2] {
            [_mm512_shuffle_i64x2::<0b01_00_01_00>(both, both), _mm512_shuffle_i64x2::<0b11_10_11_10>(both, both)]
        }
        totals(of: [__m512i; TOKENS]) -> [__m512i; 1] {
            let [a, b, c, d, e, f, g, h] = of;
            let pairs = |a, b| _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
            // Lanes of four registers: [a b c d | a b c d], two sums of each.
            let fours = |ab, cd| {
                let low = _mm512_permutex2var_epi64(ab, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), cd);
                _mm512_add_epi64(low, _mm512_permutex2var_epi64(ab, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), cd))
            };
            let (first, second) = (fours(pairs(a, b), pairs(c, d)), fours(pairs(e, f), pairs(g, h)));
            [_mm512_add_epi64(_mm512_shuffle_i64x2::<0b01_00_01_00>(first, second), _mm512_shuffle_i64x2::<0b11_10_11_10>(first, second))]
        }
        eight(block: [__m512i; 1]) -> [i64; TOKENS] { core::mem::transmute(block) }
        rsqrt(variances: [__m512i; 1], _count: usize) -> ([__m512i; 1], [__m512i; 1]) {
            let splat = |value: i64| _mm512_set1_epi64(value);
            let variance = _mm512_max_epu64(variances[0], splat(1));
            let zeros = _mm512_and_si512(_mm512_lzcnt_epi64(variance), splat(!1));
            let n = _mm512_sllv_epi64(variance, zeros);
            let index = _mm512_sub_epi64(_mm512_srli_epi64::<57>(n), splat(32));
            let load = |i: usize| _mm512_loadu_si512(SEED.as_chunks::<32>().0[i].as_ptr().cast());
            // 96 entries: 64, and those of the indices with bit 6.
            let (lower, upper) = (_mm512_permutex2var_epi16(load(0), index, load(1)), _mm512_permutexvar_epi16(index, load(2)));
            let seed = _mm512_mask_blend_epi64(_mm512_test_epi64_mask(index, splat(64)), lower, upper);
            let seed = _mm512_and_si512(seed, splat(0xffff));
            let error = _mm512_sub_epi64(splat((3u64 << 62) as i64), _mm512_mul_epu32(_mm512_srli_epi64::<32>(n), _mm512_mul_epu32(seed, seed)));
            let r = _mm512_srli_epi64::<32>(_mm512_mullo_epi64(seed, _mm512_srli_epi64::<16>(error)));
            ([_mm512_min_epu64(r, splat(0x7fff_ffff))], [_mm512_sub_epi64(splat(52), _mm512_srli_epi64::<1>(zeros))])
        }
        even_and_odd(values: &[i32], first: usize) -> [__m512i; 2] {
            let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
            let (low, high) = (load_i32(values, first), load_i32(values, first + BLOCK));
            [_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, _mm512_add_epi32(even, _mm512_set1_epi32(1)), high)]
        }
        saturated(even: __m512i, odd: __m512i) -> [__m512i; 2] {
            let (both, zero) = (_mm512_packs_epi32(even, odd), _mm512_setzero_si512());
            [_mm512_unpacklo_epi16(both, zero), _mm512_unpackhi_epi16(both, zero)]
        }
        pack(even: __m512i, odd: __m512i) -> __m512i { _mm512_packs_epi32(even, odd) }
        whole_i32(values: &[i32; BLOCK]) -> [__m512i; 1] { [_mm512_loadu_epi32(values.as_ptr())] }
        widen_i16(values: &[i16; BLOCK]) -> [__m512i; 1] { [_mm512_cvtepi16_epi32(_mm256_loadu_epi16(values.as_ptr()))] }
        widen_i8(values: &[i8; BLOCK]) -> [__m512i; 1] { [_mm512_cvtepi8_epi32(_mm_loadu_epi8(values.as_ptr()))] }
        load_i32(values: &[i32], first: usize) -> [__m512i; 1] { [load_i32(values, first)] }
        load_i16(values: &[i16], first: usize) -> [__m512i; 1] { [_mm512_cvtepi16_epi32(load_i16(values, first))] }
        load_i8(values: &[i8], first: usize) -> [__m512i; 1] { [_mm512_cvtepi8_epi32(load_i8(values, first))] }
        // Four channels of each of two blocks in turn.
        words(blocks: [[__m512i; 1]; 4]) -> [__m512i; 2] {
            let [[a], [b], [c], [d]] = blocks;
            [_mm512_packs_epi32(a, b), _mm512_packs_epi32(c, d)]
        }
        clamp_words(words: [__m512i; 2], offset: i16, range: [i16; 2]) -> [__m512i; 2] {
            let (offset, lo, hi) = (_mm512_set1_epi16(offset), _mm512_set1_epi16(range[0]), _mm512_set1_epi16(range[1]));
            let clamp = |words| _mm512_max_epi16(_mm512_min_epi16(_mm512_adds_epi16(words, offset), hi), lo);
            [clamp(words[0]), clamp(words[1])]
        }
        codes(words: [__m512i; 2], offset: i16, range: [i8; 2]) -> __m512i {
            let ([ab, cd], offset) = (words, _mm512_set1_epi16(offset));
            let codes = _mm512_packs_epi16(_mm512_adds_epi16(ab, offset), _mm512_adds_epi16(cd, offset));
            let codes = _mm512_min_epi8(_mm512_max_epi8(codes, _mm512_set1_epi8(range[0])), _mm512_set1_epi8(range[1]));
            // Four channels of the four runs in every quarter.
            _mm512_permutexvar_epi32(_mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15), codes)
        }
    }

    unsafe_primitives! {
        pair_of_each_row(x: *const i16, p: usize, j: usize) -> __m512i {
            if p >= BLOCK {
                return _mm512_set1_epi32(x.add(2 * j).cast::<i32>().read_unaligned());
            }
            let row = _mm512_setr_epi32(0, 0, 0, 0, 0, 0, 0, 0, 4, 4, 4, 4, 4, 4, 4, 4);
            _mm512_permutexvar_epi32(_mm512_add_epi32(row, _mm512_set1_epi32(j as i32)), _mm512_castsi256_si512(_mm256_loadu_si256(x.cast())))
        }
        entries(table: &[i16], index: __m512i) -> __m512i {
            // Each lane reads two entries; the last one is the second of the last two.
            let is_last = _mm512_cmpeq_epi32_mask(index, _mm512_set1_epi32(table.len() as i32 - 1));
            let first = _mm512_mask_sub_epi32(index, is_last, index, _mm512_set1_epi32(1));
            let two = _mm512_i32gather_epi32::<2>(first, table.as_ptr().cast());
            _mm512_mask_srli_epi32::<16>(two, is_last, two)
        }
        load_lanes(from: *const i32, count: usize) -> __m512i {
            _mm512_maskz_loadu_epi32(first_channels(count), from)
        }
        store_lanes(to: *mut i32, count: usize, lanes: __m512i) {
            _mm512_mask_storeu_epi32(to, first_channels(count), lanes)
        }
        gather(from: *const i32, stride: usize) -> __m512i {
            let lanes = _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
            _mm512_i32gather_epi32::<4>(_mm512_mullo_epi32(lanes, _mm512_set1_epi32(stride as i32)), from)
        }
        load_words(from: *const i16, count: usize) -> __m512i {
            _mm512_maskz_loadu_epi16(first_words(count), from)
        }
        store_packed_words(out: *mut i16, count: usize, packed: __m512i) {
            let order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
            _mm512_mask_storeu_epi16(out, first_words(count), _mm512_shuffle_epi8(packed, order));
        }
        store_packed_bytes(out: [*mut i8; 2], counts: [usize; 2], packed: [__m512i; 2], range: [i8; 2]) {
            let codes = _mm512_permutexvar_epi8(load64(&PACKED_BYTES), _mm512_packs_epi16(packed[0], packed[1]));
            let codes = _mm512_min_epi8(_mm512_max_epi8(codes, _mm512_set1_epi8(range[0])), _mm512_set1_epi8(range[1]));
            _mm256_mask_storeu_epi8(out[0], first_words(counts[0]), _mm512_castsi512_si256(codes));
            _mm256_mask_storeu_epi8(out[1], first_words(counts[1]), _mm512_extracti64x4_epi64::<1>(codes));
        }
        old_i16(place: Place<i16>, run: usize) -> [__m512i; 1] {
            let (out, channels) = place.run(run);
            [_mm512_cvtepi16_epi32(_mm256_maskz_loadu_epi16(channels, out))]
        }
        old_i32(place: Place<i32>, run: usize) -> [__m512i; 1] {
            let (out, channels) = place.run(run);
            [_mm512_maskz_loadu_epi32(channels, out)]
        }
        store_i32(place: Place<i32>, run: usize, block: [__m512i; 1]) {
            let (out, channels) = place.run(run);
            _mm512_mask_storeu_epi32(out, channels, block[0]);
        }
        store_words(place: Place<i16>, words: [__m512i; 2]) {
            let order = _mm512_setr_epi64(0, 2, 4, 6, 1, 3, 5, 7);
            let (ab, cd) = (_mm512_permutexvar_epi64(order, words[0]), _mm512_permutexvar_epi64(order, words[1]));
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
        store_bytes(place: Place<i8>, bytes: __m512i) { store_bytes(place, bytes) }
        store_entries(place: Place<i8>, table: &[i8; ENTRIES], index: [__m512i; 2]) { store_bytes(place, entries(table, index)) }
    }
}

/// Stores four runs of bytes.
///
/// # Safety
/// The processor has AVX-512, and the channels of `place` may be written.
#[inline(always)]
unsafe fn store_bytes(place: Place<i8>, bytes: __m512i) {
    // SAFETY: the caller's promise.
    unsafe {
        let runs = [
            _mm512_castsi512_si128(bytes),
            _mm512_extracti32x4_epi32::<1>(bytes),
            _mm512_extracti32x4_epi32::<2>(bytes),
            _mm512_extracti32x4_epi32::<3>(bytes),
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

/// Entries of four runs of indices, by byte permutations: one looks up 64 indices of 7 bits in 128
/// entries, and the index's upper bits choose among the results.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn entries(table: &[i8; ENTRIES], [ab, cd]: [__m512i; 2]) -> __m512i {
    // SAFETY: as many bytes.
    let (blocks, order) = (unsafe { &*table.as_ptr().cast::<[[i8; 64]; ENTRIES / 64]>() }, load64(&LOWER_BYTES));
    let low = _mm512_permutex2var_epi8(ab, order, cd);
    let high = _mm512_permutex2var_epi8(_mm512_srli_epi16::<7>(ab), order, _mm512_srli_epi16::<7>(cd));
    let bit = |bit: i8| _mm512_test_epi8_mask(high, _mm512_set1_epi8(bit));
    let (k0, k1, k2, k3) = (bit(1), bit(2), bit(4), bit(8));
    let one = |i: usize| _mm512_permutex2var_epi8(load64(&blocks[2 * i]), low, load64(&blocks[2 * i + 1]));
    let two = |i: usize| _mm512_mask_blend_epi8(k0, one(2 * i), one(2 * i + 1));
    let four = |i: usize| _mm512_mask_blend_epi8(k1, two(2 * i), two(2 * i + 1));
    let eight = |i: usize| _mm512_mask_blend_epi8(k2, four(2 * i), four(2 * i + 1));
    _mm512_mask_blend_epi8(k3, eight(0), eight(1))
}

/// The first `count` of 32 values, all from 32 on.
#[inline(always)]
fn first_words(count: usize) -> __mmask32 {
    if count >= 2 * BLOCK { !0 } else { (1 << count) - 1 }
}

/// Order of the packed channels of two registers after `vpacksswb`.
const PACKED_BYTES: [i8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (register, channel) = (i / 32, i % 32);
        order[i] = (channel / 8 * 16 + register * 8 + channel % 2 * 4 + channel % 8 / 2) as i8;
        i += 1;
    }
    order
};

/// Order of the lower bytes of four runs' words in two vectors of `vpackssdw`.
const LOWER_BYTES: [i8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (run, channel) = (i / BLOCK, i % BLOCK);
        order[i] = (run / 2 * 64 + 2 * (channel / 4 * 8 + run % 2 * 4 + channel % 4)) as i8;
        i += 1;
    }
    order
};

/// The lanes of what is left of `slice` from `first` on, and where that starts.
#[inline(always)]
fn rest<T>(slice: &[T], first: usize) -> (__mmask16, *const T) {
    (first_channels(slice.len().saturating_sub(first)), slice.as_ptr().wrapping_add(first))
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
        order[i] = (i % 4 * BLOCK + i / 4) as i8;
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

/// The upper halves of the 64-bit lanes of two vectors, in turn.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn upper_halves(even: __m512i, odd: __m512i) -> __m512i {
    _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even)
}
