//! Linear layers and 1x1 convolutions: s8 activations times s8 weights.

pub mod scalar;

use crate::epilogue::Epilogue;
use crate::error::{ShapeError, require};
use crate::requant::Requant;

/// Operands of [`gemm_s8`]: `acc[row][c] = bias[c] + sum over i < depth of a[row][i] * weights[c][i]`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a> {
    /// `[rows, depth]` row-major, codes in -128..=127.
    pub a: &'a [i8],
    /// Length of every dot product, 1 or more.
    pub depth: usize,
    /// `[cout, depth]` row-major, in -127..=127.
    pub weights: &'a [i8],
    /// `[cout]`, the zero point of `a` folded in; `depth * 128 * 127 + |bias| < 2^31`.
    pub bias: &'a [i32],
    /// One multiplier and shift per output channel.
    pub requant: Requant<'a>,
}

/// Matrix product `[rows, depth] x [depth, cout]`, requantised per output channel and stored by `epilogue`, whose output is `[rows, cout]` row-major.
///
/// # Errors
/// [`ShapeError`] if `depth` or `cout` is 0, or a length does not follow from the others.
pub fn gemm_s8(args: &Gemm<'_>, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
    let outputs = check(args.a.len(), args.depth, args.weights, args.bias, args.requant)?;
    require(epilogue.out_len() == outputs, ShapeError::Output)?;
    epilogue.check()?;
    scalar::run(args, epilogue);
    Ok(())
}

/// Checks the operands of a product and returns `rows * cout`.
pub(crate) fn check(a_len: usize, depth: usize, weights: &[i8], bias: &[i32], requant: Requant<'_>) -> Result<usize, ShapeError> {
    let rows = a_len.checked_div(depth).ok_or(ShapeError::Parameter)?;
    require(rows.checked_mul(depth) == Some(a_len), ShapeError::Input)?;
    require(!bias.is_empty(), ShapeError::Channels)?;
    requant.check(bias.len())?;
    require(bias.len().checked_mul(depth) == Some(weights.len()), ShapeError::Weights)?;
    rows.checked_mul(bias.len()).ok_or(ShapeError::Output)
}
