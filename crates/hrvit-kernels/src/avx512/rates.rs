//! The rounding rule on vectors: `((acc << pre) * mult + 2^(shift - 1)) >> shift` for 16
//! accumulators at once, exact for every shift in 32..=63.
//!
//! `vpmuldq` multiplies the even 32-bit lanes to 64 bits. With shifts of 32 or more only the upper
//! halves of the products count, and those of all lanes fit one vector.

use core::arch::x86_64::*;

use super::{load_i8, load_i32};
use crate::requant::{Requant, TensorRequant};

/// Multipliers and shifts of 16 accumulators.
#[derive(Clone, Copy)]
pub(crate) struct Rates {
    mult: __m512i,
    mult_odd: __m512i,
    half_even: __m512i,
    half_odd: __m512i,
    /// The shift less 32.
    shift: __m512i,
    pre_shift: __m128i,
    shifted: bool,
}

impl Rates {
    /// Rates of the channels from `first` on; channels beyond the last get harmless ones.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn new(requant: Requant<'_>, first: usize) -> Self {
        let shift = requant.shift.get(first..).unwrap_or_default();
        // SAFETY: a byte is a byte.
        let shift = unsafe { core::slice::from_raw_parts(shift.as_ptr().cast::<i8>(), shift.len()) };
        Self::of(load_i32(requant.mult, first), _mm512_cvtepu8_epi32(load_i8(shift, 0)), requant.pre_shift)
    }

    /// The same for all channels.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn splat(scalar: TensorRequant) -> Self {
        Self::of(_mm512_set1_epi32(scalar.mult), _mm512_set1_epi32(scalar.shift.into()), scalar.pre_shift)
    }

    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn of(mult: __m512i, shift: __m512i, pre_shift: u8) -> Self {
        let one = _mm512_set1_epi64(1);
        let half = |shift: __m512i| _mm512_sllv_epi64(one, _mm512_sub_epi64(shift, one));
        Self {
            mult,
            mult_odd: _mm512_srli_epi64::<32>(mult),
            half_even: half(_mm512_and_si512(shift, _mm512_set1_epi64(0xffff_ffff))),
            half_odd: half(_mm512_srli_epi64::<32>(shift)),
            shift: _mm512_sub_epi32(shift, _mm512_set1_epi32(32)),
            pre_shift: _mm_cvtsi32_si128(pre_shift.into()),
            shifted: pre_shift != 0,
        }
    }

    /// 16 accumulators.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn apply(&self, acc: __m512i) -> __m512i {
        let acc = if self.shifted { _mm512_sll_epi32(acc, self.pre_shift) } else { acc };
        let even = _mm512_add_epi64(_mm512_mul_epi32(acc, self.mult), self.half_even);
        let odd = _mm512_add_epi64(_mm512_mul_epi32(_mm512_srli_epi64::<32>(acc), self.mult_odd), self.half_odd);
        _mm512_srav_epi32(upper_halves(even, odd), self.shift)
    }

    /// Four times 16 accumulators.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    pub(crate) fn four(&self, [a, b, c, d]: [__m512i; 4]) -> [__m512i; 4] {
        [self.apply(a), self.apply(b), self.apply(c), self.apply(d)]
    }
}

/// The upper halves of the 64-bit lanes of two vectors, in turn.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
pub(crate) fn upper_halves(even: __m512i, odd: __m512i) -> __m512i {
    _mm512_mask_shuffle_epi32::<0b11_11_01_01>(odd, 0x5555, even)
}
