//! The product with the DSP extension: 2 rows at a time, widened, with up to 64 channels.

use super::{Gemm, scalar};
use crate::dsp::dots::{self, Dots, Group, widen};
use crate::dsp::tile::{COLUMNS, Tile, store};
use crate::epilogue::{Epilogue, Kernel};
use crate::isa::Dsp;

/// Groups of 4 steps of depth that are widened at a time.
const GROUPS: usize = 64;

/// Weights in [`Layout::Rows`](crate::layout::Layout::Rows).
pub(super) fn rows(dsp: Dsp, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    if args.depth < 4 || args.bias.len() < 2 {
        return scalar::rows(args, epilogue);
    }
    epilogue.drive(&Product { dsp, args });
}

struct Product<'a> {
    dsp: Dsp,
    args: &'a Gemm<'a>,
}

impl Kernel for Product<'_> {
    fn run<T>(&self, out: &mut [T], put: impl Fn(&mut T, i32)) {
        let Gemm { a, depth, bias, requant, .. } = *self.args;
        let cout = bias.len();
        let mut wide = [[0; 4]; GROUPS];
        let mut tile: Tile = [[0; COLUMNS]; 2];
        let mut widened = None;
        for (pair, (a, out)) in a.chunks(2 * depth).zip(out.chunks_mut(2 * cout)).enumerate() {
            let (first_row, second_row) = a.split_at_checked(depth).unwrap_or((a, &[]));
            // One row is a pair of equal rows.
            let rows = [first_row, if second_row.is_empty() { first_row } else { second_row }];
            let (first_out, second_out) = out.split_at_mut_checked(cout).unwrap_or_default();
            for first in (0..cout).step_by(COLUMNS) {
                let len = COLUMNS.min(cout - first);
                self.multiply(rows, first, len, pair, &mut wide, &mut widened, &mut tile);
                let outs = [&mut *first_out, &mut *second_out].map(|out| out.get_mut(first..(first + len).min(out.len())).unwrap_or_default());
                store(self.dsp, &tile, requant, first, outs, &put);
            }
        }
    }
}

impl Product<'_> {
    /// Sums of two rows with the channels `first..first + len`, biases included. `widened` says which rows and which part of their depth `wide` holds.
    #[expect(clippy::too_many_arguments, reason = "buffers that live longer than one call")]
    #[inline(always)]
    fn multiply(
        &self,
        rows: [&[i8]; 2],
        first: usize,
        len: usize,
        pair: usize,
        wide: &mut [Group; GROUPS],
        widened: &mut Option<(usize, usize)>,
        tile: &mut Tile,
    ) {
        let Gemm { depth, weights, bias, .. } = *self.args;
        for (c, bias) in bias.iter().skip(first).take(len).enumerate() {
            for row in tile.iter_mut() {
                if let Some(sum) = row.get_mut(c) {
                    *sum = *bias;
                }
            }
        }
        let whole = depth / 4 * 4;
        for start in (0..whole).step_by(4 * GROUPS) {
            let groups = GROUPS.min((whole - start) / 4);
            let Some(a) = wide.get_mut(..groups) else { return };
            if *widened != Some((pair, start)) {
                let part = |row: usize| rows.get(row).and_then(|row| row.get(start..)).unwrap_or_default();
                widen(self.dsp, part(0), part(1), a);
                *widened = Some((pair, start));
            }
            let a = a.as_ptr_range();
            let mut add = |from: usize, column: usize, to: usize| {
                let start_of = |c: usize| weights.as_ptr().wrapping_add((first + c) * depth + start);
                let sums = tile.as_mut_ptr().cast::<i32>();
                let args = Dots {
                    a: a.start,
                    a_end: a.end,
                    weights: [start_of(from), start_of(column)],
                    skip: 2 * depth - 4 * groups,
                    tile: sums.wrapping_add(from),
                    tile_end: sums.wrapping_add(to),
                };
                // SAFETY: the token proves the DSP extension. There are 1 to 64 groups; the entry has checked that there are `cout * depth` weights, of which
                // `4 * groups` from `start` on are read for each channel; `to <= COLUMNS`, so that the sums lie inside the tile.
                unsafe { dots::s8(&args) };
            };
            let even = len & !1;
            if even != 0 {
                add(0, 1, even);
            }
            if even != len {
                // The last channel twice: the second sum is nobody's, as `even + 1 < COLUMNS` where a tile is not full.
                add(even, even, even + 2);
            }
        }
        for (i, (a, b)) in rows[0].iter().zip(rows[1]).enumerate().skip(whole) {
            let (first_row, second_row) = tile.split_at_mut(1);
            let sums = first_row.iter_mut().flatten().zip(second_row.iter_mut().flatten());
            for (c, (sum, below)) in sums.take(len).enumerate() {
                let weight = i32::from(weights.get((first + c) * depth + i).copied().unwrap_or_default());
                *sum = sum.wrapping_add(i32::from(*a) * weight);
                *below = below.wrapping_add(i32::from(*b) * weight);
            }
        }
    }
}
