//! Definition of the product: plain loops over rows, output channels and depth.

use super::Gemm;
use crate::epilogue::{Epilogue, Kernel};
use crate::lanes::{dot, rows, rows_mut};
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
        for (a, out) in rows(self.a, self.depth).zip(rows_mut(out, self.bias.len())) {
            let channels = rows(self.weights, self.depth).zip(self.bias).zip(mult.iter().zip(shift));
            for (((weights, bias), (mult, shift)), out) in channels.zip(out) {
                let acc = *bias + dot(a, weights);
                put(out, requant(acc, pre_shift, *mult, *shift));
            }
        }
    }
}

/// Computes the product; lengths were checked by [`super::gemm_s8`].
pub(super) fn run(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    epilogue.drive(&Product { a, depth, weights, bias, requant });
}
