//! The shortcut in another order: the first product's sums are everyone's, its activation and the
//! second product's sums are fused.

use super::{DesF16, scalar};
use crate::gemm_f16::BLOCK;
use crate::isa::{Emulated, Order};
use crate::math_f32::widen;
use crate::slices::{rows, rows_mut};

/// Most rows, and most columns, of a token's view on vectors.
const MOST: usize = 64;

/// Computes all tokens; `hidden` holds `k * p` elements.
pub(super) fn run(emulated: Emulated, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
    let (k, p, order) = (args.k, args.p, emulated.order());
    // Helium has no kernel of its own for it.
    if matches!(order, Order::Scalar | Order::Mve) || k > MOST || p > MOST {
        return scalar::run(args, hidden, out);
    }
    for (token, out) in rows(args.x, k * p).zip(rows_mut(out, k * p)) {
        for (x, h) in rows(token, p).zip(rows_mut(hidden, p)) {
            for (o, h) in h.iter_mut().enumerate() {
                let weights = rows(args.right.as_chunks::<BLOCK>().0, p).nth(o / BLOCK).unwrap_or_default();
                let sum = x.iter().zip(weights).fold(args.right_bias[o], |sum, (x, weights)| sum + widen(*x) * widen(weights[o % BLOCK]));
                *h = order.activate(args.act, sum);
            }
        }
        for ((weights, bias), out) in rows(args.left, k).zip(args.left_bias).zip(rows_mut(out, p)) {
            for (q, out) in out.iter_mut().enumerate() {
                *out += weights.iter().zip(rows(hidden, p)).fold(*bias, |sum, (weight, h)| order.fma(sum, widen(*weight), h[q]));
            }
        }
    }
}
