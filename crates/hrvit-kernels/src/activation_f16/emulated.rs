//! The elementwise operators in another order: only activations of sums have something to fuse.

use half::f16;

use super::scalar;
use crate::epilogue_f16::ActivationF16;
use crate::isa::{Emulated, Order};
use crate::math_f32::narrow;
use crate::orders::LANES;

/// See [`Kernels::hardswish_f16`](crate::Kernels::hardswish_f16).
pub(super) fn hardswish_f16(_: Emulated, x: &[f16], out: &mut [f16]) {
    scalar::hardswish_f16(x, out);
}

/// See [`Kernels::activate_f32`](crate::Kernels::activate_f32).
pub(super) fn activate_f32(emulated: Emulated, acc: &[f32], act: ActivationF16, out: &mut [f16]) {
    // Helium has no kernel of its own for it, and tails are the definition's.
    let vectors = if emulated.order() == Order::Mve { 0 } else { acc.len() / LANES * LANES };
    for (i, (acc, out)) in acc.iter().zip(out).enumerate() {
        let order = if i < vectors { emulated.order() } else { Order::Scalar };
        *out = narrow(order.activate(act, *acc));
    }
}
