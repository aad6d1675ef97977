//! Definition of the elementwise operators: one plain loop each. Lengths and parameters were
//! checked by the callers.

use crate::requant::{Range8, Requant, TensorRequant, look_up, requant, saturate16};
use crate::slices::{rows, rows_mut};

/// Calls `put(out, rq(x))` for every element of `[tokens, channels]`,
/// `channels = params.mult.len()`.
#[inline(always)]
fn per_channel<T>(x: &[i16], params: Requant<'_>, out: &mut [T], put: impl Fn(&mut T, i32)) {
    let Requant { mult, shift, pre_shift } = params;
    for (x, out) in rows(x, mult.len()).zip(rows_mut(out, mult.len())) {
        for ((x, out), (mult, shift)) in x.iter().zip(out).zip(mult.iter().zip(shift)) {
            put(out, requant(i32::from(*x), pre_shift, *mult, *shift));
        }
    }
}

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    per_channel(x, requant, out, |out, rq| *out = range.store(rq));
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    per_channel(x, requant, out, |out, rq| *out = saturate16(rq));
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    per_channel(x, requant, out, |out, rq| *out = out.wrapping_add(rq));
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    for (acc, out) in acc.iter().zip(out) {
        *out = range.store(requant.apply(*acc));
    }
}

/// See [`Kernels::add_s16`](crate::Kernels::add_s16).
pub(super) fn add_s16(x: &mut [i16], y: &[i32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = saturate16(i32::from(*x).saturating_add(*y));
    }
}

/// See [`Kernels::add_s32`](crate::Kernels::add_s32).
pub(super) fn add_s32(acc: &mut [i32], other: &[i32]) {
    for (acc, other) in acc.iter_mut().zip(other) {
        *acc = acc.wrapping_add(*other);
    }
}

/// See [`Kernels::relu_s32`](crate::Kernels::relu_s32).
pub(super) fn relu_s32(acc: &mut [i32]) {
    for acc in acc {
        *acc = (*acc).max(0);
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(v: &[i8], three: &[i32], params: Requant<'_>, range: Range8, out: &mut [i8]) {
    let Requant { mult, shift, pre_shift } = params;
    for (v, out) in rows(v, three.len()).zip(rows_mut(out, three.len())) {
        for (((v, out), three), (mult, shift)) in v.iter().zip(out).zip(three).zip(mult.iter().zip(shift)) {
            let v = i32::from(*v);
            let u = ((v << 8) + three).max(0).min(2 * three);
            *out = range.store(requant(v * u, pre_shift, *mult, *shift));
        }
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    for (x, out) in x.iter().zip(out) {
        let x = i32::from(*x);
        let u = (x + three).max(0).min(2 * three);
        *out = range.store(requant.apply(x * u));
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    for (acc, out) in acc.iter().zip(out) {
        *out = look_up(table, zero, requant.apply(*acc));
    }
}

/// See [`Kernels::mean_s8`](crate::Kernels::mean_s8).
pub(super) fn mean_s8(sums: &mut [i32], codes: &[i8], zero: i32) {
    for token in rows(codes, sums.len()) {
        for (sum, code) in sums.iter_mut().zip(token) {
            *sum = sum.wrapping_add(i32::from(*code) - zero);
        }
    }
}
