//! The product on MVE: 3 rows at a time with up to 64 channels, then all of them stored as vectors
//! of 4 channels.

use super::{Gemm, scalar};
use crate::epilogue::Epilogue;
use crate::isa::Mve;
use crate::mve::dots::{self, Dots, MIN_DEPTH};
use crate::mve::sink::{Place, Store};
use crate::mve::tile::{COLUMNS, Channels, ROWS, Tile};
use crate::requant::Requant;

/// Weights in [`Packing::Rows`](crate::packing::Packing::Rows).
#[inline(never)] // else it would be compiled as its callers are, for size
pub(super) fn rows(_: Mve, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    if depth < MIN_DEPTH || bias.len() < 2 {
        return scalar::rows(args, epilogue);
    }
    let dots = match depth {
        16 => dots::s8_of_16,
        32 => dots::s8_of_32,
        64 => dots::s8_of_64,
        128 => dots::s8_of_128,
        depth if depth.is_multiple_of(32) => dots::s8_whole,
        _ => dots::s8,
    };
    let product = Product { a, depth, weights, bias, requant, dots };
    // SAFETY: the token proves MVE; the entry has checked that `a` is whole rows, that there are
    // `cout * depth` weights and `rows * cout` outputs, and one bias, multiplier and shift for each
    // of the 2 or more channels; `depth` was checked above.
    unsafe { product.run(epilogue) };
}

/// A product over activations of type `A`, shared by the s8 and the s16 kernel.
pub(crate) struct Product<'a, A> {
    pub(crate) a: &'a [A],
    pub(crate) depth: usize,
    pub(crate) weights: &'a [i8],
    pub(crate) bias: &'a [i32],
    pub(crate) requant: Requant<'a>,
    /// The inner product for `A`.
    pub(crate) dots: unsafe extern "C" fn(&Dots<A>),
}

impl<A> Product<'_, A> {
    /// All rows, stored by `epilogue`.
    ///
    /// # Safety
    /// The processor has MVE. `depth` is [`MIN_DEPTH`] or more and `a` whole rows of it; there are
    /// 2 or more biases, as many multipliers, shifts and rows of `weights`, and one output for each
    /// of them and each row of `a`.
    pub(crate) unsafe fn run(&self, mut epilogue: Epilogue<'_>) {
        let Product { a, depth, dots: multiply, .. } = *self;
        let cout = self.bias.len();
        let Some(rows) = a.len().checked_div(depth).filter(|rows| *rows != 0) else { return };
        let mut tile = Tile::new();
        let start = tile.start();
        for first in (0..cout).step_by(COLUMNS) {
            let len = COLUMNS.min(cout - first);
            let Some(channels) = Channels::of(self.bias, self.requant, first, len) else { return };
            let mut store = Store::of(&mut epilogue, &mut tile, &channels, self.requant.pre_shift, Place { first, stride: cout, rows });
            let pairs = |from: usize, column: usize, len: usize| {
                let (weights, tile) = (self.weights.as_ptr().wrapping_add(from * depth), start.wrapping_add(column));
                Dots { a: [a.as_ptr(); ROWS], weights, depth, tile, tile_end: tile.wrapping_add(len) }
            };
            let mut even = pairs(first, 0, len & !1);
            // The last channel in a pair with the one before it, or where the tile has only this
            // one, with the last of the tile before.
            let mut odd = match len.checked_sub(2) {
                Some(column) => pairs(first + column, column, 2),
                None => pairs(first - 1, 0, 2),
            };
            let (mut row, mut left) = (a.as_ptr(), rows as i32);
            while left > 0 {
                let next = |row: *const A, exists: bool| if exists { row.wrapping_add(depth) } else { row };
                let second = next(row, left > 1);
                even.a = [row, second, next(second, left > 2)];
                // SAFETY: MVE, rows and weights by the contract; a row that does not exist is the
                // one before it. The sums lie inside the tile, and are written before they
                // are stored; channels and outputs exist by the contract.
                unsafe {
                    if len >= 2 {
                        multiply(&even);
                    }
                    if len % 2 != 0 {
                        odd.a = even.a;
                        multiply(&odd);
                        if len == 1 {
                            (0..ROWS).for_each(|row| *start.add(row * COLUMNS) = *start.add(row * COLUMNS + 1));
                        }
                    }
                    left = store.rows();
                }
                row = row.wrapping_add(ROWS * depth);
            }
        }
    }
}
