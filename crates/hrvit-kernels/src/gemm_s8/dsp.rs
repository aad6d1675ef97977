//! The product with the DSP extension: 4 rows at a time, widened, with up to 32 channels.

use core::mem::MaybeUninit;

use super::Gemm;
use crate::dsp::dots::{self, Group, Quads};
use crate::dsp::sink::Store;
use crate::dsp::tile::{PART, ROWS, Sums};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;

/// Groups of 4 steps of depth that are widened at a time.
const GROUPS: usize = 32;

/// Steps of depth that the inner loop takes at a time.
const STEP: usize = 8;

/// Weights in [`Packing::Rows`](crate::packing::Packing::Rows).
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn rows(dsp: Dsp, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    Product { dsp, args }.run(epilogue);
}

struct Product<'a> {
    dsp: Dsp,
    args: &'a Gemm<'a>,
}

/// Four rows of activations, some of them widened.
struct Four<'a> {
    rows: [&'a [i8]; ROWS],
    /// The part of their depth that `wide` holds.
    widened: Option<usize>,
    /// Two groups for 4 steps of depth: one of the first two rows, one of the others.
    wide: &'a mut MaybeUninit<[[Group; 2]; GROUPS]>,
}

impl Product<'_> {
    fn run(&self, mut epilogue: Epilogue<'_>) {
        let Gemm { a, depth, bias, requant, .. } = *self.args;
        let cout = bias.len();
        let mut store = Store::of(self.dsp, requant, &mut epilogue);
        let mut wide = MaybeUninit::uninit();
        let mut tile: Sums = [[0; ROWS]; PART];
        for (four, a) in a.chunks((ROWS * depth).max(1)).enumerate() {
            // Rows that are missing are the first again, whose sums are nobody's.
            let row = |row: usize| a.get(row * depth..(row + 1) * depth);
            let count = a.len().checked_div(depth).unwrap_or(0);
            let first_row = row(0).unwrap_or_default();
            let rows = [first_row, row(1).unwrap_or(first_row), row(2).unwrap_or(first_row), row(3).unwrap_or(first_row)];
            let mut four_rows = Four { rows, widened: None, wide: &mut wide };
            for first in (0..cout).step_by(PART) {
                let len = PART.min(cout - first);
                self.multiply(&mut four_rows, first, len, &mut tile);
                // SAFETY: the entry has checked that there are as many multipliers and shifts as
                // biases, and an output for each of them and every row; the sums of `len` channels,
                // 1 to `PART`, are made.
                unsafe { store.four(tile.as_mut_ptr().cast(), first, len, [ROWS * four * cout + first, cout], count) };
            }
        }
    }

    /// Sums of four rows with the channels `first..first + len`, biases included.
    #[inline(always)]
    fn multiply(&self, four: &mut Four<'_>, first: usize, len: usize, tile: &mut Sums) {
        let Gemm { depth, weights, bias, .. } = *self.args;
        let rows = four.rows;
        let whole = depth / STEP * STEP;
        let Some(bias) = bias.get(first..first + len) else { return };
        for start in (0..whole).step_by(4 * GROUPS) {
            let groups = GROUPS.min((whole - start) / 4);
            let a = four.wide.as_mut_ptr().cast::<[Group; 2]>();
            if four.widened != Some(start) {
                // SAFETY: the token proves the DSP extension. There are 1 to 32 groups, which
                // `wide` has room for, and `rows` have `depth` elements each.
                unsafe { dots::widen_four(&rows.map(|row| row.as_ptr().wrapping_add(start)), a.cast(), groups) };
                four.widened = Some(start);
            }
            let sums = tile.as_mut_ptr();
            let args = Quads {
                a,
                a_end: a.wrapping_add(groups),
                weights: weights.as_ptr().wrapping_add(first * depth + start),
                skip: depth - 4 * groups,
                bias: bias.as_ptr(),
                tile: sums,
                tile_end: sums.wrapping_add(len),
            };
            // SAFETY: the token proves the DSP extension. There are 2 to 32 groups, an even number;
            // the entry has checked that there are `cout * depth` weights, of which `4 * groups`
            // from `start` on are read for each channel; there are `len` biases, 1 to `PART`, and
            // the sums lie inside the tile.
            unsafe { if start == 0 { dots::quads(&args) } else { dots::more_quads(&args) } };
        }
        if whole == 0 {
            tile.iter_mut().zip(bias).for_each(|(sums, bias)| *sums = [*bias; ROWS]);
        }
        for i in whole..depth {
            let a = rows.map(|row| i32::from(row.get(i).copied().unwrap_or_default()));
            for (c, sums) in tile.iter_mut().enumerate().take(len) {
                let weight = i32::from(weights.get((first + c) * depth + i).copied().unwrap_or_default());
                sums.iter_mut().zip(a).for_each(|(sum, a)| *sum = sum.wrapping_add(a * weight));
            }
        }
    }
}
