//! The product: 8 rows with 8 channels at a time, read where they lie and widened on the way.
//!
//! Sums are those of the definition, in its order.

use half::f16;

use super::{BLOCK, GemmF16};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Neon;
use crate::neon::floats::load_up_to;
use crate::neon::product_f16::{Fmla, Products, ROWS, pointers, tiles};
use crate::neon::put_f16::{put, put_rows};
use crate::slices::rows as each_row;

/// Computes the product.
pub(super) fn run(_: Neon, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
    // SAFETY: the token proves NEON.
    unsafe { product::<Fmla>(args, epilogue) }
}

/// All rows, by the instructions of `P`.
///
/// # Safety
/// The processor has NEON and the instructions of `P`. The entry has checked the lengths.
#[inline(always)]
pub(super) unsafe fn product<P: Products<f16, f16>>(args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
    let GemmF16 { a, depth, weights, bias } = *args;
    let cout = bias.len();
    let rows = a.len() / depth;
    for (block, weights) in each_row(weights.as_chunks::<BLOCK>().0, depth).enumerate() {
        let first = block * BLOCK;
        let len = cout.saturating_sub(first).min(BLOCK);
        // SAFETY: the caller vouches for NEON.
        let start = unsafe { load_up_to(bias, first) };
        // SAFETY: `row + HERE` rows of `depth` elements exist, as do the `depth` steps of the
        // block's weights.
        tiles!(rows, |row, HERE| unsafe {
            let mut sums = [start; ROWS];
            P::add::<HERE>(&pointers::<HERE>(a, depth, row), weights.as_ptr().cast(), size_of::<[f16; BLOCK]>(), depth, &mut sums);
            let (at, sums) = (row * cout + first, sums.get(..HERE).unwrap_or_default());
            match len {
                BLOCK => put_rows(&mut epilogue, at, cout, sums),
                _ => sums.iter().enumerate().for_each(|(r, sums)| put(&mut epilogue, at + r * cout, *sums, len)),
            }
        });
    }
}
