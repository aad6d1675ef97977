//! Depthwise convolution, some output rows at a time: f16 values times f16 weights, summed in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod rows;
pub mod scalar;

use half::f16;

use crate::dwconv_s8::{Sizes, columns_out, lines};
use crate::epilogue_f16::EpilogueF16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Operands of neighbouring output rows of a depthwise convolution with padding `kernel / 2`:
/// `acc[y][x][c] = bias[c] + sum over ky, kx of rows[y * stride + ky][x * stride + kx - kernel / 2][c] * weights[ky][kx][c]`
/// in f32, tap by tap, where a tap outside the map contributes nothing.
#[derive(Clone, Copy, Debug)]
pub struct DepthwiseF16<'a> {
    /// `kernel` input rows from `y * stride - kernel / 2` on, of the first output row `y`, and
    /// `stride` more for every other; `None` outside the map. Each starts at the first channel of
    /// its first token and holds at least `(columns - 1) * in_stride + channels` elements, finite.
    pub rows: &'a [Option<&'a [f16]>],
    /// Elements from a token to the next, `channels` or more.
    pub in_stride: usize,
    /// Tokens in an input row.
    pub columns: usize,
    /// Kernel height and width, odd.
    pub kernel: usize,
    /// Stride, 1 or more.
    pub stride: usize,
    /// `[kernel * kernel, weight_stride]`, tap-major, finite; starts at the first channel's weight
    /// of the first tap, and may end after the last channel's of the last one.
    pub weights: &'a [f16],
    /// Weights from a tap to the next: `channels`, or more where only some channels of a map are
    /// convolved.
    pub weight_stride: usize,
    /// `[channels]`, at most 2^64 in magnitude.
    pub bias: &'a [f32],
}

impl DepthwiseF16<'_> {
    /// Tokens of an output row: `ceil(columns / stride)`.
    fn columns_out(&self) -> usize {
        columns_out(self.columns, self.stride)
    }

    /// Output rows; the parameters were checked.
    fn lines(&self) -> usize {
        lines(self.rows.len(), self.kernel, self.stride).unwrap_or(0)
    }

    /// These of output row `line` alone.
    fn line(&self, line: usize) -> Self {
        let first = line * self.stride;
        Self { rows: self.rows.get(first..).and_then(|rows| rows.get(..self.kernel)).unwrap_or_default(), ..*self }
    }
}

impl Kernels {
    /// Output rows one behind the other: `ceil(columns / stride)` tokens each, `out_stride`
    /// elements apart, of which the first `channels` are written. The output holds at least
    /// `(tokens - 1) * out_stride + channels` elements for the tokens of all rows.
    ///
    /// # Errors
    /// [`ShapeError`] if a count is 0, the kernel even, a stride shorter than the channels, or a
    /// length too short.
    pub fn depthwise_f16(self, args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) -> Result<(), ShapeError> {
        let channels = args.bias.len();
        require(channels != 0, ShapeError::Channels)?;
        let DepthwiseF16 { rows, in_stride, columns, kernel, stride, weights, weight_stride, .. } = *args;
        Sizes { channels, columns, in_stride, kernel, stride, weight_stride, out_stride }.check(rows, weights.len(), epilogue.out_len())?;
        // Kernels that prepare weights take all rows.
        if cfg!(any(target_arch = "x86_64", target_arch = "aarch64")) || args.lines() == 1 {
            run(self.tier, args, epilogue, out_stride);
            return Ok(());
        }
        for line in 0..args.lines() {
            run(self.tier, &args.line(line), epilogue.behind(line * args.columns_out() * out_stride), out_stride);
        }
        Ok(())
    }
}

/// Largest kernel of which vectors take whole vectors of channels and [`rest`] the others.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", hrvit_mve))]
const MAX_KERNEL: usize = 9;

/// The channels from `first` on, by the definition; for kernels up to [`MAX_KERNEL`].
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64", hrvit_mve))]
fn rest(args: &DepthwiseF16<'_>, first: usize, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
    for line in 0..args.lines() {
        let mut rows = [None; MAX_KERNEL];
        for (rest, row) in rows.iter_mut().zip(args.rows.get(line * args.stride..).unwrap_or_default()).take(args.kernel) {
            *rest = row.map(|row| row.get(first..).unwrap_or_default());
        }
        let (Some(rows), Some(weights), Some(bias)) = (rows.get(..args.kernel), args.weights.get(first..), args.bias.get(first..)) else { return };
        let args = DepthwiseF16 { rows, weights, bias, ..*args };
        scalar::run(&args, epilogue.behind(line * args.columns_out() * out_stride + first), out_stride);
    }
}

backends! {
    { Avx2.. => avx2, Neon => neon, NeonDotprod => neon, NeonI8mm => neon_i8mm, Mve => mve, Emulated => emulated }
    chosen;
    fn run(args: &DepthwiseF16<'_>, epilogue: EpilogueF16<'_>, out_stride: usize);
}
