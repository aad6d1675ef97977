//! The product in another order: its sums are everyone's, an activation is the order's.

use std::vec;

use super::GemmF16;
use crate::epilogue_f16::EpilogueF16;
use crate::isa::{Emulated, Order};
use crate::math_f32::narrow;

/// Deepest product that AVX2 does not leave to the definition.
const AVX2_DEPTH: usize = 5120;

/// Computes the product.
pub(super) fn run(emulated: Emulated, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
    let EpilogueF16::Store { out, act } = epilogue else { return super::run(emulated.beside(), args, epilogue) };
    let order = if emulated.order() == Order::Avx2 && args.depth > AVX2_DEPTH { Order::Scalar } else { emulated.order() };
    let mut sums = vec![0.0; out.len()];
    super::run(emulated.beside(), args, EpilogueF16::Sum { out: &mut sums });
    for (out, sum) in out.iter_mut().zip(sums) {
        *out = narrow(order.activate(act, sum));
    }
}
