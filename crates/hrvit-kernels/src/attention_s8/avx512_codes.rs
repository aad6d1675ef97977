//! Codes of the attention on AVX-512: `(exp[t & 63] + 2^(n - 1)) >> n`, `n = (t >> 6) + 15 - bits`,
//! 32 keys at a time.
//!
//! The table holds `2 exp`: `(2 exp >> n) + 1`, halved, is the code for every n, and from n = 16 on
//! `vpsrlvw` gives 0.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::Strip;
use super::avx2::MIN_SHIFT;
use crate::avx512::LANES;
use crate::avx512::rates::upper_halves;

/// Keys that are computed at a time: two vectors of logits, one of codes.
pub(super) const KEYS: usize = 2 * LANES;

/// Distances to codes. The shift of the distances is above 32: their rounding term is a number of
/// the product's upper half.
pub(super) struct Exponent {
    mult: __m512i,
    half: __m512i,
    shift: __m512i,
    /// Twice the entries.
    entries: [__m512i; 2],
    /// `15 - bits`.
    least: __m512i,
}

impl Exponent {
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(super) fn new(args: &Strip<'_>) -> Self {
        let mut doubled = [[0u16; 32]; 2];
        doubled.as_flattened_mut().iter_mut().zip(args.exp).for_each(|(to, from)| *to = 2 * from);
        // SAFETY: each load reads the 64 bytes of a reference, without alignment.
        let entries = unsafe { [_mm512_loadu_si512(doubled[0].as_ptr().cast()), _mm512_loadu_si512(doubled[1].as_ptr().cast())] };
        Self {
            mult: _mm512_set1_epi32(args.mult),
            half: _mm512_set1_epi32(1i32.wrapping_shl(u32::from(args.shift - MIN_SHIFT))),
            shift: _mm512_set1_epi32(i32::from(args.shift) - 32),
            entries,
            least: _mm512_set1_epi16(15 - i16::from(args.bits)),
        }
    }

    /// Codes of one query from its logits, zero beyond `keys`, those of `STEP` keys in each element
    /// (2 or, of 8 bits, 4); returns their sums, lane by lane.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(super) fn codes<const STEP: usize>(&self, logits: &[__m512i], maximum: i32, keys: usize, codes: &mut [MaybeUninit<i32>]) -> __m512i {
        let (maximum, one) = (_mm512_set1_epi32(maximum), _mm512_set1_epi16(1));
        let mut sum = _mm512_setzero_si512();
        let mut left = keys;
        for ([first, second], out) in logits.as_chunks::<2>().0.iter().zip(codes.chunks_exact_mut(KEYS / STEP)) {
            let t = _mm512_packs_epi32(self.distances(_mm512_sub_epi32(maximum, *first)), self.distances(_mm512_sub_epi32(maximum, *second)));
            let entry = _mm512_permutex2var_epi16(self.entries[0], t, self.entries[1]);
            let n = _mm512_add_epi16(_mm512_srli_epi16::<6>(t), self.least);
            let mut codes = _mm512_avg_epu16(_mm512_srlv_epi16(entry, n), _mm512_setzero_si512());
            if left < KEYS {
                codes = _mm512_maskz_mov_epi16((1 << left) - 1, codes);
            }
            left = left.saturating_sub(KEYS);
            sum = _mm512_dpwssd_epi32(sum, codes, one);
            // SAFETY: each store writes the `KEYS / STEP` elements of `out`, without alignment.
            unsafe {
                if STEP == 4 {
                    _mm256_storeu_si256(out.as_mut_ptr().cast(), _mm512_cvtepi16_epi8(codes));
                } else {
                    _mm512_storeu_si512(out.as_mut_ptr().cast(), codes);
                }
            }
        }
        sum
    }

    /// `t` of 16 logits below the maximum.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn distances(&self, below: __m512i) -> __m512i {
        let even = _mm512_mul_epi32(below, self.mult);
        let odd = _mm512_mul_epi32(_mm512_srli_epi64::<32>(below), self.mult);
        _mm512_srav_epi32(_mm512_add_epi32(upper_halves(even, odd), self.half), self.shift)
    }
}
