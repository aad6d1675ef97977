//! Depthwise convolution, one output row at a time: f16 values times f16 weights, summed in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod scalar;

use half::f16;

use crate::dwconv_s8::span;
use crate::epilogue_f16::EpilogueF16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Operands of one output row of a depthwise convolution with padding `kernel / 2`:
/// `acc[x][c] = bias[c] + sum over ky, kx of rows[ky][x * stride + kx - kernel / 2][c] * weights[ky][kx][c]` in f32, tap by tap, where a tap outside the map
/// contributes nothing.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseF16<'a> {
    /// `kernel` input rows `y * stride - kernel / 2 ..`, `None` outside the map. Each starts at the first channel of its first token and holds at least
    /// `(columns - 1) * in_stride + channels` elements, finite.
    pub rows: &'a [Option<&'a [f16]>],
    /// Elements from a token to the next, `channels` or more.
    pub in_stride: usize,
    /// Tokens in an input row.
    pub columns: usize,
    /// Kernel height and width, odd.
    pub kernel: usize,
    /// Stride, 1 or more.
    pub stride: usize,
    /// `[kernel * kernel, weight_stride]`, tap-major, finite; starts at the first channel's weight of the first tap, and may end after the last channel's of the
    /// last one.
    pub weights: &'a [f16],
    /// Weights from a tap to the next: `channels`, or more where only some channels of a map are convolved.
    pub weight_stride: usize,
    /// `[channels]`, at most 2^64 in magnitude.
    pub bias: &'a [f32],
}

impl DepthwiseF16<'_> {
    /// Tokens of the output row: `ceil(columns / stride)`.
    fn columns_out(&self) -> usize {
        self.columns.checked_next_multiple_of(self.stride).and_then(|columns| columns.checked_div(self.stride)).unwrap_or(0)
    }
}

impl Kernels {
    /// One output row: `ceil(columns / stride)` tokens, `out_stride` elements apart, of which the first `channels` of each are written. The output holds at least
    /// `(tokens - 1) * out_stride + channels` elements.
    ///
    /// # Errors
    /// [`ShapeError`] if a count is 0, the kernel even, a stride shorter than the channels, or a length too short.
    pub fn depthwise_f16(self, args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize) -> Result<(), ShapeError> {
        let channels = args.bias.len();
        require(channels != 0, ShapeError::Channels)?;
        require(args.kernel % 2 == 1 && args.stride != 0 && args.in_stride >= channels && out_stride >= channels, ShapeError::Parameter)?;
        require(args.weight_stride >= channels, ShapeError::Weights)?;
        let weights = args.kernel.checked_mul(args.kernel).and_then(|taps| span(taps, args.weight_stride, channels));
        require(weights.is_some_and(|weights| args.weights.len() >= weights), ShapeError::Weights)?;
        let row_len = span(args.columns, args.in_stride, channels).ok_or(ShapeError::Parameter)?;
        require(args.rows.len() == args.kernel && args.rows.iter().flatten().all(|row| row.len() >= row_len), ShapeError::Input)?;
        let out_len = span(args.columns_out(), out_stride, channels).ok_or(ShapeError::Parameter)?;
        require(epilogue.out_len() >= out_len, ShapeError::Output)?;
        run(self.tier, args, epilogue, out_stride);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon, Mve => mve }
    chosen;
    fn run(args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize);
}
