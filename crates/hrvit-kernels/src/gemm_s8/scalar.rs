//! Definition of the product: plain loops over rows, output channels and depth.

use super::Gemm;
use crate::epilogue::Epilogue;
use crate::packing::Packing;
use crate::requant::Requant;
use crate::slices::{dot, rows as each_row};

/// Channels whose accumulators are stored at a time. Of no effect on any result.
const RUN: usize = 16;

/// A product over activations of type `A`, shared by the s8 and the s16 kernel.
pub(crate) struct Product<'a, A> {
    pub(crate) a: &'a [A],
    pub(crate) depth: usize,
    pub(crate) weights: &'a [i8],
    pub(crate) bias: &'a [i32],
    pub(crate) requant: Requant<'a>,
}

impl<A: Copy + Into<i32>> Product<'_, A> {
    /// Weights `[cout, depth]`.
    pub(crate) fn run(&self, epilogue: Epilogue<'_>) {
        self.store(epilogue, |channel, a| {
            let start = channel * self.depth;
            dot(a, self.weights.get(start..start + self.depth).unwrap_or_default())
        });
    }

    /// Every output, from the sum of products that `sum` gives for its channel and row.
    fn store(&self, mut epilogue: Epilogue<'_>, sum: impl Fn(usize, &[A]) -> i32) {
        let cout = self.bias.len();
        for (row, a) in each_row(self.a, self.depth).enumerate() {
            for (run, biases) in self.bias.chunks(RUN).enumerate() {
                let channel = run * RUN;
                let mut sums = [0; RUN];
                for ((c, acc), bias) in (channel..).zip(&mut sums).zip(biases) {
                    *acc = *bias + sum(c, a);
                }
                epilogue.store(row * cout + channel, sums.get(..biases.len()).unwrap_or_default(), self.requant, channel);
            }
        }
    }
}

/// A product over packed weights.
fn packed(args: &Gemm<'_>, packing: Packing, epilogue: Epilogue<'_>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    Product { a, depth, weights, bias, requant }.store(epilogue, |channel, a| {
        let weight = |i| weights.get(packing.index(depth, channel, i)).copied().unwrap_or_default();
        a.iter().enumerate().fold(0, |sum, (i, a)| sum + i32::from(*a) * i32::from(weight(i)))
    });
}

/// Computes the product with weights in [`Packing::Rows`]; lengths were checked by the caller, as
/// in the functions below.
pub(super) fn rows(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    let Gemm { a, depth, weights, bias, requant } = *args;
    Product { a, depth, weights, bias, requant }.run(epilogue);
}

/// Computes the product with weights in [`Packing::K4`].
pub(super) fn k4(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    packed(args, Packing::K4, epilogue);
}

/// Computes the product with weights in [`Packing::K8`].
pub(super) fn k8(args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    packed(args, Packing::K8, epilogue);
}
