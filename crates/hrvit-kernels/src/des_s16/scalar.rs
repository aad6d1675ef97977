//! Definition of the shortcut: per token, two rounds of dot products. The hidden values are kept transposed, so that both rounds read along rows.

use super::Des;
use crate::lanes::dot;
use crate::requant::{look_up, requant};

/// Computes all tokens; lengths were checked by [`super::des_s16`], `hidden` holds `k * p` elements.
pub(super) fn run(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p) = (args.k.max(1), args.p.max(1));
    let channels = hidden.len().max(1);
    for (token, out) in args.x.chunks_exact(channels).zip(out.chunks_exact_mut(channels)) {
        right(args, token, k, p, hidden);
        left(args, hidden, k, p, out);
    }
}

/// `hidden[o][i] = h[i][o]`.
#[inline(always)]
fn right(args: &Des<'_>, token: &[i16], k: usize, p: usize, hidden: &mut [i16]) {
    let rq = args.right_requant;
    let outputs = args.right.chunks_exact(p).zip(args.right_bias).zip(rq.mult.iter().zip(rq.shift));
    for (((weights, bias), (mult, shift)), column) in outputs.zip(hidden.chunks_exact_mut(k)) {
        for (row, h) in token.chunks_exact(p).zip(column) {
            let acc = *bias + dot(row, weights);
            *h = look_up(args.table, args.zero, requant(acc, rq.pre_shift, *mult, *shift));
        }
    }
}

/// `out[o][q] += z[o][q]` from `hidden[q][i]`.
#[inline(always)]
fn left(args: &Des<'_>, hidden: &[i16], k: usize, p: usize, out: &mut [i32]) {
    let rq = args.left_requant;
    let outputs = args.left.chunks_exact(k).zip(args.left_bias).zip(rq.mult.iter().zip(rq.shift));
    for (((weights, bias), (mult, shift)), row) in outputs.zip(out.chunks_exact_mut(p)) {
        for (column, out) in hidden.chunks_exact(k).zip(row) {
            let acc = *bias + dot(column, weights);
            *out = out.wrapping_add(requant(acc, rq.pre_shift, *mult, *shift));
        }
    }
}
