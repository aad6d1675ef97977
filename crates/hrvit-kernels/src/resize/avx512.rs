//! Resized rows on AVX-512, 32 channels at a time: two source tokens side by side, so that `vpdpwssd` weighs and adds both.

use core::arch::x86_64::*;

use super::{Rows, avx2};
use crate::avx512::{LANES, first_lanes, load_i32};
use crate::isa::Avx512;
use crate::lanes::{rows_mut, window};

/// Channels of a block.
const BLOCK: usize = 2 * LANES;

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); weights beyond 16 bits are left to `avx2`.
pub(super) fn bilinear_add(token: Avx512, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    let largest = (4 * source.factor * source.factor) as i32;
    if scale.checked_mul(largest).is_none_or(|weight| i16::try_from(weight).is_err()) {
        return avx2::bilinear_add(token.into(), source, columns, scale, first, acc);
    }
    // SAFETY: the token proves AVX-512.
    unsafe { add_row(source, columns, scale, first, acc) }
}

#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn add_row(source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    // Four channels of each of two vectors in turn.
    let low_half = _mm512_setr_epi32(0, 1, 2, 3, 16, 17, 18, 19, 4, 5, 6, 7, 20, 21, 22, 23);
    let high_half = _mm512_add_epi32(low_half, _mm512_set1_epi32(8));
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners_onwards(first + x, columns) else { continue };
        let pair = |first: i32, second: i32| _mm512_set1_epi32(((scale * first) & 0xffff) | (scale * second) << 16);
        let (upper, lower) = (pair(wa, wb), pair(wc, wd));
        for (block, acc) in acc.chunks_mut(BLOCK).enumerate() {
            let at = block * BLOCK;
            let (a, b, c, d) = (load_32(a, at), load_32(b, at), load_32(c, at), load_32(d, at));
            let even = _mm512_dpwssd_epi32(_mm512_madd_epi16(_mm512_unpacklo_epi16(a, b), upper), _mm512_unpacklo_epi16(c, d), lower);
            let odd = _mm512_dpwssd_epi32(_mm512_madd_epi16(_mm512_unpackhi_epi16(a, b), upper), _mm512_unpackhi_epi16(c, d), lower);
            for (half, order) in acc.chunks_mut(LANES).zip([low_half, high_half]) {
                let sum = _mm512_add_epi32(load_i32(half, 0), _mm512_permutex2var_epi32(even, order, odd));
                // SAFETY: the mask has only elements of the half.
                unsafe { _mm512_mask_storeu_epi32(half.as_mut_ptr(), first_lanes(half.len()), sum) };
            }
        }
    }
}

/// The 32 values from `first` on, 0 beyond the end.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn load_32(values: &[i16], first: usize) -> __m512i {
    if let Some(values) = window::<i16, BLOCK>(values, first) {
        // SAFETY: reads the 64 bytes of the reference, without alignment.
        return unsafe { _mm512_loadu_epi16(values.as_ptr()) };
    }
    let left = values.len().saturating_sub(first);
    // SAFETY: the mask has only values of the slice: fewer than 32.
    unsafe { _mm512_maskz_loadu_epi16((1 << left) - 1, values.as_ptr().wrapping_add(first)) }
}
