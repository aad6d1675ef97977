//! The elementwise operators on vectors; what 8 do not divide ends as in the definition.

use core::arch::aarch64::*;

use half::f16;

use super::scalar;
use crate::epilogue_f16::ActivationF16;
use crate::isa::Neon;
use crate::lanes::rows;
use crate::neon::floats::{LANES, activate, add, load, load_f32, max, splat, store, store_f32};
use crate::neon::{load_s16x8, store_s16x8};

/// See [`Kernels::hardswish_f16`](crate::Kernels::hardswish_f16).
pub(super) fn hardswish_f16(_: Neon, x: &[f16], out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[f16], out: &mut [f16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
        for (x, out) in x.iter().zip(out) {
            store(out, activate(ActivationF16::Hardswish, load(x)));
        }
        scalar::hardswish_f16(x_tail, out_tail);
    }
    // SAFETY: the token proves NEON; so below.
    unsafe { run(x, out) }
}

/// See [`Kernels::activate_f32`](crate::Kernels::activate_f32).
pub(super) fn activate_f32(_: Neon, acc: &[f32], act: ActivationF16, out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(acc: &[f32], act: ActivationF16, out: &mut [f16]) {
        let ((acc, acc_tail), (out, out_tail)) = (acc.as_chunks(), out.as_chunks_mut());
        for (acc, out) in acc.iter().zip(out) {
            store(out, activate(act, load_f32(acc)));
        }
        scalar::activate_f32(acc_tail, act, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(acc, act, out) }
}

/// See [`Kernels::add_f16`](crate::Kernels::add_f16).
pub(super) fn add_f16(_: Neon, x: &mut [f16], y: &[f32]) {
    #[target_feature(enable = "neon")]
    fn run(x: &mut [f16], y: &[f32]) {
        let ((x, x_tail), (y, y_tail)) = (x.as_chunks_mut(), y.as_chunks());
        for (x, y) in x.iter_mut().zip(y) {
            store(x, add(load(x), load_f32(y)));
        }
        scalar::add_f16(x_tail, y_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, y) }
}

/// See [`Kernels::widen_add_f32`](crate::Kernels::widen_add_f32).
pub(super) fn widen_add_f32(_: Neon, x: &[f16], acc: &mut [f32]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[f16], acc: &mut [f32]) {
        let ((x, x_tail), (acc, acc_tail)) = (x.as_chunks(), acc.as_chunks_mut());
        for (x, acc) in x.iter().zip(acc) {
            store_f32(acc, add(load_f32(acc), load(x)));
        }
        scalar::widen_add_f32(x_tail, acc_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, acc) }
}

/// See [`Kernels::add_f32`](crate::Kernels::add_f32).
pub(super) fn add_f32(_: Neon, acc: &mut [f32], other: &[f32]) {
    #[target_feature(enable = "neon")]
    fn run(acc: &mut [f32], other: &[f32]) {
        let ((acc, acc_tail), (other, other_tail)) = (acc.as_chunks_mut(), other.as_chunks());
        for (acc, other) in acc.iter_mut().zip(other) {
            store_f32(acc, add(load_f32(acc), load_f32(other)));
        }
        scalar::add_f32(acc_tail, other_tail);
    }
    // SAFETY: as above.
    unsafe { run(acc, other) }
}

/// See [`Kernels::relu_f32`](crate::Kernels::relu_f32).
pub(super) fn relu_f32(_: Neon, acc: &mut [f32]) {
    #[target_feature(enable = "neon")]
    fn run(acc: &mut [f32]) {
        let (acc, tail) = acc.as_chunks_mut();
        for acc in acc {
            store_f32(acc, max(load_f32(acc), splat(0.0)));
        }
        scalar::relu_f32(tail);
    }
    // SAFETY: as above.
    unsafe { run(acc) }
}

/// See [`Kernels::mean_f16`](crate::Kernels::mean_f16).
pub(super) fn mean_f16(token: Neon, sums: &mut [f32], x: &[f16]) {
    for x in rows(x, sums.len()) {
        widen_add_f32(token, x, sums);
    }
}

/// See [`Kernels::s16_to_f16`](crate::Kernels::s16_to_f16).
pub(super) fn s16_to_f16(_: Neon, x: &[i16], scale: f32, out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[i16], scale: f32, out: &mut [f16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks::<LANES>(), out.as_chunks_mut());
        for (x, out) in x.iter().zip(out) {
            // SAFETY: reads the 16 bytes of the reference.
            let x = unsafe { load_s16x8(x.as_ptr()) };
            let x = [vcvtq_f32_s32(vmovl_s16(vget_low_s16(x))), vcvtq_f32_s32(vmovl_high_s16(x))];
            store(out, x.map(|x| vmulq_n_f32(x, scale)));
        }
        scalar::s16_to_f16(x_tail, scale, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, scale, out) }
}

/// See [`Kernels::f16_to_s16`](crate::Kernels::f16_to_s16).
pub(super) fn f16_to_s16(_: Neon, x: &[f16], scale: f32, out: &mut [i16]) {
    #[target_feature(enable = "neon")]
    fn run(x: &[f16], scale: f32, out: &mut [i16]) {
        let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut::<LANES>());
        for (x, out) in x.iter().zip(out) {
            // Rounds to nearest, ties to even; saturates twice.
            let [low, high] = load(x).map(|x| vcvtnq_s32_f32(vdivq_f32(x, vdupq_n_f32(scale))));
            // SAFETY: writes the 16 bytes of the reference.
            unsafe { store_s16x8(out.as_mut_ptr(), vqmovn_high_s32(vqmovn_s32(low), high)) };
        }
        scalar::f16_to_s16(x_tail, scale, out_tail);
    }
    // SAFETY: as above.
    unsafe { run(x, scale, out) }
}
