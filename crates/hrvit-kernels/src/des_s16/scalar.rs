//! Definition of the shortcut: per token, two rounds of dot products. The hidden values are kept
//! transposed, so that both rounds read along rows.

use super::Des;
use crate::requant::{look_up, requant};
use crate::slices::{dot, rows, rows_mut};

/// Computes all tokens; lengths were checked by [`Kernels::des_s16`](crate::Kernels::des_s16),
/// `hidden` holds `k * p` elements.
pub(super) fn run(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p, channels) = (args.k, args.p, hidden.len());
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        right(args, token, k, p, hidden);
        left(args, hidden, k, p, out);
    }
}

/// `hidden[o][i] = h[i][o]`.
#[inline(always)]
fn right(args: &Des<'_>, token: &[i16], k: usize, p: usize, hidden: &mut [i16]) {
    let rq = args.right_requant;
    let outputs = rows(args.right, p).zip(args.right_bias).zip(rq.mult.iter().zip(rq.shift));
    for (((weights, bias), (mult, shift)), column) in outputs.zip(rows_mut(hidden, k)) {
        for (row, h) in rows(token, p).zip(column) {
            let acc = *bias + dot(row, weights);
            *h = look_up(args.table, args.zero, requant(acc, rq.pre_shift, *mult, *shift));
        }
    }
}

/// `out[o][q] += z[o][q]` from `hidden[q][i]`.
#[inline(always)]
fn left(args: &Des<'_>, hidden: &[i16], k: usize, p: usize, out: &mut [i32]) {
    let rq = args.left_requant;
    let outputs = rows(args.left, k).zip(args.left_bias).zip(rq.mult.iter().zip(rq.shift));
    for (((weights, bias), (mult, shift)), row) in outputs.zip(rows_mut(out, p)) {
        for (column, out) in rows(hidden, k).zip(row) {
            let acc = *bias + dot(column, weights);
            *out = out.wrapping_add(requant(acc, rq.pre_shift, *mult, *shift));
        }
    }
}
