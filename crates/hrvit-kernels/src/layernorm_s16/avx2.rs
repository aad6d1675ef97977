//! LayerNorm on AVX2, 16 channels at a time; the reciprocal square root, once per token, is the shared scalar one.

use core::arch::x86_64::*;

use super::{Norm, scalar};
use crate::avx2::rates::up_to;
use crate::avx2::{interleave, load16_i16, store16_i8, store16_i16};
use crate::isa::Avx2;
use crate::lanes::{rows, rows_mut};
use crate::math::rsqrt;

/// Channels of a block.
const BLOCK: usize = 16;

/// See [`super::layernorm_s8`].
pub(super) fn tokens_s8(_: Avx2, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe { to_s8(x, norm, lo, hi, out) }
}

/// See [`super::layernorm_s16`].
pub(super) fn tokens_s16(_: Avx2, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    // SAFETY: the token proves AVX2.
    unsafe { to_s16(x, norm, out) }
}

/// See [`super::layernorm_s16_in_place`].
pub(super) fn tokens_s16_in_place(_: Avx2, x: &mut [i16], norm: &Norm<'_>) {
    // SAFETY: the token proves AVX2.
    unsafe { in_place(x, norm) }
}

#[target_feature(enable = "avx2")]
fn to_s8(x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    let channels = norm.gain.len();
    let (lo, hi) = (_mm_set1_epi8(lo as i8), _mm_set1_epi8(hi as i8));
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = Shared::new(token, norm);
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            let words = shared.normalise(token, norm, block * BLOCK);
            let codes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            let codes = _mm_min_epi8(_mm_max_epi8(codes, lo), hi);
            match out.first_chunk_mut() {
                Some(out) => store16_i8(out, codes),
                None => {
                    let mut last = [0; BLOCK];
                    store16_i8(&mut last, codes);
                    out.iter_mut().zip(last).for_each(|(to, from)| *to = from);
                }
            }
        }
    }
}

#[target_feature(enable = "avx2")]
fn to_s16(x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    let channels = norm.gain.len();
    for (token, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        let shared = Shared::new(token, norm);
        for (block, out) in out.chunks_mut(BLOCK).enumerate() {
            put(out, shared.normalise(token, norm, block * BLOCK));
        }
    }
}

#[target_feature(enable = "avx2")]
fn in_place(x: &mut [i16], norm: &Norm<'_>) {
    for token in rows_mut(x, norm.gain.len()) {
        let shared = Shared::new(token, norm);
        for first in (0..token.len()).step_by(BLOCK) {
            let words = shared.normalise(token, norm, first);
            put(token.get_mut(first..).unwrap_or_default(), words);
        }
    }
}

/// Stores up to 16 values.
#[inline]
#[target_feature(enable = "avx2")]
fn put(out: &mut [i16], words: __m256i) {
    match out.first_chunk_mut() {
        Some(out) => store16_i16(out, words),
        None => {
            let mut last = [0; BLOCK];
            store16_i16(&mut last, words);
            out.iter_mut().zip(last).for_each(|(to, from)| *to = from);
        }
    }
}

/// What the channels of one token share.
struct Shared {
    channels: __m256i,
    sum: __m256i,
    r: __m256i,
    /// `2^62 + 2^(k - 1)`: the first makes the product positive, so that a logical shift is an arithmetic one; `2^(62 - k)` is taken away after it.
    offset: __m256i,
    k: __m128i,
    excess: __m256i,
    /// The last shift less 1: `(s + 2^(t - 1)) >> t` is `((s >> (t - 1)) + 1) >> 1`, which never leaves 32 bits.
    shift: __m128i,
}

impl Shared {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(token: &[i16], norm: &Norm<'_>) -> Self {
        let (sum, squares) = sums(token);
        let (r, k) = rsqrt(scalar::variance(token.len(), sum, squares).wrapping_add(norm.eps));
        Self {
            channels: _mm256_set1_epi32(token.len() as i32),
            sum: _mm256_set1_epi32(sum),
            r: _mm256_set1_epi32(r as i32),
            offset: _mm256_set1_epi64x((1 << 62) + (1 << (k - 1))),
            k: _mm_cvtsi32_si128(k as i32),
            excess: _mm256_set1_epi32((1i64 << (62 - k)) as i32),
            shift: _mm_cvtsi32_si128(i32::from(norm.shift) - 1),
        }
    }

    /// 16 channels from `first` on, saturated to 16 bits; beyond the token anything.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn normalise(&self, token: &[i16], norm: &Norm<'_>, first: usize) -> __m256i {
        let zero = _mm256_setzero_si256();
        let x = load16_i16(&up_to(token, first, 0));
        let (gain, offset) = (interleave(&up_to(norm.gain, first, 0)), interleave(&up_to(norm.offset, first, 0)));
        let low = self.normal(_mm256_unpacklo_epi16(x, zero));
        let high = self.normal(_mm256_unpackhi_epi16(x, zero));
        let words = _mm256_packs_epi32(low, high);
        let low = self.affine(_mm256_unpacklo_epi16(words, zero), gain[0], offset[0]);
        let high = self.affine(_mm256_unpackhi_epi16(words, zero), gain[1], offset[1]);
        _mm256_packs_epi32(low, high)
    }

    /// `((C * x - sum) * r + 2^(k - 1)) >> k` of 8 values in the lower halves of their lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn normal(&self, x: __m256i) -> __m256i {
        // The upper half of x is 0: a product of 16 bits.
        let d = _mm256_sub_epi32(_mm256_madd_epi16(x, self.channels), self.sum);
        let even = _mm256_add_epi64(_mm256_mul_epi32(d, self.r), self.offset);
        let odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(d), self.r), self.offset);
        let odd = _mm256_slli_epi64::<32>(_mm256_srl_epi64(odd, self.k));
        let both = _mm256_blend_epi32::<0b1010_1010>(_mm256_srl_epi64(even, self.k), odd);
        _mm256_sub_epi32(both, self.excess)
    }

    /// `(x * gain + offset + 2^(shift - 1)) >> shift` of 8 values in the lower halves of their lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn affine(&self, x: __m256i, gain: __m256i, offset: __m256i) -> __m256i {
        // |x * gain| < 2^30 and |offset| < 2^30.
        let sum = _mm256_add_epi32(_mm256_madd_epi16(x, gain), offset);
        _mm256_srai_epi32::<1>(_mm256_add_epi32(_mm256_sra_epi32(sum, self.shift), _mm256_set1_epi32(1)))
    }
}

/// Sum and sum of squares.
#[inline]
#[target_feature(enable = "avx2")]
fn sums(token: &[i16]) -> (i32, u64) {
    let (one, low) = (_mm256_set1_epi16(1), _mm256_set1_epi64x(0xffff_ffff));
    let (mut sum, mut even, mut odd) = (_mm256_setzero_si256(), _mm256_setzero_si256(), _mm256_setzero_si256());
    let (blocks, tail) = token.as_chunks::<BLOCK>();
    for x in blocks {
        let x = load16_i16(x);
        sum = _mm256_add_epi32(sum, _mm256_madd_epi16(x, one));
        // Two squares are at most 2^31: right as an unsigned number.
        let squares = _mm256_madd_epi16(x, x);
        even = _mm256_add_epi64(even, _mm256_and_si256(squares, low));
        odd = _mm256_add_epi64(odd, _mm256_srli_epi64::<32>(squares));
    }
    let sum = _mm_add_epi32(_mm256_castsi256_si128(sum), _mm256_extracti128_si256::<1>(sum));
    let sum = _mm_add_epi32(sum, _mm_shuffle_epi32::<0b01_00_11_10>(sum));
    let mut sum = _mm_cvtsi128_si32(_mm_add_epi32(sum, _mm_shuffle_epi32::<0b10_11_00_01>(sum)));
    let squares = _mm256_add_epi64(even, odd);
    let squares = _mm_add_epi64(_mm256_castsi256_si128(squares), _mm256_extracti128_si256::<1>(squares));
    let mut squares = _mm_cvtsi128_si64(_mm_add_epi64(squares, _mm_unpackhi_epi64(squares, squares))) as u64;
    for x in tail {
        let x = i32::from(*x);
        sum = sum.wrapping_add(x);
        squares = squares.wrapping_add(u64::from((x * x) as u32));
    }
    (sum, squares)
}
