//! The primitives on AVX2.
//!
//! A block is two registers: channels `[0 1 2 3 | 8 9 10 11]` and `[4 5 6 7 | 12 13 14 15]`, which
//! `vpackssdw` brings into their natural order. Copies stand for the masks of a tail.

use core::arch::x86_64::*;

use super::stores::ENTRIES;
use super::{BLOCK, Lanes, Place, TOKENS, Task, primitives, unsafe_primitives};
use crate::avx2::rates::up_to;
use crate::avx2::{interleave, load16, load16_i16, widen_sixteen};
use crate::isa::Avx2;

impl Lanes for Avx2 {
    type Vec = __m256i;
    type Block = [__m256i; 2];
    type Words = [__m256i; 4];
    type Bytes = [__m256i; 2];

    const LANES: usize = 8;

    fn apart<T: Task>(self, task: T) {
        #[inline(never)]
        #[target_feature(enable = "avx2")]
        fn compiled<T: Task>(v: Avx2, task: T) {
            task.run(v);
        }
        // SAFETY: the token proves the features.
        unsafe { compiled(self, task) }
    }

    primitives! { "avx2"
        zeros() -> [__m256i; 2] { [_mm256_setzero_si256(); 2] }
        splat(value: i32) -> __m256i { _mm256_set1_epi32(value) }
        two(low: i32, high: i32) -> __m256i { _mm256_set_m128i(_mm_set1_epi32(high), _mm_set1_epi32(low)) }
        splat64(value: i64) -> __m256i { _mm256_set1_epi64x(value) }
        and(a: __m256i, b: __m256i) -> __m256i { _mm256_and_si256(a, b) }
        add(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi32(a, b) }
        sub(a: __m256i, b: __m256i) -> __m256i { _mm256_sub_epi32(a, b) }
        mul(a: __m256i, b: __m256i) -> __m256i { _mm256_mullo_epi32(a, b) }
        min(a: __m256i, b: __m256i) -> __m256i { _mm256_min_epi32(a, b) }
        max(a: __m256i, b: __m256i) -> __m256i { _mm256_max_epi32(a, b) }
        shl(a: __m256i, bits: i32) -> __m256i { _mm256_sll_epi32(a, _mm_cvtsi32_si128(bits)) }
        shr(a: __m256i, bits: __m256i) -> __m256i { _mm256_srav_epi32(a, bits) }
        where_larger(a: __m256i, b: __m256i, yes: __m256i, no: __m256i) -> __m256i { _mm256_blendv_epi8(no, yes, _mm256_cmpgt_epi32(a, b)) }
        in_turn(a: __m256i, b: __m256i) -> [__m256i; 2] { [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)] }
        natural(in_turn: [__m256i; 2]) -> [__m256i; 2] {
            let [low, high] = in_turn;
            [_mm256_permute2x128_si256::<0x20>(low, high), _mm256_permute2x128_si256::<0x31>(low, high)]
        }
        weighed(a: &[i16], b: &[i16], first: usize, weights: __m256i) -> [__m256i; 2] {
            let (a, b) = (load16_i16(&up_to(a, first, 0)), load16_i16(&up_to(b, first, 0)));
            [_mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), weights), _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), weights)]
        }
        products(a: __m256i, b: __m256i) -> __m256i { _mm256_madd_epi16(a, b) }
        dot(sum: __m256i, a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi32(sum, _mm256_madd_epi16(a, b)) }
        add64(a: __m256i, b: __m256i) -> __m256i { _mm256_add_epi64(a, b) }
        sub64(a: __m256i, b: __m256i) -> __m256i { _mm256_sub_epi64(a, b) }
        shl64(a: __m256i, bits: __m256i) -> __m256i { _mm256_sllv_epi64(a, bits) }
        mul_even(a: __m256i, b: __m256i) -> __m256i { _mm256_mul_epi32(a, b) }
        mul_even_unsigned(a: __m256i, b: __m256i) -> __m256i { _mm256_mul_epu32(a, b) }
        odd(a: __m256i) -> __m256i { _mm256_srli_epi64::<32>(a) }
        upper_halves(even: __m256i, odd: __m256i) -> __m256i { _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd) }
        // 2^62 makes products positive, so that a logical shift is an arithmetic one; what is left
        // of it is taken away after it.
        shifted(even: __m256i, odd: __m256i, bits: u32) -> __m256i {
            let offset = _mm256_set1_epi64x((1 << 62) + 1i64.wrapping_shl(bits.wrapping_sub(1)));
            let shift = |product| _mm256_srl_epi64(_mm256_add_epi64(product, offset), _mm_cvtsi32_si128(bits as i32));
            let both = _mm256_blend_epi32::<0b1010_1010>(shift(even), _mm256_slli_epi64::<32>(shift(odd)));
            _mm256_sub_epi32(both, _mm256_set1_epi32((1i64 << 62).wrapping_shr(bits) as i32))
        }
        merged(low: __m256i, high: __m256i) -> __m256i { _mm256_blend_epi16::<0b1010_1010>(low, _mm256_slli_epi32::<16>(high)) }
        halves(both: __m256i) -> [__m256i; 2] {
            [_mm256_permute2x128_si256::<0x00>(both, both), _mm256_permute2x128_si256::<0x11>(both, both)]
        }
        totals(of: [__m256i; TOKENS]) -> [__m256i; 2] {
            let [a, b, c, d, e, f, g, h] = of;
            let pairs = |a, b| _mm256_add_epi64(_mm256_unpacklo_epi64(a, b), _mm256_unpackhi_epi64(a, b));
            let fours = |ab, cd| _mm256_add_epi64(_mm256_permute2x128_si256::<0x20>(ab, cd), _mm256_permute2x128_si256::<0x31>(ab, cd));
            [fours(pairs(a, b), pairs(c, d)), fours(pairs(e, f), pairs(g, h))]
        }
        eight(block: [__m256i; 2]) -> [i64; TOKENS] { core::mem::transmute(block) }
        rsqrt(variances: [__m256i; 2], count: usize) -> ([__m256i; 2], [__m256i; 2]) {
            let (mut r, mut k) = ([0u64; TOKENS], [0u64; TOKENS]);
            let variances = core::mem::transmute::<[__m256i; 2], [u64; TOKENS]>(variances);
            for ((r, k), variance) in r.iter_mut().zip(&mut k).zip(variances).take(count) {
                let (root, shift) = crate::math::rsqrt(variance);
                (*r, *k) = (root.into(), shift.into());
            }
            (core::mem::transmute::<[u64; TOKENS], [__m256i; 2]>(r), core::mem::transmute::<[u64; TOKENS], [__m256i; 2]>(k))
        }
        even_and_odd(values: &[i32], first: usize) -> [__m256i; 2] {
            let all: [i32; BLOCK] = up_to(values, first, 0);
            let [low, high] = core::mem::transmute::<[i32; BLOCK], [__m256; 2]>(all);
            let order = |values| _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(values));
            [order(_mm256_shuffle_ps::<0b10_00_10_00>(low, high)), order(_mm256_shuffle_ps::<0b11_01_11_01>(low, high))]
        }
        saturated(even: __m256i, odd: __m256i) -> [__m256i; 2] {
            let (both, zero) = (_mm256_packs_epi32(even, odd), _mm256_setzero_si256());
            [_mm256_unpacklo_epi16(both, zero), _mm256_unpackhi_epi16(both, zero)]
        }
        pack(even: __m256i, odd: __m256i) -> __m256i { _mm256_packs_epi32(even, odd) }
        whole_i32(values: &[i32; BLOCK]) -> [__m256i; 2] { interleave(values) }
        widen_i16(values: &[i16; BLOCK]) -> [__m256i; 2] { widen_sixteen(load16_i16(values)) }
        widen_i8(values: &[i8; BLOCK]) -> [__m256i; 2] { widen_sixteen(_mm256_cvtepi8_epi16(load16(values))) }
        load_i32(values: &[i32], first: usize) -> [__m256i; 2] { interleave(&up_to(values, first, 0)) }
        load_i16(values: &[i16], first: usize) -> [__m256i; 2] { widen_sixteen(load16_i16(&up_to(values, first, 0))) }
        load_i8(values: &[i8], first: usize) -> [__m256i; 2] { widen_sixteen(_mm256_cvtepi8_epi16(load16(&up_to(values, first, 0)))) }
        words(blocks: [[__m256i; 2]; 4]) -> [__m256i; 4] {
            let [[a, aa], [b, bb], [c, cc], [d, dd]] = blocks;
            [_mm256_packs_epi32(a, aa), _mm256_packs_epi32(b, bb), _mm256_packs_epi32(c, cc), _mm256_packs_epi32(d, dd)]
        }
        clamp_words(words: [__m256i; 4], offset: i16, range: [i16; 2]) -> [__m256i; 4] {
            let (offset, lo, hi) = (_mm256_set1_epi16(offset), _mm256_set1_epi16(range[0]), _mm256_set1_epi16(range[1]));
            let clamp = |words| _mm256_max_epi16(_mm256_min_epi16(_mm256_adds_epi16(words, offset), hi), lo);
            [clamp(words[0]), clamp(words[1]), clamp(words[2]), clamp(words[3])]
        }
        codes(words: [__m256i; 4], offset: i16, range: [i8; 2]) -> [__m256i; 2] {
            let (offset, lo, hi) = (_mm256_set1_epi16(offset), _mm256_set1_epi8(range[0]), _mm256_set1_epi8(range[1]));
            let both = |a, b| {
                let codes = _mm256_packs_epi16(_mm256_adds_epi16(a, offset), _mm256_adds_epi16(b, offset));
                _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_min_epi8(_mm256_max_epi8(codes, lo), hi))
            };
            [both(words[0], words[1]), both(words[2], words[3])]
        }
    }

    unsafe_primitives! {
        pair_of_each_row(x: *const i16, _p: usize, j: usize) -> __m256i {
            _mm256_set1_epi32(x.add(2 * j).cast::<i32>().read_unaligned())
        }
        // Single loads take less time than a gather of 8.
        entries(table: &[i16], index: __m256i) -> __m256i {
            let mut entries = [0; 8];
            for (to, index) in entries.iter_mut().zip(core::mem::transmute::<__m256i, [u32; 8]>(index)) {
                *to = *table.get_unchecked(index as usize);
            }
            let [a, b, c, d, e, f, g, h] = entries;
            _mm256_cvtepu16_epi32(_mm_setr_epi16(a, b, c, d, e, f, g, h))
        }
        load_lanes(from: *const i32, count: usize) -> __m256i {
            if count >= BLOCK / 2 { _mm256_loadu_si256(from.cast()) } else { _mm256_maskload_epi32(from, first_lanes(count)) }
        }
        store_lanes(to: *mut i32, count: usize, lanes: __m256i) {
            if count >= BLOCK / 2 {
                _mm256_storeu_si256(to.cast(), lanes);
            } else {
                _mm256_maskstore_epi32(to, first_lanes(count), lanes);
            }
        }
        // Single loads take less time than a gather of 8.
        gather(from: *const i32, stride: usize) -> __m256i {
            let lane = |i: usize| from.add(i * stride).read();
            _mm256_setr_epi32(lane(0), lane(1), lane(2), lane(3), lane(4), lane(5), lane(6), lane(7))
        }
        load_words(from: *const i16, count: usize) -> __m256i {
            if count >= BLOCK {
                return _mm256_loadu_si256(from.cast());
            }
            let mut words = [0; BLOCK];
            copy_first(from, words.as_mut_ptr(), count);
            load16_i16(&words)
        }
        store_packed_words(out: *mut i16, count: usize, packed: __m256i) {
            let order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
            let words = _mm256_shuffle_epi8(packed, order);
            if count >= BLOCK {
                _mm256_storeu_si256(out.cast(), words);
            } else {
                copy_first(core::mem::transmute::<__m256i, [i16; BLOCK]>(words).as_ptr(), out, count);
            }
        }
        store_packed_bytes(out: [*mut i8; 2], counts: [usize; 2], packed: [__m256i; 2], range: [i8; 2]) {
            let order = _mm256_broadcastsi128_si256(_mm_setr_epi8(0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15));
            let codes = _mm256_max_epi8(_mm256_packs_epi16(packed[0], packed[1]), _mm256_set1_epi8(range[0]));
            let codes = _mm256_min_epi8(codes, _mm256_set1_epi8(range[1]));
            let codes = _mm256_shuffle_epi8(_mm256_permute4x64_epi64::<0b11_01_10_00>(codes), order);
            for ((out, count), codes) in out.into_iter().zip(counts).zip([_mm256_castsi256_si128(codes), _mm256_extracti128_si256::<1>(codes)]) {
                if count >= BLOCK {
                    _mm_storeu_si128(out.cast(), codes);
                } else {
                    copy_first(core::mem::transmute::<__m128i, [i8; BLOCK]>(codes).as_ptr(), out, count);
                }
            }
        }
        old_i16(place: Place<i16>, run: usize) -> [__m256i; 2] {
            let (out, channels) = place.run(run);
            widen_sixteen(load16_i16(&if place.whole() || channels == !0 { out.cast::<[i16; BLOCK]>().read() } else { place.old(run) }))
        }
        old_i32(place: Place<i32>, run: usize) -> [__m256i; 2] {
            let (out, channels) = place.run(run);
            interleave(&if place.whole() || channels == !0 { out.cast::<[i32; BLOCK]>().read() } else { place.old(run) })
        }
        store_i32(place: Place<i32>, run: usize, block: [__m256i; 2]) {
            let (out, channels) = place.run(run);
            let halves = [_mm256_permute2x128_si256::<0x20>(block[0], block[1]), _mm256_permute2x128_si256::<0x31>(block[0], block[1])];
            if place.whole() || channels == !0 {
                _mm256_storeu_si256(out.cast(), halves[0]);
                _mm256_storeu_si256(out.cast::<__m256i>().add(1), halves[1]);
            } else {
                place.put(run, &core::mem::transmute::<[__m256i; 2], [i32; BLOCK]>(halves));
            }
        }
        store_words(place: Place<i16>, words: [__m256i; 4]) {
            for (i, run) in words.into_iter().enumerate() {
                let (out, channels) = place.run(i);
                if place.whole() || channels == !0 {
                    _mm256_storeu_si256(out.cast(), run);
                } else {
                    place.put(i, &core::mem::transmute::<__m256i, [i16; BLOCK]>(run));
                }
            }
        }
        store_bytes(place: Place<i8>, bytes: [__m256i; 2]) {
            let [ab, cd] = bytes;
            let runs = [_mm256_castsi256_si128(ab), _mm256_extracti128_si256::<1>(ab), _mm256_castsi256_si128(cd), _mm256_extracti128_si256::<1>(cd)];
            for (i, run) in runs.into_iter().enumerate() {
                let (out, channels) = place.run(i);
                if place.whole() || channels == !0 {
                    _mm_storeu_si128(out.cast(), run);
                } else {
                    place.put(i, &core::mem::transmute::<__m128i, [i8; BLOCK]>(run));
                }
            }
        }
        // Entry by entry: single loads take less time than a gather of 8.
        store_entries(place: Place<i8>, table: &[i8; ENTRIES], index: [__m256i; 4]) {
            for (i, index) in index.into_iter().enumerate() {
                let entry = |index: u16| *table.get_unchecked(usize::from(index));
                let index = core::mem::transmute::<__m256i, [u16; BLOCK]>(index);
                let (out, mut channels) = place.run(i);
                if place.whole() || channels == !0 {
                    for (channel, index) in index.into_iter().enumerate() {
                        out.add(channel).write(entry(index));
                    }
                } else {
                    while channels != 0 {
                        let channel = channels.trailing_zeros() as usize % BLOCK;
                        out.add(channel).write(entry(index[channel]));
                        channels &= channels - 1;
                    }
                }
            }
        }
    }
}

/// Copies `count` elements, fewer than 16.
///
/// # Safety
/// They may be read and written.
#[inline(always)]
unsafe fn copy_first<T: Copy>(from: *const T, to: *mut T, count: usize) {
    let mut at = 0;
    // SAFETY: the caller's promise.
    unsafe {
        if count >= BLOCK / 2 {
            to.cast::<[T; BLOCK / 2]>().write_unaligned(from.cast::<[T; BLOCK / 2]>().read_unaligned());
            at = BLOCK / 2;
        }
        while at < count {
            to.add(at).write(from.add(at).read());
            at += 1;
        }
    }
}

/// The mask of the first `count` of 8 lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn first_lanes(count: usize) -> __m256i {
    _mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7))
}
