//! LayerNorm on AVX-512, 32 channels at a time. Statistics of 8 tokens come first, in one vector,
//! their reciprocal square roots included. The tokens follow, two at a time.
//!
//! `vpdpwssd` reads 16-bit values in pairs. With a factor of 0 for one of the two it multiplies the
//! even channels, or the odd ones. Both stay in vectors of their own up to the end.

use core::arch::x86_64::*;

use super::{Norm, avx2};
use crate::avx512::rates::upper_halves;
use crate::avx512::{load_i32, load64};
use crate::isa::Avx512;
use crate::math::SEED;

/// Channels of a block.
const BLOCK: usize = 32;
/// Tokens whose statistics are one vector.
const TOKENS: usize = 8;
/// Most channels whose normalised values fit 16 bits with 10 fractional bits:
/// `sqrt(1023) * 2^10 < 2^15`.
const MAX_CHANNELS: usize = 1024;

/// See [`Kernels::layernorm_s8`](crate::Kernels::layernorm_s8). Tokens that [`fits`] refuses are
/// left to `avx2`, here and below.
pub(super) fn tokens_s8(token: Avx512, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    if !fits(norm) {
        return avx2::tokens_s8(token.into(), x, norm, lo, hi, out);
    }
    // SAFETY: the token proves AVX-512; `x` and `out` have the same number of elements, a whole
    // number of tokens.
    unsafe {
        let store = Codes { lo: _mm512_set1_epi8(lo as i8), hi: _mm512_set1_epi8(hi as i8) };
        any(x.as_ptr(), x.len(), norm, store, out.as_mut_ptr());
    }
}

/// See [`Kernels::layernorm_s16`](crate::Kernels::layernorm_s16).
pub(super) fn tokens_s16(token: Avx512, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    if !fits(norm) {
        return avx2::tokens_s16(token.into(), x, norm, out);
    }
    // SAFETY: as for `tokens_s8`.
    unsafe { any(x.as_ptr(), x.len(), norm, Words, out.as_mut_ptr()) }
}

/// See [`Kernels::layernorm_s16_in_place`](crate::Kernels::layernorm_s16_in_place).
pub(super) fn tokens_s16_in_place(token: Avx512, x: &mut [i16], norm: &Norm<'_>) {
    if !fits(norm) {
        return avx2::tokens_s16_in_place(token.into(), x, norm);
    }
    let (len, start) = (x.len(), x.as_mut_ptr());
    // SAFETY: as for `tokens_s8`; both pointers come from the one exclusive borrow.
    unsafe { any(start, len, norm, Words, start) }
}

/// Whether there are so few channels as the statistics' lanes take, and the affine's sum, its
/// rounding included, fits 32 bits.
fn fits(norm: &Norm<'_>) -> bool {
    let half = 1i64 << (norm.shift - 1);
    let sum = |gain: i32, offset: i32| (i64::from(gain.unsigned_abs()) << 15) + i64::from(offset.unsigned_abs()) + half;
    norm.gain.len() <= MAX_CHANNELS && norm.gain.iter().zip(norm.offset).fold(0, |most, (gain, offset)| most.max(sum(*gain, *offset))) < 1 << 31
}

/// How 32 channels of two tokens are stored.
trait Store: Copy {
    type Out: Copy;

    /// Stores the channels of the mask to each of `out`. Both vectors hold, in every quarter, the
    /// even and then the odd ones of 8 channels.
    ///
    /// # Safety
    /// The processor has AVX-512, and the elements of the mask may be written.
    unsafe fn put(self, out: [*mut Self::Out; 2], channels: [__mmask32; 2], words: [__m512i; 2]);
}

/// `clamp(value, lo, hi)`, s8.
#[derive(Clone, Copy)]
struct Codes {
    lo: __m512i,
    hi: __m512i,
}

/// Order of the channels of two tokens after `vpacksswb`.
const BYTES: [i8; 64] = {
    let mut order = [0; 64];
    let mut i = 0;
    while i < 64 {
        let (token, channel) = (i / BLOCK, i % BLOCK);
        order[i] = (channel / 8 * 16 + token * 8 + channel % 2 * 4 + channel % 8 / 2) as i8;
        i += 1;
    }
    order
};

impl Store for Codes {
    type Out = i8;

    #[inline(always)]
    unsafe fn put(self, out: [*mut i8; 2], channels: [__mmask32; 2], [first, second]: [__m512i; 2]) {
        // SAFETY: the caller has AVX-512 and vouches for the elements.
        unsafe {
            let codes = _mm512_permutexvar_epi8(load64(&BYTES), _mm512_packs_epi16(first, second));
            let codes = _mm512_min_epi8(_mm512_max_epi8(codes, self.lo), self.hi);
            _mm256_mask_storeu_epi8(out[0], channels[0], _mm512_castsi512_si256(codes));
            _mm256_mask_storeu_epi8(out[1], channels[1], _mm512_extracti64x4_epi64::<1>(codes));
        }
    }
}

/// As they are.
#[derive(Clone, Copy)]
struct Words;

impl Store for Words {
    type Out = i16;

    #[inline(always)]
    unsafe fn put(self, out: [*mut i16; 2], channels: [__mmask32; 2], words: [__m512i; 2]) {
        // SAFETY: the caller has AVX-512 and vouches for the elements.
        unsafe {
            let order = _mm512_broadcast_i32x4(_mm_setr_epi8(0, 1, 8, 9, 2, 3, 10, 11, 4, 5, 12, 13, 6, 7, 14, 15));
            for ((out, channels), words) in out.into_iter().zip(channels).zip(words) {
                _mm512_mask_storeu_epi16(out, channels, _mm512_shuffle_epi8(words, order));
            }
        }
    }
}

/// [`normalise`]; values with more than 10 fractional bits are saturated.
///
/// # Safety
/// As for [`normalise`].
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn any<S: Store>(x: *const i16, len: usize, norm: &Norm<'_>, store: S, out: *mut S::Out) {
    // SAFETY: the caller's promise.
    unsafe { if norm.finer() == 0 { normalise::<false, S>(x, len, norm, store, out) } else { normalise::<true, S>(x, len, norm, store, out) } }
}

/// `len` elements from `x` to `out`; `FINE`: normalised values may leave 16 bits.
///
/// # Safety
/// From `x` on `len` elements may be read, from `out` on written; `len` is a whole number of
/// tokens. The two may be the same.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn normalise<const FINE: bool, S: Store>(x: *const i16, len: usize, norm: &Norm<'_>, store: S, out: *mut S::Out) {
    let channels = norm.gain.len();
    for first_token in (0..len).step_by(TOKENS * channels) {
        let tokens = ((len - first_token) / channels).min(TOKENS);
        // SAFETY: `tokens` tokens from here on lie inside the `len` elements.
        let shared = unsafe { Shared::new(x.wrapping_add(first_token), tokens, norm) };
        for first in (0..channels).step_by(BLOCK) {
            let affine = Affine::new(norm, first);
            let mask = lanes(channels - first);
            for pair in (0..tokens).step_by(2) {
                let at = [pair, pair + 1].map(|token| first_token + token * channels + first);
                let masks = [mask, if pair + 1 < tokens { mask } else { 0 }];
                // SAFETY: the masks have only elements of existing tokens; a block is read before
                // it is written.
                unsafe {
                    let a = affine.apply(shared.normal::<FINE>(pair, _mm512_maskz_loadu_epi16(masks[0], x.wrapping_add(at[0]))));
                    let b = affine.apply(shared.normal::<FINE>(pair + 1, _mm512_maskz_loadu_epi16(masks[1], x.wrapping_add(at[1]))));
                    store.put(at.map(|at| out.wrapping_add(at)), masks, [a, b]);
                }
            }
        }
    }
}

/// The first `count` of 32 lanes, all from 32 on.
#[inline(always)]
fn lanes(count: usize) -> __mmask32 {
    if count >= BLOCK { !0 } else { (1 << count) - 1 }
}

/// Statistics that the channels of each of 8 tokens share.
struct Shared {
    channels: i32,
    minus_sum: [i64; TOKENS],
    r: [i64; TOKENS],
    k: [i64; TOKENS],
}

impl Shared {
    /// # Safety
    /// From `x` on, `tokens` tokens may be read.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    unsafe fn new(x: *const i16, tokens: usize, norm: &Norm<'_>) -> Self {
        let channels = norm.gain.len();
        let (one, low) = (_mm512_set1_epi16(1), _mm512_set1_epi64(0xffff_ffff));
        let (mut sums, mut squares) = ([_mm512_setzero_si512(); TOKENS], [_mm512_setzero_si512(); TOKENS]);
        for (token, (sums, squares)) in sums.iter_mut().zip(&mut squares).enumerate().take(tokens) {
            let (mut sum, mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512(), _mm512_setzero_si512());
            for first in (0..channels).step_by(BLOCK) {
                // SAFETY: the mask has only channels of this token.
                let x = unsafe { _mm512_maskz_loadu_epi16(lanes(channels - first), x.wrapping_add(token * channels + first)) };
                sum = _mm512_dpwssd_epi32(sum, x, one);
                // Two squares are at most 2^31: right as an unsigned number.
                let both = _mm512_madd_epi16(x, x);
                even = _mm512_add_epi64(even, _mm512_and_si512(both, low));
                odd = _mm512_add_epi64(odd, _mm512_srli_epi64::<32>(both));
            }
            // Only the lower half of each lane of the sum counts.
            (*sums, *squares) = (_mm512_add_epi32(sum, _mm512_srli_epi64::<32>(sum)), _mm512_add_epi64(even, odd));
        }
        let sum = _mm512_srai_epi64::<32>(_mm512_slli_epi64::<32>(of_each(sums)));
        let all = _mm512_mullo_epi64(of_each(squares), _mm512_set1_epi64(channels as i64));
        let variance = _mm512_sub_epi64(all, _mm512_mul_epi32(sum, sum));
        let (r, k) = rsqrt(_mm512_add_epi64(variance, _mm512_set1_epi64(norm.eps as i64)));
        let k = _mm512_sub_epi64(k, _mm512_set1_epi64(norm.finer().into()));
        let mut shared = Self { channels: channels as i32, minus_sum: [0; TOKENS], r: [0; TOKENS], k: [0; TOKENS] };
        // SAFETY: each store writes the 64 bytes of an array, without alignment.
        unsafe {
            _mm512_storeu_si512(shared.minus_sum.as_mut_ptr().cast(), _mm512_sub_epi64(_mm512_setzero_si512(), sum));
            _mm512_storeu_si512(shared.r.as_mut_ptr().cast(), r);
            _mm512_storeu_si512(shared.k.as_mut_ptr().cast(), k);
        }
        shared
    }

    /// 32 normalised channels, `((C * x - sum) * r + 2^(k - 1)) >> k`, saturated to 16 bits where
    /// they are `FINE`: the even ones, the odd ones.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn normal<const FINE: bool>(&self, token: usize, x: __m512i) -> [__m512i; 2] {
        let (sum, r, k) = (_mm512_set1_epi32(self.minus_sum[token] as i32), _mm512_set1_epi32(self.r[token] as i32), self.k[token]);
        let scaled = |factor: i32| {
            let d = _mm512_dpwssd_epi32(sum, x, _mm512_set1_epi32(factor));
            let (even, odd) = (_mm512_mul_epi32(d, r), _mm512_mul_epi32(_mm512_srli_epi64::<32>(d), r));
            let values = if k > 32 {
                // The rounding term is a number of the upper half.
                let half = _mm512_set1_epi32(1i32.wrapping_shl(k as u32 - 33));
                _mm512_srav_epi32(_mm512_add_epi32(upper_halves(even, odd), half), _mm512_set1_epi32(k as i32 - 32))
            } else {
                let (half, k) = (_mm512_set1_epi64(1i64.wrapping_shl((k as u32).wrapping_sub(1))), _mm512_set1_epi64(k));
                let shift = |product| _mm512_srav_epi64(_mm512_add_epi64(product, half), k);
                _mm512_mask_shuffle_epi32::<0b10_10_00_00>(shift(even), 0xaaaa, shift(odd))
            };
            if FINE { _mm512_max_epi32(_mm512_min_epi32(values, _mm512_set1_epi32(i16::MAX.into())), _mm512_set1_epi32(i16::MIN.into())) } else { values }
        };
        [scaled(self.channels), scaled(self.channels << 16)]
    }
}

/// `(x * gain + offset + 2^(shift - 1)) >> shift` of 32 channels, the even ones and the odd ones.
struct Affine {
    /// In the lower half of each lane.
    gain: [__m512i; 2],
    /// Rounding included.
    offset: [__m512i; 2],
    shift: __m512i,
}

impl Affine {
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new(norm: &Norm<'_>, first: usize) -> Self {
        let even = _mm512_setr_epi32(0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30);
        let odd = _mm512_add_epi32(even, _mm512_set1_epi32(1));
        let split = |values: &[i32]| {
            let (low, high) = (load_i32(values, first), load_i32(values, first + BLOCK / 2));
            [_mm512_permutex2var_epi32(low, even, high), _mm512_permutex2var_epi32(low, odd, high)]
        };
        let half = _mm512_set1_epi32(1 << (norm.shift - 1));
        let ([gain_even, gain_odd], [offset_even, offset_odd]) = (split(norm.gain), split(norm.offset));
        let low = _mm512_set1_epi32(0xffff);
        Self {
            gain: [_mm512_and_si512(gain_even, low), _mm512_and_si512(gain_odd, low)],
            offset: [_mm512_add_epi32(offset_even, half), _mm512_add_epi32(offset_odd, half)],
            shift: _mm512_set1_epi32(norm.shift.into()),
        }
    }

    /// Of 32 normalised channels, saturated to 16 bits: in every quarter the even and then the odd
    /// ones of 8 channels.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn apply(&self, [even, odd]: [__m512i; 2]) -> __m512i {
        let even = _mm512_srav_epi32(_mm512_dpwssd_epi32(self.offset[0], even, self.gain[0]), self.shift);
        let odd = _mm512_srav_epi32(_mm512_dpwssd_epi32(self.offset[1], odd, self.gain[1]), self.shift);
        _mm512_packs_epi32(even, odd)
    }
}

/// Sums over the 8 lanes of each of 8 vectors.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn of_each([a, b, c, d, e, f, g, h]: [__m512i; TOKENS]) -> __m512i {
    let pairs = |a, b| _mm512_add_epi64(_mm512_unpacklo_epi64(a, b), _mm512_unpackhi_epi64(a, b));
    // Lanes of four vectors: [a b c d | a b c d], two sums of each.
    let fours = |ab, cd| {
        let low = _mm512_permutex2var_epi64(ab, _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13), cd);
        _mm512_add_epi64(low, _mm512_permutex2var_epi64(ab, _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15), cd))
    };
    let (first, second) = (fours(pairs(a, b), pairs(c, d)), fours(pairs(e, f), pairs(g, h)));
    _mm512_add_epi64(_mm512_shuffle_i64x2::<0b01_00_01_00>(first, second), _mm512_shuffle_i64x2::<0b11_10_11_10>(first, second))
}

/// [`rsqrt`](crate::math::rsqrt) of 8 numbers.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn rsqrt(variance: __m512i) -> (__m512i, __m512i) {
    let splat = |value: i64| _mm512_set1_epi64(value);
    let variance = _mm512_max_epu64(variance, splat(1));
    let zeros = _mm512_and_si512(_mm512_lzcnt_epi64(variance), splat(!1));
    let n = _mm512_sllv_epi64(variance, zeros);
    let index = _mm512_sub_epi64(_mm512_srli_epi64::<57>(n), splat(32));
    let (blocks, _) = SEED.as_chunks::<BLOCK>();
    let load = |i: usize| {
        // SAFETY: reads the 64 bytes of the reference, without alignment.
        unsafe { _mm512_loadu_si512(blocks[i].as_ptr().cast()) }
    };
    // 96 entries: 64, and those of the indices with bit 6.
    let (lower, upper) = (_mm512_permutex2var_epi16(load(0), index, load(1)), _mm512_permutexvar_epi16(index, load(2)));
    let seed = _mm512_mask_blend_epi64(_mm512_test_epi64_mask(index, splat(64)), lower, upper);
    let seed = _mm512_and_si512(seed, splat(0xffff));
    let error = _mm512_sub_epi64(splat((3u64 << 62) as i64), _mm512_mul_epu32(_mm512_srli_epi64::<32>(n), _mm512_mul_epu32(seed, seed)));
    let r = _mm512_srli_epi64::<32>(_mm512_mullo_epi64(seed, _mm512_srli_epi64::<16>(error)));
    (_mm512_min_epu64(r, splat(0x7fff_ffff)), _mm512_sub_epi64(splat(52), _mm512_srli_epi64::<1>(zeros)))
}
