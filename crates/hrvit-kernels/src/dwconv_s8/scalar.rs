//! Definition of the depthwise convolution: plain loops over tokens, channels and taps, a block of channels at a time.

use super::Depthwise;
use crate::epilogue::{Epilogue, Kernel};
use crate::lanes::{HALF, LANES, blocks, window, window_mut};
use crate::requant::requant;

/// One output row whose tokens lie `out_stride` apart.
struct Row<'a> {
    args: &'a Depthwise<'a>,
    out_stride: usize,
}

impl Kernel for Row<'_> {
    fn run<T>(&self, out: &mut [T], put: impl Fn(&mut T, i32)) {
        let channels = self.args.bias.len();
        let mut rest = out;
        for x in 0..self.args.columns_out() {
            // The last token may end with its last channel.
            let token = core::mem::take(&mut rest);
            let len = self.out_stride.min(token.len());
            let Some((token, after)) = token.split_at_mut_checked(len) else { return };
            rest = after;
            blocks(channels, |first, width| match width {
                LANES => self.block::<T, LANES>(x, first, token, &put),
                HALF => self.block::<T, HALF>(x, first, token, &put),
                _ => self.block::<T, 1>(x, first, token, &put),
            });
        }
    }
}

impl Row<'_> {
    /// Channels `first..first + N` of output token `x`. Every window exists by the checks of [`super::depthwise_s8`].
    #[inline(always)]
    fn block<T, const N: usize>(&self, x: usize, first: usize, token: &mut [T], put: &impl Fn(&mut T, i32)) -> Option<()> {
        let Depthwise { rows, in_stride, columns, kernel, stride, pad, weights, weight_stride, bias, requant: params } = *self.args;
        let mut acc: [i32; N] = *window(bias, first)?;
        for (ky, row) in rows.iter().enumerate() {
            for kx in 0..kernel {
                // Left of the map the column wraps to a huge number, which is outside too.
                let column = (x * stride + kx).wrapping_sub(kernel / 2);
                let codes: [i8; N] = match row {
                    Some(row) if column < columns => *window(row, column * in_stride + first)?,
                    _ => [pad; N],
                };
                let weights: &[i8; N] = window(weights, (ky * kernel + kx) * weight_stride + first)?;
                for ((acc, code), weight) in acc.iter_mut().zip(codes).zip(weights) {
                    *acc += i32::from(code) * i32::from(*weight);
                }
            }
        }
        let mult: &[i32; N] = window(params.mult, first)?;
        let shift: &[u8; N] = window(params.shift, first)?;
        let out: &mut [T; N] = window_mut(token, first)?;
        for ((out, acc), (mult, shift)) in out.iter_mut().zip(acc).zip(mult.iter().zip(shift)) {
            put(out, requant(acc, params.pre_shift, *mult, *shift));
        }
        Some(())
    }
}

/// Computes the row; lengths were checked by [`super::depthwise_s8`].
pub(super) fn run(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    epilogue.drive(&Row { args, out_stride });
}
