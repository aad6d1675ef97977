//! Definition of the shortcut: per token, a product from the right and one from the left.

use half::f16;

use super::DesF16;
use crate::gemm_f16::BLOCK;
use crate::math_f32::widen;
use crate::slices::{rows, rows_mut};

/// Computes all tokens; lengths were checked by [`Kernels::des_f16`](crate::Kernels::des_f16),
/// `hidden` holds `k * p` elements.
pub(super) fn run(args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
    let channels = hidden.len();
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        right(args, token, hidden);
        left(args, hidden, out);
    }
}

/// `hidden[i][o] = h[i][o]`.
#[inline(always)]
fn right(args: &DesF16<'_>, token: &[f16], hidden: &mut [f32]) {
    let p = args.p;
    for (x, h) in rows(token, p).zip(rows_mut(hidden, p)) {
        let blocks = rows(args.right.as_chunks::<BLOCK>().0, p);
        for ((weights, bias), h) in blocks.zip(args.right_bias.chunks(BLOCK)).zip(h.chunks_mut(BLOCK)) {
            let mut acc = [0.0; BLOCK];
            acc.iter_mut().zip(bias).for_each(|(acc, bias)| *acc = *bias);
            for (x, weights) in x.iter().zip(weights) {
                let x = widen(*x);
                for (acc, weight) in acc.iter_mut().zip(weights) {
                    *acc += x * widen(*weight);
                }
            }
            h.iter_mut().zip(acc).for_each(|(h, acc)| *h = args.act.apply(acc));
        }
    }
}

/// `out[o][q] += z[o][q]`, a block of columns at a time.
#[inline(always)]
fn left(args: &DesF16<'_>, hidden: &[f32], out: &mut [f32]) {
    let (k, p) = (args.k, args.p);
    for ((weights, bias), out) in rows(args.left, k).zip(args.left_bias).zip(rows_mut(out, p)) {
        for (first, out) in (0..).step_by(BLOCK).zip(out.chunks_mut(BLOCK)) {
            let mut acc = [*bias; BLOCK];
            for (weight, h) in weights.iter().zip(rows(hidden, p)) {
                let weight = widen(*weight);
                for (acc, h) in acc.iter_mut().zip(h.get(first..).unwrap_or_default()) {
                    *acc += weight * h;
                }
            }
            out.iter_mut().zip(acc).for_each(|(out, acc)| *out += acc);
        }
    }
}
