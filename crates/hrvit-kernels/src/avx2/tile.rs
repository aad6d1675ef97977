//! The inner product of all products: 4 rows of 16-bit values with one block of 8 channels in
//! [`Packing::K4`](crate::packing::Packing::K4).
//!
//! Weights are widened to 16 bits as they are read. A vector holds 4 channels of 4 weights.
//! `vpmaddwd` makes two partial sums per channel, exact in 32 bits.
//! [`Rates::of_pairs`](super::rates::Rates::of_pairs) adds the two.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{load16, load16_i16};
use crate::slices::window;

/// Rows of a tile.
pub(crate) const ROWS: usize = 4;

/// 8 channels of 4 weights.
pub(crate) type Group = [[i8; 16]; 2];

/// Partial sums of one row: channels 0 to 3, and 4 to 7, two neighbouring lanes each.
pub(crate) type Sums = [__m256i; 2];

/// Adds the products of 4 rows with a block of weights to `start`, over the shortest of them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn multiply(a: [&[[i16; 4]]; ROWS], weights: &[Group], start: Sums) -> [Sums; ROWS] {
    let [a0, a1, a2, a3] = a;
    let mut acc = [start; ROWS];
    for ((w, (a0, a1)), (a2, a3)) in weights.iter().zip(a0.iter().zip(a1)).zip(a2.iter().zip(a3)) {
        let w = [_mm256_cvtepi8_epi16(load16(&w[0])), _mm256_cvtepi8_epi16(load16(&w[1]))];
        for (acc, a) in acc.iter_mut().zip([a0, a1, a2, a3]) {
            let a = four(a);
            acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(a, w[0]));
            acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(a, w[1]));
        }
    }
    acc
}

/// 8 channels of two 16-bit weights.
pub(crate) type Step = [i16; 16];

/// The weights of a block as steps, channels as `[0 4 1 5 | 2 6 3 7]`: what
/// [`Rates::of_interleaved`](super::rates::Rates::of_interleaved) takes. `steps` holds two for each
/// group.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn widen_block<'s>(groups: &[Group], steps: &'s mut [MaybeUninit<Step>]) -> &'s [Step] {
    let steps = steps.get_mut(..2 * groups.len()).unwrap_or_default();
    for (group, steps) in groups.iter().zip(steps.as_chunks_mut::<2>().0) {
        // 4 channels each, two pairs of weights side by side.
        let (low, high) = (_mm256_cvtepi8_epi16(load16(&group[0])), _mm256_cvtepi8_epi16(load16(&group[1])));
        let first = _mm256_blend_epi32::<0b1010_1010>(low, _mm256_slli_epi64::<32>(high));
        let second = _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(low), high);
        for (step, weights) in steps.iter_mut().zip([first, second]) {
            // SAFETY: a step is 32 bytes; the store needs no alignment.
            unsafe { _mm256_storeu_si256(step.as_mut_ptr().cast(), weights) };
        }
    }
    // SAFETY: the loop above has written them all.
    unsafe { steps.assume_init_ref() }
}

/// Adds the products of 4 rows with `N` blocks of weights of 16 bits to `start`, over the shortest
/// of them. Channels stay in the lanes that the weights give them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn multiply_wide<const N: usize>(a: [&[[i16; 2]]; ROWS], weights: [&[Step]; N], start: [__m256i; N]) -> [[__m256i; N]; ROWS] {
    let shortest = a.iter().map(|a| a.len()).chain(weights.iter().map(|weights| weights.len())).min().unwrap_or(0);
    let mut acc = [start; ROWS];
    let step = |acc: &mut [[__m256i; N]; ROWS], i: usize| {
        // SAFETY: `i` is below the length of all of them.
        let w = weights.map(|weights| load16_i16(unsafe { weights.get_unchecked(i) }));
        for (acc, a) in acc.iter_mut().zip(a) {
            // SAFETY: `i` is below the length of all of them.
            let a = two(unsafe { a.get_unchecked(i) });
            for (acc, w) in acc.iter_mut().zip(w) {
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(a, w));
            }
        }
    };
    for i in (0..shortest & !1).step_by(2) {
        step(&mut acc, i);
        step(&mut acc, i + 1);
    }
    if shortest % 2 == 1 {
        step(&mut acc, shortest - 1);
    }
    acc
}

/// 2 values, repeated 8 times.
#[inline]
#[target_feature(enable = "avx2")]
fn two(a: &[i16; 2]) -> __m256i {
    // SAFETY: reads the 4 bytes of the reference, without alignment.
    _mm256_set1_epi32(unsafe { a.as_ptr().cast::<i32>().read_unaligned() })
}

/// 4 values, repeated 4 times.
#[inline]
#[target_feature(enable = "avx2")]
fn four(a: &[i16; 4]) -> __m256i {
    // SAFETY: reads the 8 bytes of the reference, without alignment.
    _mm256_set1_epi64x(unsafe { a.as_ptr().cast::<i64>().read_unaligned() })
}

/// Writes `codes` as 16-bit values into `wide`, which is longer by less than a group of 4, and
/// zeros behind them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) fn widen(codes: &[i8], wide: &mut [MaybeUninit<i16>]) {
    let (blocks, tail) = codes.as_chunks::<16>();
    for (codes, wide) in blocks.iter().zip(wide.as_chunks_mut::<16>().0) {
        store_wide(wide, codes);
    }
    let Some((wide, padding)) = wide.split_at_mut_checked(codes.len()) else { return };
    padding.fill(MaybeUninit::new(0));
    match (tail.is_empty(), codes.last_chunk::<16>(), wide.last_chunk_mut::<16>()) {
        (true, ..) => {}
        // The last 16 overlap the blocks.
        (false, Some(codes), Some(wide)) => store_wide(wide, codes),
        _ => wide.iter_mut().zip(codes).for_each(|(to, from)| *to = MaybeUninit::new((*from).into())),
    }
}

/// Widens 16 codes.
#[inline]
#[target_feature(enable = "avx2")]
fn store_wide(wide: &mut [MaybeUninit<i16>; 16], codes: &[i8; 16]) {
    // SAFETY: writes the 32 bytes of the array, without alignment.
    unsafe { _mm256_storeu_si256(wide.as_mut_ptr().cast(), _mm256_cvtepi8_epi16(load16(codes))) }
}

/// Brings 8 channels, row by row, into groups; what is missing is 0.
#[inline(always)]
pub(crate) fn pack<'g>(channels: [&[i8]; 8], groups: &'g mut [MaybeUninit<Group>]) -> &'g [Group] {
    for (g, group) in groups.iter_mut().enumerate() {
        let [c0, c1, c2, c3, c4, c5, c6, c7] = channels.map(|row| four_weights(row, 4 * g));
        group.write([sixteen([c0, c1, c2, c3]), sixteen([c4, c5, c6, c7])]);
    }
    // SAFETY: the loop above has written every group.
    unsafe { groups.assume_init_ref() }
}

/// Four times four bytes.
#[inline(always)]
fn sixteen(fours: [[i8; 4]; 4]) -> [i8; 16] {
    let mut all = [0; 16];
    all.as_chunks_mut::<4>().0.iter_mut().zip(fours).for_each(|(to, from)| *to = from);
    all
}

/// The weights from `first` on, zeros beyond the end.
#[inline(always)]
fn four_weights(row: &[i8], first: usize) -> [i8; 4] {
    if let Some(four) = window(row, first) {
        return *four;
    }
    let mut four = [0; 4];
    four.iter_mut().zip(row.iter().skip(first)).for_each(|(to, from)| *to = *from);
    four
}
