//! The depthwise convolution in another order: its sums are everyone's, an activation of whole
//! vectors of channels is the order's.

use std::vec;

use super::{DepthwiseF16, MAX_KERNEL};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::{Emulated, Order};
use crate::math_f32::narrow;
use crate::orders::LANES;

/// Computes the rows.
pub(super) fn run(emulated: Emulated, args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize) {
    let EpilogueF16::Store { out, act } = epilogue else { return super::run(emulated.beside(), args, epilogue, out_stride) };
    let mut sums = vec![0.0; out.len()];
    super::run(emulated.beside(), args, EpilogueF16::Sum { out: &mut sums }, out_stride);
    let channels = args.bias.len();
    // Vectors leave large kernels, and the channels behind the last whole vector, to the
    // definition.
    let vectors = if args.kernel > MAX_KERNEL { 0 } else { channels / LANES * LANES };
    for (out, sums) in out.chunks_mut(out_stride).zip(sums.chunks(out_stride)).take(args.lines() * args.columns_out()) {
        for (c, (out, sum)) in out.iter_mut().zip(sums).enumerate().take(channels) {
            let order = if c < vectors { emulated.order() } else { Order::Scalar };
            *out = narrow(order.activate(act, *sum));
        }
    }
}
