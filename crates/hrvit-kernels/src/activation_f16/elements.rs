//! The elementwise operators, 8 at a time. Generated per instruction set from its `floats`
//! primitives; tails use `scalar`.

/// Makes them for the token `$token` of the instruction set in the folder `$isa`, which proves
/// `$features`.
macro_rules! elements {
    ($token:ident, $isa:ident, $features:literal) => {
        use half::f16;

        use crate::activation_f16::scalar;
        use crate::epilogue_f16::ActivationF16;
        use crate::isa::$token;
        use crate::slices::rows;
        use crate::$isa::floats::{activate, add, div, load, load_f32, load_s16, max, mul, splat, store, store_f32, store_s16};

        /// See [`Kernels::hardswish_f16`](crate::Kernels::hardswish_f16).
        pub(in crate::activation_f16) fn hardswish_f16(_: $token, x: &[f16], out: &mut [f16]) {
            #[target_feature(enable = $features)]
            fn run(x: &[f16], out: &mut [f16]) {
                let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
                for (x, out) in x.iter().zip(out) {
                    store(out, activate(ActivationF16::Hardswish, load(x)));
                }
                scalar::hardswish_f16(x_tail, out_tail);
            }
            // SAFETY: the token proves the features; so below.
            unsafe { run(x, out) }
        }

        /// See [`Kernels::activate_f32`](crate::Kernels::activate_f32).
        pub(in crate::activation_f16) fn activate_f32(_: $token, acc: &[f32], act: ActivationF16, out: &mut [f16]) {
            #[target_feature(enable = $features)]
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
        pub(in crate::activation_f16) fn add_f16(_: $token, x: &mut [f16], y: &[f32]) {
            #[target_feature(enable = $features)]
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
        pub(in crate::activation_f16) fn widen_add_f32(_: $token, x: &[f16], acc: &mut [f32]) {
            #[target_feature(enable = $features)]
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
        pub(in crate::activation_f16) fn add_f32(_: $token, acc: &mut [f32], other: &[f32]) {
            #[target_feature(enable = $features)]
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
        pub(in crate::activation_f16) fn relu_f32(_: $token, acc: &mut [f32]) {
            #[target_feature(enable = $features)]
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
        pub(in crate::activation_f16) fn mean_f16(token: $token, sums: &mut [f32], x: &[f16]) {
            for x in rows(x, sums.len()) {
                widen_add_f32(token, x, sums);
            }
        }

        /// See [`Kernels::s16_to_f16`](crate::Kernels::s16_to_f16).
        pub(in crate::activation_f16) fn s16_to_f16(_: $token, x: &[i16], scale: f32, out: &mut [f16]) {
            #[target_feature(enable = $features)]
            fn run(x: &[i16], scale: f32, out: &mut [f16]) {
                let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
                for (x, out) in x.iter().zip(out) {
                    store(out, mul(load_s16(x), splat(scale)));
                }
                scalar::s16_to_f16(x_tail, scale, out_tail);
            }
            // SAFETY: as above.
            unsafe { run(x, scale, out) }
        }

        /// See [`Kernels::f16_to_s16`](crate::Kernels::f16_to_s16).
        pub(in crate::activation_f16) fn f16_to_s16(_: $token, x: &[f16], scale: f32, out: &mut [i16]) {
            #[target_feature(enable = $features)]
            fn run(x: &[f16], scale: f32, out: &mut [i16]) {
                let ((x, x_tail), (out, out_tail)) = (x.as_chunks(), out.as_chunks_mut());
                for (x, out) in x.iter().zip(out) {
                    store_s16(out, div(load(x), splat(scale)));
                }
                scalar::f16_to_s16(x_tail, scale, out_tail);
            }
            // SAFETY: as above.
            unsafe { run(x, scale, out) }
        }
    };
}

pub(super) use elements;
