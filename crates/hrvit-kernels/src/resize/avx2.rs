//! Resized rows on AVX2: two source tokens side by side, so that `vpmaddwd` weighs and adds both.

use core::arch::x86_64::*;

use super::{Rows, margin, scalar};
use crate::avx2::rates::up_to;
use crate::avx2::sink::{Add32, put};
use crate::avx2::{load16_i16, store8_i32};
use crate::isa::Avx2;
use crate::slices::rows_mut;

/// Channels of a block.
const BLOCK: usize = 16;

/// See [`Kernels::bilinear_add_s16`](crate::Kernels::bilinear_add_s16); weights beyond 16 bits are
/// left to `scalar`.
pub(super) fn bilinear_add(_: Avx2, source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    let largest = (4 * source.factor * source.factor) as i32;
    if scale.checked_mul(largest).is_none_or(|weight| i16::try_from(weight).is_err()) {
        return scalar::bilinear_add(source, columns, scale, first, acc);
    }
    // SAFETY: the token proves AVX2.
    unsafe { add_row(source, columns, scale, first, acc) }
}

/// See [`Kernels::argmax_s16`](crate::Kernels::argmax_s16).
pub(super) fn labels(_: Avx2, source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    // SAFETY: the token proves AVX2.
    unsafe { label_row::<false>(source, columns, labels, 0, &mut []) }
}

/// See [`Kernels::argmax_margin_s16`](crate::Kernels::argmax_margin_s16).
pub(super) fn margins(_: Avx2, source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    // SAFETY: the token proves AVX2.
    unsafe { label_row::<true>(source, columns, labels, shift, margins) }
}

/// The weights of two tokens in every lane.
#[inline]
#[target_feature(enable = "avx2")]
fn weights(first: i32, second: i32) -> __m256i {
    _mm256_set1_epi32((first & 0xffff) | second << 16)
}

/// Weighted sums of 16 channels from `first` on, as `[0 1 2 3 | 8 9 10 11]` and
/// `[4 5 6 7 | 12 13 14 15]`.
#[inline]
#[target_feature(enable = "avx2")]
fn mix([a, b, c, d]: [&[i16]; 4], [upper, lower]: [__m256i; 2], first: usize) -> [__m256i; 2] {
    let load = |token: &[i16]| load16_i16(&up_to(token, first, 0));
    let (a, b, c, d) = (load(a), load(b), load(c), load(d));
    let low = _mm256_madd_epi16(_mm256_unpacklo_epi16(a, b), upper);
    let high = _mm256_madd_epi16(_mm256_unpackhi_epi16(a, b), upper);
    let low = _mm256_add_epi32(low, _mm256_madd_epi16(_mm256_unpacklo_epi16(c, d), lower));
    [low, _mm256_add_epi32(high, _mm256_madd_epi16(_mm256_unpackhi_epi16(c, d), lower))]
}

#[target_feature(enable = "avx2")]
fn add_row(source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners_onwards(first + x, columns) else { continue };
        let weights = [weights(scale * wa, scale * wb), weights(scale * wc, scale * wd)];
        for (block, acc) in acc.chunks_mut(BLOCK).enumerate() {
            let [low, high] = mix([a, b, c, d], weights, block * BLOCK);
            put(Add32, acc, acc.len(), low, high);
        }
    }
}

/// The labels, and the margins where `MARGINS` says so.
#[target_feature(enable = "avx2")]
fn label_row<const MARGINS: bool>(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    let least = _mm256_set1_epi32(i32::MIN);
    let classes = _mm256_set1_epi32(source.channels as i32);
    let lanes = [_mm256_setr_epi32(0, 1, 2, 3, 8, 9, 10, 11), _mm256_setr_epi32(4, 5, 6, 7, 12, 13, 14, 15)];
    for (x, label) in labels.iter_mut().enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners_onwards(x, columns) else { continue };
        let weights = [weights(wa, wb), weights(wc, wd)];
        let mut best = [(least, _mm256_set1_epi32(i32::MAX)); 2];
        let mut seconds = [least; 2];
        for first in (0..source.channels).step_by(BLOCK) {
            let z = mix([a, b, c, d], weights, first);
            for (((best, second), z), lane) in best.iter_mut().zip(&mut seconds).zip(z).zip(lanes) {
                let class = _mm256_add_epi32(lane, _mm256_set1_epi32(first as i32));
                let z = _mm256_blendv_epi8(least, z, _mm256_cmpgt_epi32(classes, class));
                if MARGINS {
                    *second = _mm256_min_epi32(_mm256_max_epi32(z, *second), best.0);
                }
                // Greater, not equal: the lower class stays.
                let better = _mm256_cmpgt_epi32(z, best.0);
                *best = (_mm256_max_epi32(z, best.0), _mm256_blendv_epi8(best.1, class, better));
            }
        }
        *label = lowest_of_largest(best);
        if MARGINS && let Some(to) = margins.get_mut(x) {
            let [largest, second] = two_largest(best.map(|(value, _)| value), seconds);
            *to = margin(largest, second, shift);
        }
    }
}

/// The two largest of all lanes, each of which has its own two.
#[inline]
#[target_feature(enable = "avx2")]
fn two_largest([a, b]: [__m256i; 2], [second_a, second_b]: [__m256i; 2]) -> [i32; 2] {
    let both = |[a, second_a]: [__m256i; 2], [b, second_b]: [__m256i; 2]| {
        [_mm256_max_epi32(a, b), _mm256_max_epi32(_mm256_min_epi32(a, b), _mm256_max_epi32(second_a, second_b))]
    };
    let two = both([a, second_a], [b, second_b]);
    let two = both(two, two.map(|x| _mm256_permute2x128_si256::<1>(x, x)));
    let two = both(two, two.map(|x| _mm256_shuffle_epi32::<0b01_00_11_10>(x)));
    both(two, two.map(|x| _mm256_shuffle_epi32::<0b10_11_00_01>(x))).map(|x| _mm256_cvtsi256_si32(x))
}

/// The lowest class among those with the largest value.
#[inline]
#[target_feature(enable = "avx2")]
fn lowest_of_largest([a, b]: [(__m256i, __m256i); 2]) -> u8 {
    let value = _mm256_max_epi32(a.0, b.0);
    let value = _mm256_max_epi32(value, _mm256_permute2x128_si256::<1>(value, value));
    let value = _mm256_max_epi32(value, _mm256_shuffle_epi32::<0b01_00_11_10>(value));
    let value = _mm256_max_epi32(value, _mm256_shuffle_epi32::<0b10_11_00_01>(value));
    let none = _mm256_set1_epi32(i32::MAX);
    let class = |(z, class): (__m256i, __m256i)| _mm256_blendv_epi8(none, class, _mm256_cmpeq_epi32(z, value));
    let mut lanes = [0; 8];
    store8_i32(&mut lanes, _mm256_min_epi32(class(a), class(b)));
    lanes.iter().copied().fold(i32::MAX, i32::min) as u8
}
