//! Definition of the depthwise convolution: plain loops over tokens, channels and taps, a block of
//! channels at a time.

use half::f16;

use super::DepthwiseF16;
use crate::epilogue_f16::EpilogueF16;
use crate::math_f32::widen;
use crate::slices::{HALF_F16, LANES_F16, blocks_of, window};

/// Computes the rows; lengths were checked by
/// [`Kernels::depthwise_f16`](crate::Kernels::depthwise_f16).
pub(super) fn run(args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
    for line in 0..args.lines() {
        let args = args.line(line);
        for x in 0..args.columns_out() {
            blocks_of(LANES_F16, args.bias.len(), |first, width| {
                let at = (line * args.columns_out() + x) * out_stride + first;
                match width {
                    _ if width == LANES_F16 => epilogue.store(at, &sums::<LANES_F16>(&args, x, first)?),
                    _ if width == HALF_F16 => epilogue.store(at, &sums::<HALF_F16>(&args, x, first)?),
                    _ => epilogue.store(at, &sums::<1>(&args, x, first)?),
                }
                Some(())
            });
        }
    }
}

/// Sums of channels `first..first + N` of output token `x`. Every window exists by the checks of
/// the entry.
#[inline(always)]
fn sums<const N: usize>(args: &DepthwiseF16<'_>, x: usize, first: usize) -> Option<[f32; N]> {
    let DepthwiseF16 { rows, in_stride, columns, kernel, stride, weights, weight_stride, bias } = *args;
    let mut acc: [f32; N] = *window(bias, first)?;
    for (ky, row) in rows.iter().enumerate() {
        let Some(row) = row else { continue };
        for kx in 0..kernel {
            // Left of the map the column wraps to a huge number, which is outside too.
            let column = (x * stride + kx).wrapping_sub(kernel / 2);
            if column >= columns {
                continue;
            }
            let values: &[f16; N] = window(row, column * in_stride + first)?;
            let weights: &[f16; N] = window(weights, (ky * kernel + kx) * weight_stride + first)?;
            for ((acc, value), weight) in acc.iter_mut().zip(values).zip(weights) {
                *acc += widen(*value) * widen(*weight);
            }
        }
    }
    Some(acc)
}
