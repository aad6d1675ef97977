//! The product on 16-bit activations on AVX2: the loops of [`crate::gemm_s8::avx2`], which multiply
//! 16-bit activations anyway.

use super::{GemmS16, scalar};
use crate::epilogue::Epilogue;
use crate::gemm_s8::{Gemm, avx2};
use crate::isa::Avx2;

/// Computes the product.
pub(super) fn run(token: Avx2, args: &GemmS16<'_>, epilogue: Epilogue<'_>) {
    let GemmS16 { a, depth, weights, bias, requant } = *args;
    avx2::rows_s16(token, &Gemm { a, depth, weights, bias, requant }, epilogue, |&Gemm { a, depth, weights, bias, requant }, epilogue| {
        scalar::run(&GemmS16 { a, depth, weights, bias, requant }, epilogue);
    });
}
