//! Definition of the elementwise operators: one plain loop each. Lengths and parameters were
//! checked by the callers.

use half::f16;

use crate::epilogue_f16::ActivationF16;
use crate::math_f32::{hardswish, narrow, round, widen};
use crate::slices::rows;

/// See [`Kernels::hardswish_f16`](crate::Kernels::hardswish_f16).
pub(super) fn hardswish_f16(x: &[f16], out: &mut [f16]) {
    for (x, out) in x.iter().zip(out) {
        *out = narrow(hardswish(widen(*x)));
    }
}

/// See [`Kernels::activate_f32`](crate::Kernels::activate_f32).
pub(super) fn activate_f32(acc: &[f32], act: ActivationF16, out: &mut [f16]) {
    for (acc, out) in acc.iter().zip(out) {
        *out = narrow(act.apply(*acc));
    }
}

/// See [`Kernels::add_f16`](crate::Kernels::add_f16).
pub(super) fn add_f16(x: &mut [f16], y: &[f32]) {
    for (x, y) in x.iter_mut().zip(y) {
        *x = narrow(widen(*x) + y);
    }
}

/// See [`Kernels::widen_add_f32`](crate::Kernels::widen_add_f32).
pub(super) fn widen_add_f32(x: &[f16], acc: &mut [f32]) {
    for (x, acc) in x.iter().zip(acc) {
        *acc += widen(*x);
    }
}

/// See [`Kernels::add_f32`](crate::Kernels::add_f32).
pub(super) fn add_f32(acc: &mut [f32], other: &[f32]) {
    for (acc, other) in acc.iter_mut().zip(other) {
        *acc += other;
    }
}

/// See [`Kernels::relu_f32`](crate::Kernels::relu_f32).
pub(super) fn relu_f32(acc: &mut [f32]) {
    for acc in acc {
        *acc = acc.max(0.0);
    }
}

/// See [`Kernels::mean_f16`](crate::Kernels::mean_f16).
pub(super) fn mean_f16(sums: &mut [f32], x: &[f16]) {
    for token in rows(x, sums.len()) {
        for (sum, x) in sums.iter_mut().zip(token) {
            *sum += widen(*x);
        }
    }
}

/// See [`Kernels::s16_to_f16`](crate::Kernels::s16_to_f16).
pub(super) fn s16_to_f16(x: &[i16], scale: f32, out: &mut [f16]) {
    for (x, out) in x.iter().zip(out) {
        *out = narrow(scale * f32::from(*x));
    }
}

/// See [`Kernels::f16_to_s16`](crate::Kernels::f16_to_s16).
pub(super) fn f16_to_s16(x: &[f16], scale: f32, out: &mut [i16]) {
    for (x, out) in x.iter().zip(out) {
        *out = round((widen(*x) / scale).clamp(-32768.0, 32767.0)) as i16;
    }
}
