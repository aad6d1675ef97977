//! Linear layers and 1x1 convolutions: s8 activations times s8 weights.

#[cfg(target_arch = "x86_64")]
pub(crate) mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(hrvit_dsp)]
pub(crate) mod dsp;
#[cfg(hrvit_mve)]
pub(crate) mod mve;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod_in_order;
#[cfg(target_arch = "aarch64")]
pub(crate) mod neon_i8mm;
#[cfg(target_arch = "aarch64")]
mod neon_in_order;
pub mod scalar;
#[cfg(target_arch = "x86_64")]
mod zmm;

use crate::epilogue::Epilogue;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::packing::Packing;
use crate::requant::Requant;

/// Operands of [`Kernels::gemm_s8`]:
/// `acc[row][c] = bias[c] + sum over i < depth of a[row][i] * weights[c][i]`.
#[derive(Clone, Copy, Debug)]
pub struct Gemm<'a, A = i8> {
    /// `[rows, depth]` row-major, codes in -128..=127.
    pub a: &'a [A],
    /// Length of every dot product, 1 or more.
    pub depth: usize,
    /// `[cout, depth]`, in -127..=127; row-major, or in the packing of a [`PackedGemm`].
    pub weights: &'a [i8],
    /// `[cout]`, the zero point of `a` folded in; `depth * 128 * 127 + |bias| < 2^31`.
    pub bias: &'a [i32],
    /// One multiplier and shift per output channel.
    pub requant: Requant<'a>,
}

/// A [`Gemm`] whose weights lie in `packing`.
#[derive(Clone, Copy, Debug)]
pub struct PackedGemm<'a> {
    /// The operands.
    pub gemm: Gemm<'a>,
    /// How `gemm.weights` lie in memory.
    pub packing: Packing,
}

impl<'a> Gemm<'a> {
    /// These operands, with the weights read as `packing`.
    pub const fn packed(self, packing: Packing) -> PackedGemm<'a> {
        PackedGemm { gemm: self, packing }
    }
}

impl Kernels {
    /// Matrix product `[rows, depth] x [depth, cout]`, requantised per output channel and stored by
    /// `epilogue`, whose output is `[rows, cout]` row-major.
    ///
    /// # Errors
    /// [`ShapeError`] if `depth` or `cout` is 0, or a length does not follow from the others.
    pub fn gemm_s8(self, args: &Gemm<'_>, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        self.gemm_s8_packed(&args.packed(Packing::Rows), epilogue)
    }

    /// [`Kernels::gemm_s8`] on weights in any [`Packing`].
    ///
    /// # Errors
    /// As [`Kernels::gemm_s8`]; the weights have [`Packing::packed_len`] bytes, and this build has
    /// a kernel for their packing (a Cortex-M build has [`Packing::Rows`] only, unless it has every
    /// instruction set).
    pub fn gemm_s8_packed(self, args: &PackedGemm<'_>, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        let PackedGemm { gemm, packing } = args;
        let outputs = check(gemm.a.len(), gemm.depth, gemm.weights, packing.packed_len(gemm.bias.len(), gemm.depth), gemm.bias, gemm.requant)?;
        require(epilogue.out_len() == outputs, ShapeError::Output)?;
        epilogue.check()?;
        match packing {
            Packing::Rows => rows(self.tier, gemm, epilogue),
            #[cfg(hrvit_scalar)]
            Packing::K4 => k4(self.tier, gemm, epilogue),
            #[cfg(hrvit_scalar)]
            Packing::K8 => k8(self.tier, gemm, epilogue),
            #[cfg(not(hrvit_scalar))]
            Packing::K4 | Packing::K8 => return Err(ShapeError::Weights),
        }
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen_rows;
    fn rows(args: &Gemm<'_>, epilogue: Epilogue<'_>);
}

backends! {
    { X86 => [avx2, avx_vnni, zmm], NeonDotprod.. => neon_dotprod }
    chosen_k4;
    fn k4(args: &Gemm<'_>, epilogue: Epilogue<'_>);
}

backends! {
    { NeonI8mm => neon_i8mm }
    chosen_k8;
    fn k8(args: &Gemm<'_>, epilogue: Epilogue<'_>);
}

/// Checks the operands of a product, whose weights should have `weights_len` bytes, and returns
/// `rows * cout`.
pub(crate) fn check(a_len: usize, depth: usize, weights: &[i8], weights_len: Option<usize>, bias: &[i32], requant: Requant<'_>) -> Result<usize, ShapeError> {
    let rows = a_len.checked_div(depth).ok_or(ShapeError::Parameter)?;
    require(rows.checked_mul(depth) == Some(a_len), ShapeError::Input)?;
    require(!bias.is_empty(), ShapeError::Channels)?;
    requant.check(bias.len())?;
    require(weights_len == Some(weights.len()), ShapeError::Weights)?;
    rows.checked_mul(bias.len()).ok_or(ShapeError::Output)
}
