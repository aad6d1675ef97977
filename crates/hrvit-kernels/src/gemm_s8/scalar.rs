//! Definition of the product: plain loops over rows, output channels and depth.

use super::Gemm;
use crate::epilogue::{Epilogue, Kernel};
use crate::lanes::{dot, rows as each_row, rows_mut};
use crate::layout::Layout;
use crate::requant::{Requant, requant};

/// A product over activations of type `A`, shared by the s8 and the s16 kernel.
pub(crate) struct Product<'a, A> {
    pub(crate) a: &'a [A],
    pub(crate) depth: usize,
    pub(crate) weights: &'a [i8],
    pub(crate) bias: &'a [i32],
    pub(crate) requant: Requant<'a>,
}

impl<A: Copy + Into<i32>> Kernel for Product<'_, A> {
    fn run<T>(&self, out: &mut [T], put: impl Fn(&mut T, i32)) {
        let Requant { mult, shift, pre_shift } = self.requant;
        for (a, out) in each_row(self.a, self.depth).zip(rows_mut(out, self.bias.len())) {
            let channels = each_row(self.weights, self.depth).zip(self.bias).zip(mult.iter().zip(shift));
            for (((weights, bias), (mult, shift)), out) in channels.zip(out) {
                let acc = *bias + dot(a, weights);
                put(out, requant(acc, pre_shift, *mult, *shift));
            }
        }
    }
}

/// A product over weights in a packed layout.
struct Packed<'a> {
    args: &'a Gemm<'a>,
    layout: Layout,
}

impl Kernel for Packed<'_> {
    fn run<T>(&self, out: &mut [T], put: impl Fn(&mut T, i32)) {
        let Gemm { a, depth, weights, bias, requant: Requant { mult, shift, pre_shift } } = *self.args;
        for (a, out) in each_row(a, depth).zip(rows_mut(out, bias.len())) {
            for ((c, (bias, out)), (mult, shift)) in bias.iter().zip(out).enumerate().zip(mult.iter().zip(shift)) {
                let mut acc = *bias;
                for (i, a) in a.iter().enumerate() {
                    let weight = weights.get(self.layout.index(depth, c, i)).copied().unwrap_or_default();
                    acc += i32::from(*a) * i32::from(weight);
                }
                put(out, requant(acc, pre_shift, *mult, *shift));
            }
        }
    }
}

/// Computes the product with weights in [`Layout::Rows`]; lengths were checked by the caller, as in the functions below.
pub(super) fn rows(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    epilogue.drive(&Product { a, depth, weights, bias, requant });
}

/// Computes the product with weights in [`Layout::K4`].
pub(super) fn k4(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    epilogue.drive(&Packed { args, layout: Layout::K4 });
}

/// Computes the product with weights in [`Layout::K8`].
pub(super) fn k8(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    epilogue.drive(&Packed { args, layout: Layout::K8 });
}
