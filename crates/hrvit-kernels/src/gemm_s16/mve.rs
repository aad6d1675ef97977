//! The product on 16-bit activations on MVE: the loops of [`crate::gemm_s8::mve`] over another
//! type.

use super::{GemmS16, scalar};
use crate::epilogue::Epilogue;
use crate::gemm_s8::mve::Product;
use crate::isa::Mve;
use crate::mve::dots::{self, MIN_DEPTH};

/// Computes the product.
pub(super) fn run(_: Mve, args: &GemmS16<'_>, epilogue: Epilogue<'_>) {
    let GemmS16 { a, depth, weights, bias, requant } = *args;
    if depth < MIN_DEPTH || bias.len() < 2 {
        return scalar::run(args, epilogue);
    }
    let product = Product { a, depth, weights, bias, requant, dots: dots::s16 };
    // SAFETY: the token proves MVE; the entry has checked that `a` is whole rows, that there are
    // `cout * depth` weights and `rows * cout` outputs, and one bias, multiplier and shift for each
    // of the 2 or more channels; `depth` was checked above.
    unsafe { product.run(epilogue) };
}
