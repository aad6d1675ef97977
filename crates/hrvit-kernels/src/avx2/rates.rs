//! The rounding rule on the sums of AVX2's tiles: `((acc << pre) * mult + 2^(shift - 1)) >> shift`
//! for 8 channels at once, exact for every shift in 32..=63.
//!
//! AVX2 multiplies the even 32-bit lanes to 64 bits, and has no arithmetic shift of 64 bits. With
//! shifts of 32 or more, the upper half of the product is shifted.

use core::arch::x86_64::*;

use super::{load8, load8_i32};
use crate::requant::Requant;
use crate::slices::window;

/// Multipliers and shifts of 8 channels: 0 to 3 in the even lanes of one vector, 4 to 7 in those of
/// another; results are `[0 1 4 5 | 2 3 6 7]`.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    low: __m256i,
    high: __m256i,
    half_low: __m256i,
    half_high: __m256i,
    shift: __m256i,
    pre_shift: __m128i,
    shifted: bool,
}

impl Rates {
    /// Rates of the channels from `first` on; channels beyond the last get harmless ones.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(requant: Requant<'_>, first: usize) -> Self {
        let (mult, shift) = (up_to(requant.mult, first, 0), up_to(requant.shift, first, 32).map(|shift| shift as i8));
        let (mult, shift) = (load8_i32(&mult), _mm256_cvtepu8_epi32(load8(&shift)));
        let one = _mm256_set1_epi64x(1);
        let split = |x: __m256i| (_mm256_cvtepu32_epi64(_mm256_castsi256_si128(x)), _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(x)));
        let half = |shift: __m256i| _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
        let ((low, high), (shift_low, shift_high)) = (split(mult), split(shift));
        Self {
            low,
            high,
            half_low: half(shift_low),
            half_high: half(shift_high),
            shift: _mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_sub_epi32(shift, _mm256_set1_epi32(32))),
            pre_shift: _mm_cvtsi32_si128(requant.pre_shift.into()),
            shifted: requant.pre_shift != 0,
        }
    }

    /// 8 accumulators, each still two partial sums in neighbouring lanes: of channels 0 to 3, and 4
    /// to 7.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn of_pairs(&self, low: __m256i, high: __m256i) -> __m256i {
        let (low, high) = (_mm256_add_epi32(low, _mm256_srli_epi64::<32>(low)), _mm256_add_epi32(high, _mm256_srli_epi64::<32>(high)));
        if self.shifted { self.halves(_mm256_sll_epi32(low, self.pre_shift), _mm256_sll_epi32(high, self.pre_shift)) } else { self.halves(low, high) }
    }

    /// 8 accumulators as `[0 4 1 5 | 2 6 3 7]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn of_interleaved(&self, acc: __m256i) -> __m256i {
        let acc = if self.shifted { _mm256_sll_epi32(acc, self.pre_shift) } else { acc };
        self.halves(acc, _mm256_srli_epi64::<32>(acc))
    }

    /// 8 accumulators, 4 in the even lanes of each.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn halves(&self, low: __m256i, high: __m256i) -> __m256i {
        let low = _mm256_add_epi64(_mm256_mul_epi32(low, self.low), self.half_low);
        let high = _mm256_add_epi64(_mm256_mul_epi32(high, self.high), self.half_high);
        let upper = _mm256_shuffle_ps::<0b11_01_11_01>(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        _mm256_srav_epi32(_mm256_castps_si256(upper), self.shift)
    }
}

/// The `N` elements from `first` on, `otherwise` beyond the end.
#[inline(always)]
pub(crate) fn up_to<T: Copy, const N: usize>(slice: &[T], first: usize, otherwise: T) -> [T; N] {
    if let Some(window) = window(slice, first) {
        return *window;
    }
    let mut all = [otherwise; N];
    all.iter_mut().zip(slice.iter().skip(first)).for_each(|(to, from)| *to = *from);
    all
}
