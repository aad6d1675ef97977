//! Resized rows on AVX-512. Sums take 32 channels at a time: two source tokens side by side, so
//! that `vpdpwssd` weighs and adds both. Labels take 16 source columns at a time, one in each lane.
//! Each column makes the four output columns up to the next one's middle. No lane has to be
//! compared with another.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Rows, avx2};
use crate::avx512::{LANES, first_lanes, load_i16, load_i32};
use crate::isa::Avx512;
use crate::slices::{rows_mut, window};

/// Channels of a block.
const BLOCK: usize = 2 * LANES;
/// Factor of the labels that are computed here.
const FACTOR: usize = 4;
/// Most classes, by the entry's checks.
const MAX_CLASSES: usize = 256;

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); weights beyond 16 bits are
/// left to `avx2`.
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

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16); other factors than 4 are left to
/// `avx2`.
pub(super) fn labels(token: Avx512, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    if source.factor != FACTOR || source.channels > MAX_CLASSES || columns == 0 {
        return avx2::labels(token.into(), source, columns, labels);
    }
    // SAFETY: the token proves AVX-512.
    unsafe { label_row::<false>(source, columns, labels, 0, &mut []) }
}

/// See [`Kernels::argmax_margin_s16`](crate::Kernels::argmax_margin_s16); other factors than 4 are
/// left to `avx2`.
pub(super) fn margins(token: Avx512, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    if source.factor != FACTOR || source.channels > MAX_CLASSES || columns == 0 || margins.len() != labels.len() {
        return avx2::margins(token.into(), source, columns, labels, shift, margins);
    }
    // SAFETY: the token proves AVX-512; there are as many margins as labels.
    unsafe { label_row::<true>(source, columns, labels, shift, margins) }
}

/// Lane `l` of the row stands for the output columns from `4 l - 2` on. They lie between the
/// middles of source columns `l - 1` and `l`. Source columns at the edges are repeated. The labels,
/// and the margins where `MARGINS` says so.
///
/// # Safety
/// The processor has AVX-512; with `MARGINS`, `margins` is as long as `labels`.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn label_row<const MARGINS: bool>(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    let classes = source.channels;
    let stride = classes.next_multiple_of(LANES);
    let mut mixed = [MaybeUninit::<i32>::uninit(); (LANES + 1) * MAX_CLASSES];
    let lanes = _mm512_mullo_epi32(_mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15), _mm512_set1_epi32(stride as i32));
    for first in (0..=columns).step_by(LANES) {
        for (i, mixed) in rows_mut(&mut mixed, stride).enumerate().take(LANES + 1) {
            mix(source, (first + i).saturating_sub(1).min(columns - 1), mixed);
        }
        let mut best = [(_mm512_set1_epi32(i32::MIN), _mm512_setzero_si512()); FACTOR];
        let mut seconds = [_mm512_set1_epi32(i32::MIN); FACTOR];
        for class in 0..classes {
            // SAFETY: 17 columns of `stride` classes have been written, of which the lanes read
            // column l, and column l + 1.
            let (near, far) = unsafe {
                let start = mixed.as_ptr().add(class).cast::<i32>();
                (_mm512_i32gather_epi32::<4>(lanes, start), _mm512_i32gather_epi32::<4>(lanes, start.add(stride)))
            };
            let way = _mm512_sub_epi32(far, near);
            let (mut z, step) = (_mm512_add_epi32(_mm512_slli_epi32::<3>(near), way), _mm512_slli_epi32::<1>(way));
            for ((best, label), second) in best.iter_mut().zip(&mut seconds) {
                if MARGINS {
                    *second = _mm512_min_epi32(_mm512_max_epi32(z, *second), *best);
                }
                // Greater, not equal: the lower class stays.
                let better = _mm512_cmpgt_epi32_mask(z, *best);
                (*best, *label) = (_mm512_max_epi32(z, *best), _mm512_mask_mov_epi32(*label, better, _mm512_set1_epi32(class as i32)));
                z = _mm512_add_epi32(z, step);
            }
        }
        let four = side_by_side(best.map(|(_, label)| label));
        // The first lane of all starts two columns before the row.
        let before = if first == 0 { FACTOR / 2 } else { 0 };
        let end = (labels.len() + FACTOR / 2 - FACTOR * first).min(FACTOR * LANES);
        let inside = (!0u64 << before) & (!0u64 >> (64 - end));
        // SAFETY: the mask has only labels of the row.
        unsafe { _mm512_mask_storeu_epi8(labels.as_mut_ptr().wrapping_add(FACTOR * first).wrapping_sub(FACTOR / 2).cast(), inside, four) };
        if MARGINS {
            let mut codes = seconds;
            for (code, (largest, _)) in codes.iter_mut().zip(best) {
                let difference = _mm512_srl_epi32(_mm512_sub_epi32(largest, *code), _mm_cvtsi32_si128(shift as i32));
                *code = _mm512_min_epu32(difference, _mm512_set1_epi32(u8::MAX.into()));
            }
            // SAFETY: as above, of which there are as many.
            unsafe { _mm512_mask_storeu_epi8(margins.as_mut_ptr().wrapping_add(FACTOR * first).wrapping_sub(FACTOR / 2).cast(), inside, side_by_side(codes)) };
        }
    }
}

/// The bytes of four vectors of numbers below 256, one of each in turn.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn side_by_side([a, b, c, d]: [__m512i; FACTOR]) -> __m512i {
    let ab = _mm512_or_si512(a, _mm512_slli_epi32::<8>(b));
    _mm512_or_si512(ab, _mm512_or_si512(_mm512_slli_epi32::<16>(c), _mm512_slli_epi32::<24>(d)))
}

/// Both rows' classes of one source column, weighed and added; a multiple of 16 classes, anything
/// beyond the last.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn mix(source: &Rows<'_>, column: usize, out: &mut [MaybeUninit<i32>]) {
    let weights = _mm512_set1_epi32((source.upper_weight & 0xffff) | source.lower_weight << 16);
    for (block, out) in out.as_chunks_mut::<LANES>().0.iter_mut().enumerate() {
        let at = column * source.channels + block * LANES;
        let (upper, lower) = (_mm512_cvtepi16_epi32(load_i16(source.upper, at)), _mm512_cvtepi16_epi32(load_i16(source.lower, at)));
        let both = _mm512_mask_blend_epi16(0xaaaa_aaaa, upper, _mm512_slli_epi32::<16>(lower));
        // SAFETY: writes the 64 bytes of the array, without alignment.
        unsafe { _mm512_storeu_epi32(out.as_mut_ptr().cast(), _mm512_madd_epi16(both, weights)) };
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
