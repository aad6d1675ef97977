//! Depthwise convolution, some output rows at a time: s8 codes times s8 weights. [`Depthwise`]
//! serves codes of 16 bits too.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(hrvit_dsp)]
mod dsp_planar;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(hrvit_mve)]
mod planar;
pub mod scalar;
#[cfg(any(hrvit_dsp, hrvit_mve))]
mod window;
#[cfg(target_arch = "x86_64")]
mod zmm;

use crate::epilogue::Epilogue;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::Requant;

/// Operands of neighbouring output rows of a depthwise convolution with padding `kernel / 2`:
/// `acc[y][x][c] = bias[c] + sum over ky, kx of rows[y * stride + ky][x * stride + kx - kernel / 2][c] * weights[ky][kx][c]`,
/// where a tap outside the map reads `pad`.
#[derive(Clone, Copy, Debug)]
pub struct Depthwise<'a, T = i8> {
    /// `kernel` input rows from `y * stride - kernel / 2` on, of the first output row `y`, and
    /// `stride` more for every other; `None` outside the map. Each starts at the first channel of
    /// its first token and holds at least `(columns - 1) * in_stride + channels` elements.
    pub rows: &'a [Option<&'a [T]>],
    /// Elements from a token to the next, `channels` or more.
    pub in_stride: usize,
    /// Tokens in an input row.
    pub columns: usize,
    /// Kernel height and width, odd.
    pub kernel: usize,
    /// Stride, 1 or more.
    pub stride: usize,
    /// Code of a padded tap: the zero point of the input.
    pub pad: T,
    /// `[kernel * kernel, weight_stride]`, tap-major, in -127..=127; starts at the first channel's
    /// weight of the first tap, and may end after the last channel's of the last one.
    pub weights: &'a [i8],
    /// Weights from a tap to the next: `channels`, or more where only some channels of a map are
    /// convolved.
    pub weight_stride: usize,
    /// `[channels]`, the zero point of the input folded in;
    /// `kernel^2 * max|code| * 127 + |bias| < 2^31`.
    pub bias: &'a [i32],
    /// One multiplier and shift per channel.
    pub requant: Requant<'a>,
}

impl<T> Depthwise<'_, T> {
    /// Tokens of an output row: `ceil(columns / stride)`.
    pub(crate) fn columns_out(&self) -> usize {
        columns_out(self.columns, self.stride)
    }

    /// Output rows; the parameters were checked.
    pub(crate) fn lines(&self) -> usize {
        lines(self.rows.len(), self.kernel, self.stride).unwrap_or(0)
    }

    /// These of output row `line` alone.
    #[inline(always)]
    pub(crate) fn line(&self, line: usize) -> Self
    where
        T: Copy,
    {
        let first = line * self.stride;
        Self { rows: self.rows.get(first..first + self.kernel).unwrap_or_default(), ..*self }
    }

    /// Checks all lengths against each other and against the output.
    pub(crate) fn check(&self, epilogue: &Epilogue<'_>, out_stride: usize) -> Result<(), ShapeError> {
        let channels = self.bias.len();
        require(channels != 0, ShapeError::Channels)?;
        self.requant.check(channels)?;
        let Depthwise { rows, in_stride, columns, kernel, stride, weights, weight_stride, .. } = *self;
        Sizes { channels, columns, in_stride, kernel, stride, weight_stride, out_stride }.check(rows, weights.len(), epilogue.out_len())?;
        epilogue.check()
    }
}

/// Sizes of a depthwise convolution on elements of any type, as [`Depthwise`] has them.
pub(crate) struct Sizes {
    pub(crate) channels: usize,
    pub(crate) columns: usize,
    pub(crate) in_stride: usize,
    pub(crate) kernel: usize,
    pub(crate) stride: usize,
    pub(crate) weight_stride: usize,
    pub(crate) out_stride: usize,
}

impl Sizes {
    /// Checks them against each other, the rows, and the elements of weights and output.
    pub(crate) fn check<T>(&self, rows: &[Option<&[T]>], weights_len: usize, out_len: usize) -> Result<(), ShapeError> {
        let Self { channels, columns, in_stride, kernel, stride, weight_stride, out_stride } = *self;
        require(kernel % 2 == 1 && stride != 0 && in_stride >= channels && out_stride >= channels, ShapeError::Parameter)?;
        require(weight_stride >= channels, ShapeError::Weights)?;
        let weights = kernel.checked_mul(kernel).and_then(|taps| span(taps, weight_stride, channels));
        require(weights.is_some_and(|weights| weights_len >= weights), ShapeError::Weights)?;
        let lines = lines(rows.len(), kernel, stride).ok_or(ShapeError::Input)?;
        let row_len = span(columns, in_stride, channels).ok_or(ShapeError::Parameter)?;
        require(rows.iter().flatten().all(|row| row.len() >= row_len), ShapeError::Input)?;
        let tokens = columns_out(columns, stride);
        require(span(tokens, stride, kernel).is_some(), ShapeError::Parameter)?;
        let needed = lines.checked_mul(tokens).and_then(|tokens| span(tokens, out_stride, channels)).ok_or(ShapeError::Parameter)?;
        require(out_len >= needed, ShapeError::Output)
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
    pub fn depthwise_s8(self, args: &Depthwise<'_>, mut epilogue: Epilogue<'_>, out_stride: usize) -> Result<(), ShapeError> {
        args.check(&epilogue, out_stride)?;
        // Kernels that prepare weights take all rows.
        if cfg!(target_arch = "aarch64") {
            run(self.tier, args, epilogue, out_stride);
            return Ok(());
        }
        for line in 0..args.lines() {
            run(self.tier, &args.line(line), epilogue.behind(line * args.columns_out() * out_stride), out_stride);
        }
        Ok(())
    }
}

backends! {
    { X86 => [avx2, avx2, zmm], Dsp => dsp, Mve => mve, Neon => neon, NeonDotprod.. => neon_dotprod }
    chosen;
    fn run(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize);
}

/// Output rows of a kernel that moves by `stride` over so many input rows; none where they are no
/// whole number.
pub(crate) fn lines(rows: usize, kernel: usize, stride: usize) -> Option<usize> {
    let others = rows.checked_sub(kernel)?;
    (others.checked_rem(stride)? == 0).then_some(others / stride + 1)
}

/// `ceil(columns / stride)`; 0 where there is none.
pub(crate) fn columns_out(columns: usize, stride: usize) -> usize {
    columns.checked_next_multiple_of(stride).and_then(|columns| columns.checked_div(stride)).unwrap_or(0)
}

/// Addresses that kernels compute past the last element that they read, in strides.
const AHEAD: usize = 16;

/// Elements that `tokens` of `channels` cover when they lie `stride` apart. `None` where an address
/// overflows, be it of twice as many and [`AHEAD`] more: kernels compute the next ones before they
/// know that there are none.
fn span(tokens: usize, stride: usize, channels: usize) -> Option<usize> {
    tokens.checked_mul(2)?.checked_add(AHEAD)?.checked_mul(stride)?.checked_add(channels)?;
    Some(tokens.checked_sub(1).map_or(0, |gaps| gaps * stride + channels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Isa;

    #[test]
    fn strides_at_the_end_of_the_address_space_are_refused_by_every_instruction_set() {
        let (row, weights, bias) = ([1i8; 20], [1i8; 20], [0i32; 20]);
        let requant = Requant { mult: &[1 << 30; 20], shift: &[31; 20], pre_shift: 0 };
        let plain = Depthwise {
            rows: &[Some(&row[..])],
            in_stride: 20,
            columns: 1,
            kernel: 1,
            stride: 1,
            pad: 0,
            weights: &weights,
            weight_stride: 20,
            bias: &bias,
            requant,
        };
        let all = |args: &Depthwise<'_>, out_stride, expected| {
            for isa in Isa::available() {
                let found = Kernels::new(isa).unwrap().depthwise_s8(args, Epilogue::Store16 { out: &mut [0; 20] }, out_stride);
                assert_eq!(found, expected, "{isa:?}: {args:?}, {out_stride}");
            }
        };
        all(&plain, 20, Ok(()));
        for most in [usize::MAX, usize::MAX / 2 + 1, usize::MAX / 16] {
            let cases = [
                (Depthwise { weight_stride: most, ..plain }, 20, ShapeError::Weights),
                (Depthwise { in_stride: most, ..plain }, 20, ShapeError::Parameter),
                (Depthwise { stride: most, ..plain }, 20, ShapeError::Parameter),
                (plain, most, ShapeError::Parameter),
            ];
            for (args, out_stride, error) in cases {
                all(&args, out_stride, Err(error));
            }
        }
    }
}
