//! The depthwise convolution, 8 channels at a time: their weights are widened once per row, and where the window moves by one token and lies inside the map, 4
//! output tokens share each value that is read.
//!
//! Sums are those of the definition, in its order. Kernels above 9x9 are left to `scalar`, as are the last channels where 8 do not divide them.

use half::f16;

use super::{DepthwiseF16, MAX_KERNEL, rest, scalar};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Neon;
use crate::lanes::window;
use crate::neon::floats::{LANES, fma, load, load_f32, load_up_to, put, store_f32};

/// Most taps.
const MAX_TAPS: usize = MAX_KERNEL * MAX_KERNEL;
/// Output tokens that share values.
const TOKENS: usize = 4;

/// Weights of 8 channels, tap by tap.
type Taps = [[f32; LANES]; MAX_TAPS];

/// Computes the row.
pub(super) fn run(_: Neon, args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
    let vectors = args.bias.len() / LANES * LANES;
    if args.kernel * args.kernel > MAX_TAPS {
        return scalar::run(args, epilogue, out_stride);
    }
    // SAFETY: the token proves NEON.
    unsafe { row(args, &mut epilogue, out_stride) }
    if vectors < args.bias.len() {
        rest(args, vectors, epilogue, out_stride);
    }
}

/// All whole vectors of channels.
#[target_feature(enable = "neon")]
fn row(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize) {
    let mut taps: Taps = [[0.0; LANES]; MAX_TAPS];
    for first in (0..args.bias.len() / LANES * LANES).step_by(LANES) {
        for (tap, weights) in taps.iter_mut().zip(0..args.kernel * args.kernel) {
            let Some(weights) = window(args.weights, weights * args.weight_stride + first) else { return };
            store_f32(tap, load(weights));
        }
        let done = match (args.kernel, args.stride) {
            (3, 1) => channels::<3>(args, epilogue, out_stride, &taps, first),
            (5, 1) => channels::<5>(args, epilogue, out_stride, &taps, first),
            _ => strided(args, epilogue, out_stride, &taps, first),
        };
        if done.is_none() {
            return;
        }
    }
}

/// 8 channels of all tokens, for a `K`x`K` kernel of stride 1.
#[inline]
#[target_feature(enable = "neon")]
fn channels<const K: usize>(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, taps: &Taps, first: usize) -> Option<()> {
    let bias = load_up_to(args.bias, first);
    // Windows of the tokens from `inside` on lie inside the map, groups of `TOKENS` as long as they do.
    let inside = (K / 2).min(args.columns);
    let groups = (args.columns + 1).saturating_sub(K) / TOKENS;
    each_token(args, epilogue, out_stride, taps, first, 0..inside)?;
    for x in (inside..).step_by(TOKENS).take(groups) {
        let mut acc = [bias; TOKENS];
        for (row, taps) in args.rows.iter().zip(taps.as_chunks::<K>().0) {
            let Some(row) = row else { continue };
            let weights = taps.each_ref().map(|tap| load_f32(tap));
            for j in 0..TOKENS + K - 1 {
                let value = load(window::<f16, LANES>(row, (x - K / 2 + j) * args.in_stride + first)?);
                for (t, acc) in acc.iter_mut().enumerate() {
                    if let Some(weight) = j.checked_sub(t).and_then(|kx| weights.get(kx)) {
                        *acc = fma(*acc, value, *weight);
                    }
                }
            }
        }
        for (t, acc) in acc.into_iter().enumerate() {
            put(epilogue, (x + t) * out_stride + first, acc, LANES);
        }
    }
    each_token(args, epilogue, out_stride, taps, first, inside + groups * TOKENS..args.columns)
}

/// 8 channels of all tokens, for any kernel and stride: groups of tokens only share the weights.
#[inline]
#[target_feature(enable = "neon")]
fn strided(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, taps: &Taps, first: usize) -> Option<()> {
    let DepthwiseF16 { rows, in_stride, columns, kernel, stride, bias, .. } = *args;
    let bias = load_up_to(bias, first);
    let tokens = args.columns_out();
    let inside = (kernel / 2).div_ceil(stride).min(tokens);
    // Windows of the tokens below `end` do not reach beyond the last column.
    let end = columns.saturating_sub(kernel / 2).div_ceil(stride);
    let groups = end.saturating_sub(inside) / TOKENS;
    each_token(args, epilogue, out_stride, taps, first, 0..inside)?;
    for x in (inside..).step_by(TOKENS).take(groups) {
        let mut acc = [bias; TOKENS];
        for (row, taps) in rows.iter().zip(taps.chunks(kernel)) {
            let Some(row) = row else { continue };
            for (kx, tap) in taps.iter().enumerate() {
                let weight = load_f32(tap);
                for (t, acc) in acc.iter_mut().enumerate() {
                    let value = load(window::<f16, LANES>(row, ((x + t) * stride + kx - kernel / 2) * in_stride + first)?);
                    *acc = fma(*acc, value, weight);
                }
            }
        }
        for (t, acc) in acc.into_iter().enumerate() {
            put(epilogue, (x + t) * out_stride + first, acc, LANES);
        }
    }
    each_token(args, epilogue, out_stride, taps, first, inside + groups * TOKENS..tokens)
}

/// 8 channels of some tokens, one after the other.
#[inline]
#[target_feature(enable = "neon")]
fn each_token(
    args: &DepthwiseF16<'_>,
    epilogue: &mut EpilogueF16<'_>,
    out_stride: usize,
    taps: &Taps,
    first: usize,
    tokens: core::ops::Range<usize>,
) -> Option<()> {
    let DepthwiseF16 { rows, in_stride, columns, kernel, stride, bias, .. } = *args;
    let bias = load_up_to(bias, first);
    for x in tokens {
        let mut acc = bias;
        // Taps inside the map.
        let left = (kernel / 2).saturating_sub(x * stride);
        let right = (columns + kernel / 2).saturating_sub(x * stride).min(kernel);
        for (row, taps) in rows.iter().zip(taps.chunks(kernel)) {
            let Some(row) = row else { continue };
            for (kx, tap) in taps.iter().enumerate().take(right).skip(left) {
                let value = load(window::<f16, LANES>(row, (x * stride + kx - kernel / 2) * in_stride + first)?);
                acc = fma(acc, value, load_f32(tap));
            }
        }
        put(epilogue, x * out_stride + first, acc, LANES);
    }
    Some(())
}
