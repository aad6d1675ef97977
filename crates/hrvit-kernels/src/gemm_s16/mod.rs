//! Linear layers on 16-bit activations: s16 times s8 weights.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(all(hrvit_dsp, feature = "int16x8"))]
mod dsp;
#[cfg(hrvit_mve)]
mod mve;
pub mod scalar;

use crate::epilogue::Epilogue;
use crate::error::{ShapeError, require};
use crate::gemm_s8::check;
use crate::kernels::{Kernels, backends};
use crate::requant::Requant;

/// Operands of [`Kernels::gemm_s16`]:
/// `acc[row][c] = bias[c] + sum over i < depth of a[row][i] * weights[c][i]`.
#[derive(Clone, Copy, Debug)]
pub struct GemmS16<'a> {
    /// `[rows, depth]` row-major.
    pub a: &'a [i16],
    /// Length of every dot product, 1 or more; `depth * max|a| * 127 + |bias| < 2^31`.
    pub depth: usize,
    /// `[cout, depth]` row-major, in -127..=127.
    pub weights: &'a [i8],
    /// `[cout]`.
    pub bias: &'a [i32],
    /// One multiplier and shift per output channel.
    pub requant: Requant<'a>,
}

impl Kernels {
    /// Matrix product `[rows, depth] x [depth, cout]`, requantised per output channel and stored by
    /// `epilogue`, whose output is `[rows, cout]` row-major.
    ///
    /// # Errors
    /// [`ShapeError`] if `depth` or `cout` is 0, or a length does not follow from the others.
    pub fn gemm_s16(self, args: &GemmS16<'_>, epilogue: Epilogue<'_>) -> Result<(), ShapeError> {
        let outputs = check(args.a.len(), args.depth, args.weights, args.bias.len().checked_mul(args.depth), args.bias, args.requant)?;
        require(epilogue.out_len() == outputs, ShapeError::Output)?;
        epilogue.check()?;
        run(self.tier, args, epilogue);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, DspInt16x8 => dsp, Mve => mve }
    chosen;
    fn run(args: &GemmS16<'_>, epilogue: Epilogue<'_>);
}
