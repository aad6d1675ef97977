//! The product on 16-bit activations with the DSP extension: the loops of [`crate::gemm_s8::dsp`],
//! whose groups are made by moving halves.

use super::GemmS16;
use crate::dsp::pairs;
use crate::epilogue::Epilogue;
use crate::gemm_s8::{Gemm, dsp};
use crate::isa::Dsp;

/// Computes the product.
#[inline(never)] // its buffers would lie on the stack of every instruction set
pub(super) fn run(token: Dsp, args: &GemmS16<'_>, epilogue: Epilogue<'_>) {
    let GemmS16 { a, depth, weights, bias, requant } = *args;
    dsp::run(token, &Gemm { a, depth, weights, bias, requant }, epilogue, pairs::arrange_four);
}
