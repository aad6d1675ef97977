//! Definition of the elementwise operators on 16-bit codes: one plain loop each. Lengths and
//! parameters were checked by the callers.

use super::{ENTRIES, FRACTION};
use crate::requant::{Requant, TensorRequant, requant, saturate16};
use crate::slices::{rows, rows_mut};

/// See [`Kernels::limit_s16`](crate::Kernels::limit_s16).
#[inline(always)]
pub(super) fn limit_s16(x: &mut [i16], lo: i16, hi: i16) {
    for x in x {
        *x = (*x).max(lo).min(hi);
    }
}

/// See [`Kernels::interpolate_s16`](crate::Kernels::interpolate_s16).
#[inline(always)]
pub(super) fn interpolate_s16(x: &mut [i16], table: &[i16; ENTRIES]) {
    for x in x {
        // The code with its sign bit flipped counts from the lowest one.
        let from_lowest = (*x as u16) ^ 0x8000;
        let (at, between) = (usize::from(from_lowest >> FRACTION), i32::from(from_lowest & ((1 << FRACTION) - 1)));
        let pair = table.get(at..at + 2).unwrap_or_default();
        if let [low, high] = pair {
            let (low, high) = (i32::from(*low), i32::from(*high));
            *x = (low + (((high - low) * between + (1 << (FRACTION - 1))) >> FRACTION)) as i16;
        }
    }
}

/// See [`Kernels::hardswish_per_channel_s16`](crate::Kernels::hardswish_per_channel_s16).
#[inline(always)]
pub(super) fn hardswish_per_channel_s16(v: &[i16], three: &[i32], params: Requant<'_>, out: &mut [i16]) {
    let Requant { mult, shift, pre_shift } = params;
    for (v, out) in rows(v, three.len()).zip(rows_mut(out, three.len())) {
        for (((v, out), three), (mult, shift)) in v.iter().zip(out).zip(three).zip(mult.iter().zip(shift)) {
            let v = i32::from(*v);
            let u = (v + three).max(0).min(2 * three);
            *out = saturate16(requant(v.wrapping_mul(u), pre_shift, *mult, *shift));
        }
    }
}

/// See [`Kernels::hardswish_to_s16`](crate::Kernels::hardswish_to_s16).
#[inline(always)]
pub(super) fn hardswish_to_s16(x: &[i16], three: i32, requant: TensorRequant, out: &mut [i16]) {
    for (x, out) in x.iter().zip(out) {
        let x = i32::from(*x);
        let u = (x + three).max(0).min(2 * three);
        *out = saturate16(requant.apply(x * u));
    }
}

/// See [`Kernels::store_s16`](crate::Kernels::store_s16).
#[inline(always)]
pub(super) fn store_s16(acc: &[i32], requant: TensorRequant, out: &mut [i16]) {
    for (acc, out) in acc.iter().zip(out) {
        *out = saturate16(requant.apply(*acc));
    }
}

/// See [`Kernels::mean_s16`](crate::Kernels::mean_s16).
#[inline(always)]
pub(super) fn mean_s16(sums: &mut [i32], codes: &[i16]) {
    for token in rows(codes, sums.len()) {
        for (sum, code) in sums.iter_mut().zip(token) {
            *sum = sum.wrapping_add(i32::from(*code));
        }
    }
}
