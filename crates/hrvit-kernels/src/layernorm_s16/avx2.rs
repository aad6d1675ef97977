//! LayerNorm on AVX2, 16 channels of up to 8 tokens at a time; the reciprocal square root, once per
//! token, is the shared scalar one.

use core::arch::x86_64::*;

use super::{Norm, scalar};
use crate::avx2::rates::up_to;
use crate::avx2::{interleave, load16_i16};
use crate::isa::Avx2;

/// Channels of a block.
const BLOCK: usize = 16;
/// Tokens that share the loads of a block's gains and offsets.
const TOKENS: usize = 8;

/// See [`Kernels::layernorm_s8`](crate::Kernels::layernorm_s8).
pub(super) fn tokens_s8(_: Avx2, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    // SAFETY: the token proves AVX2; `x` and `out` have the same number of elements, a whole number
    // of tokens.
    unsafe {
        let store = Codes { lo: _mm_set1_epi8(lo as i8), hi: _mm_set1_epi8(hi as i8) };
        normalise(x.as_ptr(), x.len(), norm, store, out.as_mut_ptr());
    }
}

/// See [`Kernels::layernorm_s16`](crate::Kernels::layernorm_s16).
pub(super) fn tokens_s16(_: Avx2, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    // SAFETY: as for `tokens_s8`.
    unsafe { normalise(x.as_ptr(), x.len(), norm, Words, out.as_mut_ptr()) }
}

/// See [`Kernels::layernorm_s16_in_place`](crate::Kernels::layernorm_s16_in_place).
pub(super) fn tokens_s16_in_place(_: Avx2, x: &mut [i16], norm: &Norm<'_>) {
    let (len, start) = (x.len(), x.as_mut_ptr());
    // SAFETY: as for `tokens_s8`; both pointers come from the one exclusive borrow.
    unsafe { normalise(start, len, norm, Words, start) }
}

/// How 16 values of 16 bits are stored.
trait Store: Copy {
    type Out: Copy + Default;

    /// # Safety
    /// The processor has AVX2, and 16 elements may be written from `out` on.
    unsafe fn put(self, out: *mut Self::Out, words: __m256i);
}

/// `clamp(value, lo, hi)`, s8.
#[derive(Clone, Copy)]
struct Codes {
    lo: __m128i,
    hi: __m128i,
}

impl Store for Codes {
    type Out = i8;

    #[inline(always)]
    unsafe fn put(self, out: *mut i8, words: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 16 bytes.
        unsafe {
            let codes = _mm_packs_epi16(_mm256_castsi256_si128(words), _mm256_extracti128_si256::<1>(words));
            _mm_storeu_si128(out.cast(), _mm_min_epi8(_mm_max_epi8(codes, self.lo), self.hi));
        }
    }
}

/// As they are.
#[derive(Clone, Copy)]
struct Words;

impl Store for Words {
    type Out = i16;

    #[inline(always)]
    unsafe fn put(self, out: *mut i16, words: __m256i) {
        // SAFETY: the caller has AVX2 and vouches for 32 bytes.
        unsafe { _mm256_storeu_si256(out.cast(), words) }
    }
}

/// `len` elements from `x` to `out`.
///
/// # Safety
/// From `x` on `len` elements may be read, from `out` on written; `len` is a whole number of
/// tokens. The two may be the same.
#[target_feature(enable = "avx2")]
unsafe fn normalise<S: Store>(x: *const i16, len: usize, norm: &Norm<'_>, store: S, out: *mut S::Out) {
    let channels = norm.gain.len();
    let mut shared = [Shared::default(); TOKENS];
    for first_token in (0..len).step_by(TOKENS * channels) {
        let tokens = ((len - first_token) / channels).min(TOKENS);
        for (t, shared) in shared.iter_mut().enumerate().take(tokens) {
            // SAFETY: a token inside the `len` elements; nothing is written while it is borrowed.
            *shared = Shared::new(unsafe { core::slice::from_raw_parts(x.add(first_token + t * channels), channels) }, norm);
        }
        for first in (0..channels).step_by(BLOCK) {
            let affine = Affine::new(norm, first);
            let width = BLOCK.min(channels - first);
            for (t, shared) in shared.iter().enumerate().take(tokens) {
                let at = first_token + t * channels + first;
                // SAFETY: `width` elements from `at` on lie inside the `len` elements; a whole
                // block is read before it is written.
                unsafe {
                    if width == BLOCK {
                        store.put(out.add(at), affine.apply(shared.normal(_mm256_loadu_si256(x.add(at).cast()))));
                    } else {
                        let last: [i16; BLOCK] = up_to(core::slice::from_raw_parts(x.add(at), width), 0, 0);
                        let mut results = [S::Out::default(); BLOCK];
                        store.put(results.as_mut_ptr(), affine.apply(shared.normal(load16_i16(&last))));
                        core::ptr::copy_nonoverlapping(results.as_ptr(), out.add(at), width);
                    }
                }
            }
        }
    }
}

/// Statistics that the channels of one token share.
#[derive(Clone, Copy, Default)]
struct Shared {
    channels: i32,
    sum: i32,
    r: i32,
    /// `2^(62 - k)`.
    excess: i32,
    /// `2^62 + 2^(k - 1)`: the first makes the product positive, so that a logical shift is an
    /// arithmetic one; `excess` is taken away after it.
    offset: i64,
    k: i64,
}

impl Shared {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(token: &[i16], norm: &Norm<'_>) -> Self {
        let (sum, squares) = sums(token);
        let (r, k) = norm.common().reciprocal(scalar::variance(token.len(), sum, squares));
        let offset = (1 << 62) + (1 << (k - 1));
        Self { channels: token.len() as i32, sum, r: r as i32, excess: (1i64 << (62 - k)) as i32, offset, k: k.into() }
    }

    /// 16 normalised channels, saturated to 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn normal(&self, x: __m256i) -> __m256i {
        let zero = _mm256_setzero_si256();
        _mm256_packs_epi32(self.eight(_mm256_unpacklo_epi16(x, zero)), self.eight(_mm256_unpackhi_epi16(x, zero)))
    }

    /// `((C * x - sum) * r + 2^(k - 1)) >> k` of 8 values in the lower halves of their lanes.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(&self, x: __m256i) -> __m256i {
        let (r, offset, k) = (_mm256_set1_epi32(self.r), _mm256_set1_epi64x(self.offset), _mm256_set1_epi64x(self.k));
        // The upper half of x is 0: a product of 16 bits.
        let d = _mm256_sub_epi32(_mm256_madd_epi16(x, _mm256_set1_epi32(self.channels)), _mm256_set1_epi32(self.sum));
        let even = _mm256_srlv_epi64(_mm256_add_epi64(_mm256_mul_epi32(d, r), offset), k);
        let odd = _mm256_srlv_epi64(_mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(d), r), offset), k);
        let both = _mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd));
        _mm256_sub_epi32(both, _mm256_set1_epi32(self.excess))
    }
}

/// `(x * gain + offset + 2^(shift - 1)) >> shift` of 16 channels.
struct Affine {
    gain: [__m256i; 2],
    offset: [__m256i; 2],
    /// The shift less 1: `(s + 2^(t - 1)) >> t` is `((s >> (t - 1)) + 1) >> 1`, which never leaves
    /// 32 bits.
    shift: __m256i,
}

impl Affine {
    #[inline]
    #[target_feature(enable = "avx2")]
    fn new(norm: &Norm<'_>, first: usize) -> Self {
        Self {
            gain: interleave(&up_to(norm.gain, first, 0)),
            offset: interleave(&up_to(norm.offset, first, 0)),
            shift: _mm256_set1_epi32(i32::from(norm.shift) - 1),
        }
    }

    /// Of 16 normalised channels, saturated to 16 bits.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn apply(&self, words: __m256i) -> __m256i {
        let zero = _mm256_setzero_si256();
        let eight = |x, gain, offset| {
            // The upper half of x is 0; |x * gain| < 2^30 and |offset| < 2^30.
            let sum = _mm256_add_epi32(_mm256_madd_epi16(x, gain), offset);
            _mm256_srai_epi32::<1>(_mm256_add_epi32(_mm256_srav_epi32(sum, self.shift), _mm256_set1_epi32(1)))
        };
        let low = eight(_mm256_unpacklo_epi16(words, zero), self.gain[0], self.offset[0]);
        let high = eight(_mm256_unpackhi_epi16(words, zero), self.gain[1], self.offset[1]);
        _mm256_packs_epi32(low, high)
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
