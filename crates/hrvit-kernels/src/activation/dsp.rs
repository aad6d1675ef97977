//! The elementwise operators with the DSP extension: the definition's loops, requantised in 32-bit registers.

use crate::dsp::rates::{Rate, shifted};
use crate::isa::Dsp;
use crate::requant::{Range8, Requant, TensorRequant, look_up, saturate16};
use crate::slices::{rows, rows_mut};

/// Calls `put(out, rq(x))` for every element of `[tokens, channels]`.
#[inline(always)]
fn per_channel<T>(dsp: Dsp, x: &[i16], params: Requant<'_>, out: &mut [T], put: impl Fn(&mut T, i32)) {
    let channels = params.mult.len();
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        for ((x, out), rate) in x.iter().zip(out).zip(Rate::all(dsp, params)) {
            put(out, rate.apply(shifted(i32::from(*x), params.pre_shift)));
        }
    }
}

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(dsp: Dsp, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    per_channel(dsp, x, requant, out, |out, rq| *out = range.store(rq));
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(dsp: Dsp, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    per_channel(dsp, x, requant, out, |out, rq| *out = saturate16(rq));
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(dsp: Dsp, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    per_channel(dsp, x, requant, out, |out, rq| *out = out.wrapping_add(rq));
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(dsp: Dsp, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    let rate = Rate::of(dsp, requant);
    for (acc, out) in acc.iter().zip(out) {
        *out = range.store(rate.apply(shifted(*acc, requant.pre_shift)));
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(dsp: Dsp, v: &[i8], three: &[i32], params: Requant<'_>, range: Range8, out: &mut [i8]) {
    for (v, out) in rows(v, three.len()).zip(rows_mut(out, three.len())) {
        for (((v, out), three), rate) in v.iter().zip(out).zip(three).zip(Rate::all(dsp, params)) {
            let v = i32::from(*v);
            let u = ((v << 8) + three).max(0).min(2 * three);
            *out = range.store(rate.apply(shifted(v * u, params.pre_shift)));
        }
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(dsp: Dsp, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    let rate = Rate::of(dsp, requant);
    for (x, out) in x.iter().zip(out) {
        let x = i32::from(*x);
        let u = (x + three).max(0).min(2 * three);
        *out = range.store(rate.apply(shifted(x * u, requant.pre_shift)));
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(dsp: Dsp, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    let rate = Rate::of(dsp, requant);
    for (acc, out) in acc.iter().zip(out) {
        *out = look_up(table, zero, rate.apply(shifted(*acc, requant.pre_shift)));
    }
}
