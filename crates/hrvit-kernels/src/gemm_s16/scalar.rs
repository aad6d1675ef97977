//! Definition of the product on 16-bit activations: the loops of [`crate::gemm_s8::scalar`] over
//! another type.

use super::GemmS16;
use crate::epilogue::Epilogue;
use crate::gemm_s8::scalar::Product;

/// Computes the product; lengths were checked by [`Kernels::gemm_s16`](crate::Kernels::gemm_s16).
pub(super) fn run(args: &GemmS16<'_>, epilogue: Epilogue<'_>) {
    let GemmS16 { a, depth, weights, bias, requant } = *args;
    Product { a, depth, weights, bias, requant }.run(epilogue);
}
