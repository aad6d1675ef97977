//! The product: 3 rows at a time, widened side by side a piece of their depth after the other, with
//! 8 channels.
//!
//! Sums are those of the definition, in its order.

use core::mem::MaybeUninit;

use super::{BLOCK, GemmF16};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Mve;
use crate::mve::floats::{halves, put};
use crate::mve::product_f16::{Block, ROWS, Step, contiguous, pack};

/// Longest piece of depth.
const DEPTH: usize = 128;
/// Blocks of channels whose sums wait for the next piece.
const BLOCKS: usize = 8;

/// Computes the product.
pub(super) fn run(_: Mve, args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
    let GemmF16 { a, depth, weights, bias } = *args;
    let cout = bias.len();
    let mut packed = [const { MaybeUninit::<Step>::uninit() }; DEPTH];
    let packed = packed.as_mut_ptr().cast::<Step>();
    for (group, a) in a.chunks(ROWS * depth).enumerate() {
        let rows = a.len() / depth;
        for first in (0..cout).step_by(BLOCKS * BLOCK) {
            let mut sums: [Block; BLOCKS] = core::array::from_fn(|block| [halves(bias, first + block * BLOCK); ROWS]);
            for start in (0..depth).step_by(DEPTH) {
                let len = DEPTH.min(depth - start);
                // SAFETY: the token proves MVE. There are `rows` rows of `depth` elements, the last
                // standing for those that are missing, and room for `len <= DEPTH` steps. A
                // piece of the whole depth is there from the first channels on.
                unsafe {
                    if depth > DEPTH || first == 0 {
                        pack(core::array::from_fn(|r| a.as_ptr().add(r.min(rows - 1) * depth + start)), len, packed);
                    }
                    for (block, sums) in sums.iter_mut().enumerate().take((cout - first).div_ceil(BLOCK)) {
                        contiguous(packed, weights.as_ptr().add(((first / BLOCK + block) * depth + start) * BLOCK), len, sums);
                    }
                }
            }
            for (block, sums) in sums.iter_mut().enumerate().take((cout - first).div_ceil(BLOCK)) {
                let channel = first + block * BLOCK;
                for (r, sums) in sums.iter_mut().enumerate().take(rows) {
                    // SAFETY: the token proves MVE.
                    unsafe { put(&mut epilogue, (group * ROWS + r) * cout + channel, sums, cout - channel) };
                }
            }
        }
    }
}
