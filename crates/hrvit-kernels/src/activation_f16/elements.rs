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

        crate::activation_f16::elements::operators! {
            $token, $features;
            fn hardswish_f16(x: &[f16], out: &mut [f16]) of x to out { store(out, activate(ActivationF16::Hardswish, load(x))) }
            fn activate_f32(acc: &[f32], act: ActivationF16, out: &mut [f16]) of acc to out { store(out, activate(act, load_f32(acc))) }
            fn add_f16(x: &mut [f16], y: &[f32]) of y to x { store(x, add(load(x), load_f32(y))) }
            fn widen_add_f32(x: &[f16], acc: &mut [f32]) of x to acc { store_f32(acc, add(load_f32(acc), load(x))) }
            fn add_f32(acc: &mut [f32], other: &[f32]) of other to acc { store_f32(acc, add(load_f32(acc), load_f32(other))) }
            fn s16_to_f16(x: &[i16], scale: f32, out: &mut [f16]) of x to out { store(out, mul(load_s16(x), splat(scale))) }
            fn f16_to_s16(x: &[f16], scale: f32, out: &mut [i16]) of x to out { store_s16(out, div(load(x), splat(scale))) }
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
            // SAFETY: the token proves the features.
            unsafe { run(acc) }
        }

        /// See [`Kernels::mean_f16`](crate::Kernels::mean_f16).
        pub(in crate::activation_f16) fn mean_f16(token: $token, sums: &mut [f32], x: &[f16]) {
            for x in rows(x, sums.len()) {
                widen_add_f32(token, x, sums);
            }
        }
    };
}

/// Makes operators that read 8 values `of` one slice and write 8 `to` another, and leave what is
/// behind the last 8 to `scalar`.
macro_rules! operators {
    ($token:ident, $features:literal; $(fn $name:ident($($argument:ident: $type:ty),*) of $from:ident to $to:ident $each:block)+) => {
        $(
            #[doc = concat!("See [`Kernels::", stringify!($name), "`](crate::Kernels::", stringify!($name), ").")]
            pub(in crate::activation_f16) fn $name(_: $token, $($argument: $type),*) {
                #[target_feature(enable = $features)]
                fn run($($argument: $type),*) {
                    let (($from, from_tail), ($to, to_tail)) = ($from.as_chunks(), $to.as_chunks_mut());
                    for ($from, $to) in $from.iter().zip($to) {
                        $each;
                    }
                    let ($from, $to) = (from_tail, to_tail);
                    scalar::$name($($argument),*);
                }
                // SAFETY: the token proves the features.
                unsafe { run($($argument),*) }
            }
        )+
    };
}

pub(super) use {elements, operators};
