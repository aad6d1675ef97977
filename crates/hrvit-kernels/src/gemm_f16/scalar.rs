//! Definition of the product: plain loops over rows, blocks of output channels and depth.

use super::{BLOCK, GemmF16};
use crate::epilogue_f16::EpilogueF16;
use crate::math_f32::widen;
use crate::slices::rows;

/// Computes the product; lengths were checked by [`Kernels::gemm_f16`](crate::Kernels::gemm_f16).
pub(super) fn run(args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
    let cout = args.bias.len();
    for (row, a) in rows(args.a, args.depth).enumerate() {
        let blocks = rows(args.weights.as_chunks::<BLOCK>().0, args.depth);
        for (block, (weights, bias)) in blocks.zip(args.bias.chunks(BLOCK)).enumerate() {
            let mut acc = [0.0; BLOCK];
            acc.iter_mut().zip(bias).for_each(|(acc, bias)| *acc = *bias);
            for (a, weights) in a.iter().zip(weights) {
                let a = widen(*a);
                for (acc, weight) in acc.iter_mut().zip(weights) {
                    *acc += a * widen(*weight);
                }
            }
            epilogue.store(row * cout + block * BLOCK, acc.get(..bias.len()).unwrap_or_default());
        }
    }
}
