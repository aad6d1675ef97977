//! The product by `fmlal`, which multiplies f16 and adds in f32: no widening. Sums are those of the
//! definition, in its order.

use super::{GemmF16, neon};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::NeonI8mm;
use crate::neon::product_f16::Fmlal;

/// Computes the product.
pub(super) fn run(_: NeonI8mm, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
    // SAFETY: the token proves NEON and `fmlal`.
    unsafe { neon::product::<Fmlal>(args, epilogue) }
}
