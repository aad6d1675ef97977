//! The product on MVE: 3 rows at a time with up to 64 channels, then all of them stored as vectors of 4 channels.

use super::{Gemm, scalar};
use crate::epilogue::Epilogue;
use crate::isa::Mve;
use crate::mve::dots::{self, Dots, MIN_DEPTH};
use crate::mve::sink::{Place, store};
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
        depth if depth.is_multiple_of(16) => dots::s8_whole,
        _ => dots::s8,
    };
    let product = Product { a, depth, weights, bias, requant, dots };
    // SAFETY: the token proves MVE; the entry has checked that `a` is whole rows, that there are `cout * depth` weights and `rows * cout` outputs, and one
    // bias, multiplier and shift for each of the 2 or more channels; `depth` was checked above.
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
    /// The processor has MVE. `depth` is [`MIN_DEPTH`] or more and `a` whole rows of it; there are 2 or more biases, as many multipliers, shifts and rows of
    /// `weights`, and one output for each of them and each row of `a`.
    pub(crate) unsafe fn run(&self, mut epilogue: Epilogue<'_>) {
        let (cout, depth) = (self.bias.len(), self.depth);
        let mut tile = Tile::new();
        for first in (0..cout).step_by(COLUMNS) {
            let len = COLUMNS.min(cout - first);
            let Some(channels) = Channels::of(self.bias, self.requant, first, len) else { return };
            for (block, a) in self.a.chunks(ROWS * depth).enumerate() {
                let row = |i: usize| a.get(i * depth..).filter(|row| !row.is_empty()).map(<[A]>::as_ptr);
                let (second, third) = (row(1), row(2));
                let rows = 1 + usize::from(second.is_some()) + usize::from(third.is_some());
                let pointers = [a.as_ptr(), second.unwrap_or(a.as_ptr()), third.unwrap_or(a.as_ptr())];
                // SAFETY: the rows of `a` have `depth` elements each; channels and outputs exist by the contract.
                unsafe {
                    self.multiply(pointers, first, len, &mut tile);
                    store(&mut epilogue, &mut tile, &channels, self.requant.pre_shift, Place { first: block * ROWS * cout + first, stride: cout, rows });
                }
            }
        }
    }

    /// Sums of three rows with the channels `first..first + len`, at most [`COLUMNS`].
    ///
    /// # Safety
    /// As for [`Product::run`]; `depth` activations are readable from each of the pointers on.
    unsafe fn multiply(&self, a: [*const A; ROWS], first: usize, len: usize, tile: &mut Tile) {
        let pairs = |first: usize, column: usize, len: usize, tile: &mut Tile| {
            let start = tile.start().wrapping_add(column);
            let weights = self.weights.as_ptr().wrapping_add(first * self.depth);
            let args = Dots { a, weights, depth: self.depth, tile: start, tile_end: start.wrapping_add(len) };
            // SAFETY: MVE, rows and weights by the contract; `column + len <= COLUMNS`, so the sums lie inside the tile.
            unsafe { (self.dots)(&args) }
        };
        let even = len & !1;
        if even != 0 {
            pairs(first, 0, even, tile);
        }
        if even != len {
            // The last channel in a pair with the one before it, or where the tile has only this one, with the last of the tile before.
            match len.checked_sub(2) {
                Some(column) => pairs(first + column, column, 2, tile),
                None => {
                    pairs(first - 1, 0, 2, tile);
                    let sums = tile.start();
                    for row in 0..ROWS {
                        // SAFETY: both sums of the pair were written, in each row of the tile.
                        unsafe { *sums.add(row * COLUMNS) = *sums.add(row * COLUMNS + 1) };
                    }
                }
            }
        }
    }
}
