//! The shortcut with the DSP extension: the definition's loops with products of 32-bit registers.

use super::Des;
use crate::dsp::rates::{Rate, shifted};
use crate::isa::Dsp;
use crate::requant::look_up;
use crate::slices::{dot, rows, rows_mut};

/// Computes all tokens.
pub(super) fn run(dsp: Dsp, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p, channels) = (args.k, args.p, hidden.len());
    for (token, out) in rows(args.x, channels).zip(rows_mut(out, channels)) {
        let rates = Rate::all(dsp, args.right_requant);
        let outputs = rows(args.right, p).zip(args.right_bias).zip(rates);
        for (((weights, bias), rate), column) in outputs.zip(rows_mut(hidden, k)) {
            for (row, h) in rows(token, p).zip(column) {
                let acc = bias.wrapping_add(product(row, weights));
                *h = look_up(args.table, args.zero, rate.apply(shifted(acc, args.right_requant.pre_shift)));
            }
        }
        let rates = Rate::all(dsp, args.left_requant);
        let outputs = rows(args.left, k).zip(args.left_bias).zip(rates);
        for (((weights, bias), rate), row) in outputs.zip(rows_mut(out, p)) {
            for (column, out) in rows(hidden, k).zip(row) {
                let acc = bias.wrapping_add(product(column, weights));
                *out = out.wrapping_add(rate.apply(shifted(acc, args.left_requant.pre_shift)));
            }
        }
    }
}

/// Dot product of the lengths that networks have as straight code.
#[inline(always)]
fn product(a: &[i16], w: &[i8]) -> i32 {
    if let (Ok(a), Ok(w)) = (<&[i16; 4]>::try_from(a), <&[i8; 4]>::try_from(w)) {
        return dot(a, w);
    }
    if let (Ok(a), Ok(w)) = (<&[i16; 8]>::try_from(a), <&[i8; 8]>::try_from(w)) {
        return dot(a, w);
    }
    dot(a, w)
}
