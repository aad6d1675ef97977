//! The product with the DSP extension: 2 rows at a time, widened, with up to 64 channels.

use super::{Gemm, scalar};
use crate::dsp::dots::{self, Dots, Group, widen};
use crate::dsp::tile::{COLUMNS, Finish, Tile};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;

/// Groups of 4 steps of depth that are widened at a time.
const GROUPS: usize = 64;

/// Weights in [`Packing::Rows`](crate::packing::Packing::Rows).
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn rows(dsp: Dsp, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    if args.depth < 4 || args.bias.len() < 2 {
        return scalar::rows(args, epilogue);
    }
    Product { dsp, args }.run(epilogue);
}

struct Product<'a> {
    dsp: Dsp,
    args: &'a Gemm<'a>,
}

/// Two rows of activations, some of them widened.
struct Pair<'a> {
    rows: [&'a [i8]; 2],
    /// The part of their depth that `wide` holds.
    widened: Option<usize>,
    wide: &'a mut [Group; GROUPS],
}

impl Product<'_> {
    fn run(&self, epilogue: Epilogue<'_>) {
        let Gemm { a, depth, bias, requant, .. } = *self.args;
        let cout = bias.len();
        let mut finish = Finish::new(self.dsp, requant, epilogue);
        let mut wide = [[0; 4]; GROUPS];
        let mut tile: Tile = [[0; COLUMNS]; 2];
        for (pair, a) in a.chunks((2 * depth).max(1)).enumerate() {
            let (first_row, second_row) = a.split_at_checked(depth).unwrap_or((a, &[]));
            // One row is a pair of equal rows.
            let (rows, below) = if second_row.is_empty() { ([first_row; 2], 0) } else { ([first_row, second_row], cout) };
            let at = 2 * cout * pair;
            let mut pair = Pair { rows, widened: None, wide: &mut wide };
            for first in (0..cout).step_by(COLUMNS) {
                let len = COLUMNS.min(cout - first);
                self.multiply(&mut pair, first, len, &mut tile);
                finish.store(&mut tile, first, len, [at + first, at + below + first]);
            }
        }
    }

    /// Sums of two rows with the channels `first..first + len`, biases included.
    #[inline(always)]
    fn multiply(&self, pair: &mut Pair<'_>, first: usize, len: usize, tile: &mut Tile) {
        let Gemm { depth, weights, bias, .. } = *self.args;
        let rows = pair.rows;
        let whole = depth / 4 * 4;
        let Some(bias) = bias.get(first..first + len) else { return };
        // What the sums of an odd last channel start from; the second sum is nobody's.
        let last = [bias.last().copied().unwrap_or_default(), 0];
        for start in (0..whole).step_by(4 * GROUPS) {
            let groups = GROUPS.min((whole - start) / 4);
            let Some(a) = pair.wide.get_mut(..groups) else { return };
            if pair.widened != Some(start) {
                let [above, below] = rows.map(|row| row.get(start..).unwrap_or_default());
                widen(self.dsp, above, below, a);
                pair.widened = Some(start);
            }
            let a = a.as_ptr_range();
            let sums = tile.as_mut_ptr().cast::<i32>();
            let add = |channels: [usize; 2], len: usize, bias: *const i32| {
                let [from, _] = channels;
                let tile = sums.wrapping_add(from);
                let (start_from, below) = if start == 0 { (bias, 0) } else { (tile.cast_const(), size_of_val(&[0i32; COLUMNS])) };
                let args = Dots {
                    a: a.start,
                    a_end: a.end,
                    weights: channels.map(|c| weights.as_ptr().wrapping_add((first + c) * depth + start)),
                    skip: 2 * depth - 4 * groups,
                    start: start_from,
                    below,
                    tile,
                    tile_end: tile.wrapping_add(len),
                };
                // SAFETY: the token proves the DSP extension. There are 1 to 64 groups; the entry has checked that there are `cout * depth` weights, of which
                // `4 * groups` from `start` on are read for each channel; there are `len` biases, and the sums lie inside the tile: an odd `len` is less than
                // `COLUMNS`.
                unsafe { dots::s8(&args) };
            };
            let even = len & !1;
            if even != 0 {
                add([0, 1], even, bias.as_ptr());
            }
            if even != len {
                add([even, even], 2, last.as_ptr());
            }
        }
        for (i, (a, b)) in rows[0].iter().zip(rows[1]).enumerate().skip(whole) {
            let [above, below] = &mut *tile;
            for (c, (sum, below)) in above.iter_mut().zip(below).take(len).enumerate() {
                let weight = i32::from(weights.get((first + c) * depth + i).copied().unwrap_or_default());
                *sum = sum.wrapping_add(i32::from(*a) * weight);
                *below = below.wrapping_add(i32::from(*b) * weight);
            }
        }
    }
}
