//! The product by the floating-point unit: 2 rows with 8 channels at a time.
//!
//! Sums are those of the definition, in its order. Weights that do not begin at a multiple of 4
//! bytes are left to `scalar`.

use super::{BLOCK, GemmF16, scalar};
use crate::dsp::product_f16::{ROWS, add};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Dsp;
use crate::slices;

/// Computes the product.
pub(super) fn run(_: Dsp, args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
    let GemmF16 { a, depth, weights, bias } = *args;
    if !weights.as_ptr().cast::<u32>().is_aligned() {
        return scalar::run(args, epilogue);
    }
    let cout = bias.len();
    for (group, a) in a.chunks(ROWS * depth).enumerate() {
        let rows = a.len() / depth;
        let blocks = slices::rows(weights.as_chunks::<BLOCK>().0, depth);
        for (block, (weights, bias)) in blocks.zip(bias.chunks(BLOCK)).enumerate() {
            let mut start = [0.0; BLOCK];
            start.iter_mut().zip(bias).for_each(|(start, bias)| *start = *bias);
            let mut sums = [start; ROWS];
            // SAFETY: builds have this file with a floating-point unit only. There are `rows` rows
            // of `depth` elements, the last standing for one that is missing, and a block of 16
            // bytes for each of them; they begin at a multiple of 4 bytes.
            unsafe { add(core::array::from_fn(|r| a.as_ptr().add(r.min(rows - 1) * depth)), weights.as_ptr().cast(), depth, &mut sums) };
            for (r, sums) in sums.iter().enumerate().take(rows) {
                epilogue.store((group * ROWS + r) * cout + block * BLOCK, sums.get(..bias.len()).unwrap_or_default());
            }
        }
    }
}
