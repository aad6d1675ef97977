//! Depthwise convolution, one output row at a time: f16 values times f16 weights, summed in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod rows;
pub mod scalar;

use half::f16;

use crate::dwconv_s8::{Sizes, columns_out};
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
        columns_out(self.columns, self.stride)
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
        let DepthwiseF16 { rows, in_stride, columns, kernel, stride, weights, weight_stride, .. } = *args;
        require(rows.len() == kernel, ShapeError::Input)?;
        Sizes { channels, columns, in_stride, kernel, stride, weight_stride, out_stride }.check(rows, weights.len(), epilogue.out_len())?;
        run(self.tier, args, epilogue, out_stride);
        Ok(())
    }
}

/// Largest kernel of which vectors take whole vectors of channels and [`rest`] the others.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", hrvit_mve))]
const MAX_KERNEL: usize = 9;

/// The channels from `first` on, by the definition; for kernels up to [`MAX_KERNEL`].
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", hrvit_mve))]
fn rest(args: &DepthwiseF16<'_>, first: usize, epilogue: EpilogueF16<'_>, out_stride: usize) {
    let mut rows = [None; MAX_KERNEL];
    for (rest, row) in rows.iter_mut().zip(args.rows) {
        *rest = row.map(|row| row.get(first..).unwrap_or_default());
    }
    let (Some(rows), Some(weights), Some(bias)) = (rows.get(..args.kernel), args.weights.get(first..), args.bias.get(first..)) else { return };
    let args = DepthwiseF16 { rows, weights, bias, ..*args };
    match epilogue {
        EpilogueF16::Store { out, act } => scalar::run(&args, EpilogueF16::Store { out: out.get_mut(first..).unwrap_or_default(), act }, out_stride),
        EpilogueF16::Add { out } => scalar::run(&args, EpilogueF16::Add { out: out.get_mut(first..).unwrap_or_default() }, out_stride),
        EpilogueF16::Sum { out } => scalar::run(&args, EpilogueF16::Sum { out: out.get_mut(first..).unwrap_or_default() }, out_stride),
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon, Mve => mve, Emulated => emulated }
    chosen;
    fn run(args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize);
}
