//! The rounding rule on vectors: `((acc << pre) * mult + 2^(shift - 1)) >> shift` for 8
//! accumulators at once, exact for every shift in 32..=63.
//!
//! AVX2 multiplies the even 32-bit lanes to 64 bits, and has no arithmetic shift of 64 bits. With
//! shifts of 32 or more, the upper half of the product is shifted.

use core::arch::x86_64::*;

use super::{interleave, load8, load8_i32};
use crate::requant::{Requant, TensorRequant};
use crate::slices::window;

/// Multipliers and shifts of 8 accumulators.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    even: __m256i,
    odd: __m256i,
    half_even: __m256i,
    half_odd: __m256i,
    shift: __m256i,
    pre_shift: __m128i,
    shifted: bool,
}

/// Which channel each lane holds.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// Channels 0 to 7.
    Natural,
    /// Channels 0 to 3 in the even lanes of one vector, 4 to 7 in those of another; results
    /// `[0 1 4 5 | 2 3 6 7]`: see [`Rates::of_pairs`].
    Pairs,
}

impl Rates {
    /// Rates of the channels from `first` on; channels beyond the last get harmless ones.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn new(requant: Requant<'_>, first: usize, order: Order) -> Self {
        let (mult, shift) = (up_to(requant.mult, first, 0), up_to(requant.shift, first, 32).map(|shift| shift as i8));
        Self::of(load8_i32(&mult), _mm256_cvtepu8_epi32(load8(&shift)), requant.pre_shift, order)
    }

    /// Rates of 16 channels from `first` on, as [`Sink::sixteen`](super::sink::Sink::sixteen) takes
    /// them: `[0 1 2 3 | 8 9 10 11]` and `[4 5 6 7 | 12 13 14 15]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn sixteen(requant: Requant<'_>, first: usize) -> [Self; 2] {
        let (mult, shift) = (up_to(requant.mult, first, 0), up_to(requant.shift, first, 32));
        let mult = interleave(&mult);
        let shift = interleave(&shift.map(i32::from));
        [0, 1].map(|half| Self::of(mult[half], shift[half], requant.pre_shift, Order::Natural))
    }

    /// The same for all channels.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn splat(scalar: TensorRequant) -> Self {
        Self::of(_mm256_set1_epi32(scalar.mult), _mm256_set1_epi32(scalar.shift.into()), scalar.pre_shift, Order::Natural)
    }

    /// From multipliers and shifts of channels 0 to 7.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn of(mult: __m256i, shift: __m256i, pre_shift: u8, order: Order) -> Self {
        let one = _mm256_set1_epi64x(1);
        let low = _mm256_set1_epi64x(0xffff_ffff);
        let by_32 = _mm256_sub_epi32(shift, _mm256_set1_epi32(32));
        let split = |x: __m256i| match order {
            Order::Natural => (_mm256_and_si256(x, low), _mm256_srli_epi64::<32>(x)),
            Order::Pairs => (_mm256_cvtepu32_epi64(_mm256_castsi256_si128(x)), _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(x))),
        };
        let half = |shift: __m256i| _mm256_sllv_epi64(one, _mm256_sub_epi64(shift, one));
        let ((even, odd), (shift_even, shift_odd)) = (split(mult), split(shift));
        let shift = match order {
            Order::Natural => by_32,
            Order::Pairs => _mm256_permute4x64_epi64::<0b11_01_10_00>(by_32),
        };
        let pre_shift_vector = _mm_cvtsi32_si128(pre_shift.into());
        Self { even, odd, half_even: half(shift_even), half_odd: half(shift_odd), shift, pre_shift: pre_shift_vector, shifted: pre_shift != 0 }
    }

    /// 8 accumulators in [`Order::Natural`].
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn apply(&self, acc: __m256i) -> __m256i {
        let acc = if self.shifted { _mm256_sll_epi32(acc, self.pre_shift) } else { acc };
        let even = _mm256_add_epi64(_mm256_mul_epi32(acc, self.even), self.half_even);
        let odd = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), self.odd), self.half_odd);
        let high = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        _mm256_srav_epi32(high, self.shift)
    }

    /// 8 accumulators in [`Order::Pairs`], each still two partial sums in neighbouring lanes: of
    /// channels 0 to 3, and 4 to 7. Results are `[0 1 4 5 | 2 3 6 7]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn of_pairs(&self, low: __m256i, high: __m256i) -> __m256i {
        let (low, high) = (_mm256_add_epi32(low, _mm256_srli_epi64::<32>(low)), _mm256_add_epi32(high, _mm256_srli_epi64::<32>(high)));
        let (low, high) = if self.shifted { (_mm256_sll_epi32(low, self.pre_shift), _mm256_sll_epi32(high, self.pre_shift)) } else { (low, high) };
        let low = _mm256_add_epi64(_mm256_mul_epi32(low, self.even), self.half_even);
        let high = _mm256_add_epi64(_mm256_mul_epi32(high, self.odd), self.half_odd);
        let upper = _mm256_shuffle_ps::<0b11_01_11_01>(_mm256_castsi256_ps(low), _mm256_castsi256_ps(high));
        _mm256_srav_epi32(_mm256_castps_si256(upper), self.shift)
    }

    /// 8 accumulators as `[0 4 1 5 | 2 6 3 7]`, with rates in [`Order::Pairs`]. Results are
    /// `[0 1 4 5 | 2 3 6 7]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub(crate) fn of_interleaved(&self, acc: __m256i) -> __m256i {
        let acc = if self.shifted { _mm256_sll_epi32(acc, self.pre_shift) } else { acc };
        let low = _mm256_add_epi64(_mm256_mul_epi32(acc, self.even), self.half_even);
        let high = _mm256_add_epi64(_mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), self.odd), self.half_odd);
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
