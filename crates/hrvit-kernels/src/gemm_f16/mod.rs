//! Linear layers and 1x1 convolutions: f16 activations times f16 weights, summed in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(all(hrvit_dsp, hrvit_float_unit))]
mod dsp;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod product;
pub mod scalar;

use half::f16;

use crate::epilogue_f16::EpilogueF16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Output channels of a block of weights.
pub const BLOCK: usize = 8;

/// Weights of `[cout, depth]` in blocks of 8 channels, the last one padded with zeros;
/// `usize::MAX`, which no slice is long, where that many cannot be counted.
pub const fn blocks_f16_len(cout: usize, depth: usize) -> usize {
    match cout.checked_next_multiple_of(BLOCK) {
        Some(channels) => channels.saturating_mul(depth),
        None => usize::MAX,
    }
}

/// Index of weight `[c][i]` of `[cout, depth]` in blocks: `(c / 8 * depth + i) * 8 + c % 8`, depth
/// by depth the 8 channels of a block.
pub const fn blocks_f16_index(depth: usize, c: usize, i: usize) -> usize {
    (c / BLOCK * depth + i) * BLOCK + c % BLOCK
}

/// Operands of [`Kernels::gemm_f16`]:
/// `acc[row][c] = bias[c] + sum over i < depth of a[row][i] * weights[c][i]`, in f32, from the
/// first i to the last.
#[derive(Clone, Copy, Debug)]
pub struct GemmF16<'a> {
    /// `[rows, depth]` row-major, finite.
    pub a: &'a [f16],
    /// Length of every dot product, 1 or more.
    pub depth: usize,
    /// `[cout, depth]` in blocks: [`blocks_f16_len`] elements, each at its [`blocks_f16_index`],
    /// finite; zeros beyond the last channel.
    pub weights: &'a [f16],
    /// `[cout]`, at most 2^64 in magnitude.
    pub bias: &'a [f32],
}

impl Kernels {
    /// Matrix product `[rows, depth] x [depth, cout]`, stored by `epilogue`, whose output is
    /// `[rows, cout]` row-major.
    ///
    /// # Errors
    /// [`ShapeError`] if `depth` or `cout` is 0, or a length does not follow from the others.
    pub fn gemm_f16(self, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) -> Result<(), ShapeError> {
        let GemmF16 { a, depth, weights, bias } = *args;
        let rows = a.len().checked_div(depth).ok_or(ShapeError::Parameter)?;
        require(a.len().is_multiple_of(depth), ShapeError::Input)?;
        require(!bias.is_empty(), ShapeError::Channels)?;
        require(weights.len() == blocks_f16_len(bias.len(), depth), ShapeError::Weights)?;
        require(rows.checked_mul(bias.len()) == Some(epilogue.out_len()), ShapeError::Output)?;
        run(self.tier, args, epilogue);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon => neon, NeonDotprod => neon, NeonI8mm => neon_i8mm, Mve => mve, DspFloat => dsp, Emulated => emulated }
    chosen;
    fn run(args: &GemmF16<'_>, epilogue: EpilogueF16<'_>);
}
