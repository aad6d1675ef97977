//! Definition of the depthwise convolution: plain loops over tokens, channels and taps, a block of
//! channels at a time.

use super::Depthwise;
use crate::epilogue::Epilogue;
use crate::slices::{HALF, LANES, blocks, window};

/// Computes the rows; lengths were checked by
/// [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8) or its like for 16 bits.
pub(crate) fn run<T: Copy + Into<i32>>(args: &Depthwise<'_, T>, mut epilogue: Epilogue<'_>, out_stride: usize) {
    for line in 0..args.lines() {
        row(&args.line(line), &mut epilogue.behind(line * args.columns_out() * out_stride), out_stride);
    }
}

/// Computes a row.
fn row<T: Copy + Into<i32>>(args: &Depthwise<'_, T>, epilogue: &mut Epilogue<'_>, out_stride: usize) {
    for x in 0..args.columns_out() {
        blocks(args.bias.len(), |first, width| {
            let at = x * out_stride + first;
            match width {
                _ if width == LANES => epilogue.store(at, &sums::<LANES, T>(args, x, first)?, args.requant, first),
                _ if width == HALF => epilogue.store(at, &sums::<HALF, T>(args, x, first)?, args.requant, first),
                _ => epilogue.store(at, &sums::<1, T>(args, x, first)?, args.requant, first),
            }
            Some(())
        });
    }
}

/// Accumulators of channels `first..first + N` of output token `x`. Every window exists by the
/// checks of the entry.
#[inline(always)]
fn sums<const N: usize, T: Copy + Into<i32>>(args: &Depthwise<'_, T>, x: usize, first: usize) -> Option<[i32; N]> {
    let Depthwise { rows, in_stride, columns, kernel, stride, pad, weights, weight_stride, bias, .. } = *args;
    let mut acc: [i32; N] = *window(bias, first)?;
    for (ky, row) in rows.iter().enumerate() {
        for kx in 0..kernel {
            // Left of the map the column wraps to a huge number, which is outside too.
            let column = (x * stride + kx).wrapping_sub(kernel / 2);
            let codes: [T; N] = match row {
                Some(row) if column < columns => *window(row, column * in_stride + first)?,
                _ => [pad; N],
            };
            let weights: &[i8; N] = window(weights, (ky * kernel + kx) * weight_stride + first)?;
            for ((acc, code), weight) in acc.iter_mut().zip(codes).zip(weights) {
                let code: i32 = code.into();
                *acc += code * i32::from(*weight);
            }
        }
    }
    Some(acc)
}
