//! The sums on AVX2. Sums over rows, and sums of 32 bits, are the definition compiled for it. Sums
//! of 16 bits along a line are made 8 samples and 8 cells at a time.

use core::arch::x86_64::*;

use super::{Cells, WeightedRows, scalar};
use crate::avx2::compiled;
use crate::isa::Avx2;

/// Samples or cells of a block.
const BLOCK: usize = 8;

compiled! {
    sum_rows_u16(rows: &WeightedRows<'_>, out: &mut [u16]);
    sum_rows_u32(rows: &WeightedRows<'_>, out: &mut [u32]);
    sum_rows_565_u16(rows: &WeightedRows<'_>, out: &mut [u16]);
    sum_rows_565_u32(rows: &WeightedRows<'_>, out: &mut [u32]);
    area_means_u32(line: &[u32], cells: &Cells, sums: &mut [u32], out: &mut [u16]);
}

/// See [`Kernels::area_means_u16`](crate::Kernels::area_means_u16).
pub(super) fn area_means_u16(_: Avx2, line: &[u16], cells: &Cells, sums: &mut [u32], out: &mut [u16]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match cells.step {
            1 => sum_up::<1>(line, sums),
            2 => sum_up::<2>(line, sums),
            4 => sum_up::<4>(line, sums),
            step => scalar::sum_up_by(line, step, 0, 0, sums),
        }
        means(cells, sums, out);
    }
}

/// The sum of all samples in front of each.
#[target_feature(enable = "avx2")]
fn sum_up<const STEP: usize>(line: &[u16], sums: &mut [u32]) {
    // A block of samples has so many values; the last sample may have fewer behind it.
    let blocks = (line.len() / (STEP * BLOCK)).min(sums.len() / BLOCK);
    let low = _mm256_set1_epi32(0xffff);
    let mut carry = _mm256_setzero_si256();
    for at in 0..blocks {
        // SAFETY: a block of `STEP * BLOCK` values, of which there are `blocks` in `line`: with 1,
        // 2 and 4 values a sample 16, 32 and 64 bytes are read.
        let values = unsafe {
            let from = line.as_ptr().add(at * STEP * BLOCK);
            match STEP {
                1 => _mm256_cvtepu16_epi32(_mm_loadu_si128(from.cast())),
                2 => _mm256_and_si256(_mm256_loadu_si256(from.cast()), low),
                _ => {
                    let (first, second) = (_mm256_loadu_si256(from.cast()), _mm256_loadu_si256(from.add(16).cast()));
                    // The lower half of each 64 bits, in order.
                    let halves = _mm256_shuffle_ps::<0b10_00_10_00>(_mm256_castsi256_ps(first), _mm256_castsi256_ps(second));
                    _mm256_and_si256(_mm256_permute4x64_epi64::<0b11_01_10_00>(_mm256_castps_si256(halves)), low)
                }
            }
        };
        let pairs = _mm256_add_epi32(values, _mm256_slli_si256::<4>(values));
        let fours = _mm256_add_epi32(pairs, _mm256_slli_si256::<8>(pairs));
        // The lower half's total for the upper half.
        let total = _mm256_shuffle_epi32::<0xff>(_mm256_permute2x128_si256::<0x08>(fours, fours));
        let all = _mm256_add_epi32(_mm256_add_epi32(fours, total), carry);
        // SAFETY: a block of 8 sums, of which there are `blocks` in `sums`.
        unsafe { _mm256_storeu_si256(sums.as_mut_ptr().add(at * BLOCK).cast(), _mm256_sub_epi32(all, values)) };
        carry = _mm256_permutevar8x32_epi32(all, _mm256_set1_epi32(7));
    }
    let sum = _mm256_cvtsi256_si32(carry) as u32;
    scalar::sum_up_by(line, STEP, blocks * BLOCK, sum, sums);
}

/// The means of all cells.
#[target_feature(enable = "avx2")]
fn means(cells: &Cells, sums: &[u32], out: &mut [u16]) {
    let Cells { whole, part, step_whole, step_part, reciprocal, shift, .. } = *cells;
    let mut blocks = out.len() / BLOCK;
    // End of the last cell of the blocks; samples go from one cell to the next upwards, so that
    // none lies behind it.
    let step = u64::from(whole).saturating_mul(step_whole as u64).saturating_add(u64::from(step_part));
    let end = (blocks as u64 * BLOCK as u64).saturating_mul(step).saturating_add(u64::from(part)) / u64::from(whole.max(1));
    // Indices of gathers have 31 bits.
    if end.saturating_add(1) >= (sums.len() as u64).min(1 << 30) || whole >= 1 << 30 {
        blocks = 0;
    }
    if blocks != 0 {
        let ends: [(u32, u32); BLOCK] = core::array::from_fn(|cell| {
            let at = u64::from(part) + (cell as u64 + 1) * step;
            ((at / u64::from(whole)) as u32, (at % u64::from(whole)) as u32)
        });
        let lanes = |of: [u32; BLOCK]| {
            // SAFETY: 8 words are read from an array of 8.
            unsafe { _mm256_loadu_si256(of.as_ptr().cast()) }
        };
        let (mut samples, mut parts) = (lanes(ends.map(|end| end.0)), lanes(ends.map(|end| end.1)));
        let eight = BLOCK as u64 * step;
        let (by_samples, by_parts) = (_mm256_set1_epi32((eight / u64::from(whole)) as i32), _mm256_set1_epi32((eight % u64::from(whole)) as i32));
        let (whole_parts, most) = (_mm256_set1_epi32(whole as i32), _mm256_set1_epi32(whole as i32 - 1));
        let (factor, count) = (_mm256_set1_epi64x(i64::from(reciprocal)), _mm_cvtsi32_si128(shift as i32));
        let half = _mm256_set1_epi64x(1 << (shift - 1));
        let rotate = _mm256_setr_epi32(7, 0, 1, 2, 3, 4, 5, 6);
        let begin =
            sums.first().zip(sums.get(1)).map_or(0, |(before, with)| before.wrapping_mul(whole).wrapping_add(part.wrapping_mul(with.wrapping_sub(*before))));
        // The end of the cell in front is in the first lane.
        let mut in_front = _mm256_set1_epi32(begin as i32);
        for at in 0..blocks {
            // SAFETY: every sample and the one behind it lie in `sums`, whose length is above
            // `end + 1`.
            let (before, with) = unsafe {
                let from = sums.as_ptr().cast::<i32>();
                (_mm256_i32gather_epi32::<4>(from, samples), _mm256_i32gather_epi32::<4>(from.add(1), samples))
            };
            let own = _mm256_sub_epi32(with, before);
            let ends = _mm256_add_epi32(_mm256_mullo_epi32(before, whole_parts), _mm256_mullo_epi32(parts, own));
            let turned = _mm256_permutevar8x32_epi32(ends, rotate);
            let sum = _mm256_sub_epi32(ends, _mm256_blend_epi32::<1>(turned, in_front));
            in_front = turned;
            let mean = |sum: __m256i| _mm256_srl_epi64(_mm256_add_epi64(_mm256_mul_epu32(sum, factor), half), count);
            let (even, odd) = (mean(sum), mean(_mm256_srli_epi64::<32>(sum)));
            // The lower 16 bits of each mean.
            let means = _mm256_blend_epi16::<0b1010_1010>(_mm256_blend_epi32::<0b1010_1010>(even, _mm256_slli_epi64::<32>(odd)), _mm256_setzero_si256());
            let narrow = _mm256_permute4x64_epi64::<0b10_00>(_mm256_packus_epi32(means, means));
            // SAFETY: a block of 8 means, of which there are `blocks` in `out`.
            unsafe { _mm_storeu_si128(out.as_mut_ptr().add(at * BLOCK).cast(), _mm256_castsi256_si128(narrow)) };
            parts = _mm256_add_epi32(parts, by_parts);
            let over = _mm256_cmpgt_epi32(parts, most);
            parts = _mm256_sub_epi32(parts, _mm256_and_si256(over, whole_parts));
            samples = _mm256_sub_epi32(_mm256_add_epi32(samples, by_samples), over);
        }
    }
    scalar::means(cells, sums, blocks * BLOCK, out);
}
