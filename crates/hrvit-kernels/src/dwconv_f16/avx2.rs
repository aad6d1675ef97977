//! The depthwise convolution, 8 channels at a time: weights are widened once per row, and where the
//! window moves by one token and lies inside the map, a group of output tokens shares each value
//! that is read.
//!
//! Sums are those of the definition, in its order. Kernels above 9x9 are left to `scalar`, as are
//! the last channels where 8 do not divide them.

use half::f16;

use super::{DepthwiseF16, MAX_KERNEL, rest, scalar};
use crate::avx2::floats::{LANES, fma, load, load_f32, load_up_to, put_eight, store_f32};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Avx2;
use crate::slices::window;

/// Most taps.
const MAX_TAPS: usize = MAX_KERNEL * MAX_KERNEL;
/// Output tokens of a small group; a large one has twice as many.
const TOKENS: usize = 4;

/// Weights of 8 channels, tap by tap.
type Taps = [[f32; LANES]; MAX_TAPS];

/// Computes the row.
pub(super) fn run(_: Avx2, args: &DepthwiseF16<'_>, mut epilogue: EpilogueF16<'_>, out_stride: usize) {
    let vectors = args.bias.len() / LANES * LANES;
    if args.kernel * args.kernel > MAX_TAPS {
        return scalar::run(args, epilogue, out_stride);
    }
    // SAFETY: the token proves the features.
    unsafe { row(args, &mut epilogue, out_stride) }
    if vectors < args.bias.len() {
        rest(args, vectors, epilogue, out_stride);
    }
}

/// All whole vectors of channels.
#[target_feature(enable = "avx2,fma,f16c")]
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
#[target_feature(enable = "avx2,fma,f16c")]
fn channels<const K: usize>(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, taps: &Taps, first: usize) -> Option<()> {
    // Windows of the tokens from `start` to `end` lie inside the map.
    let (start, end) = ((K / 2).min(args.columns), args.columns.saturating_sub(K / 2));
    each_token(args, epilogue, out_stride, taps, first, 0..start)?;
    let mut x = start;
    while x + 2 * TOKENS <= end {
        some_tokens::<K, { 2 * TOKENS }>(args, epilogue, out_stride, taps, first, x)?;
        x += 2 * TOKENS;
    }
    if x + TOKENS <= end {
        some_tokens::<K, TOKENS>(args, epilogue, out_stride, taps, first, x)?;
        x += TOKENS;
    }
    each_token(args, epilogue, out_stride, taps, first, x..args.columns)
}

/// 8 channels of `T` tokens from `x` on, whose windows lie inside the map: each value is read once
/// for all tokens whose window it is in.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn some_tokens<const K: usize, const T: usize>(
    args: &DepthwiseF16<'_>,
    epilogue: &mut EpilogueF16<'_>,
    out_stride: usize,
    taps: &Taps,
    first: usize,
    x: usize,
) -> Option<()> {
    let mut acc = [load_up_to(args.bias, first); T];
    for (row, taps) in args.rows.iter().zip(taps.as_chunks::<K>().0) {
        let Some(row) = row else { continue };
        let weights = taps.each_ref().map(|tap| load_f32(tap));
        for j in 0..T + K - 1 {
            let value = load(window::<f16, LANES>(row, (x - K / 2 + j) * args.in_stride + first)?);
            for (t, acc) in acc.iter_mut().enumerate() {
                if let Some(weight) = j.checked_sub(t).and_then(|kx| weights.get(kx)) {
                    *acc = fma(*acc, value, *weight);
                }
            }
        }
    }
    for (t, acc) in acc.into_iter().enumerate() {
        put_eight(epilogue, (x + t) * out_stride + first, acc);
    }
    Some(())
}

/// 8 channels of all tokens, for any kernel and stride.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn strided(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, taps: &Taps, first: usize) -> Option<()> {
    let tokens = args.columns_out();
    // Windows of the tokens from `start` to `end` lie inside the map.
    let start = (args.kernel / 2).div_ceil(args.stride).min(tokens);
    let end = args.columns.saturating_sub(args.kernel / 2).div_ceil(args.stride);
    each_token(args, epilogue, out_stride, taps, first, 0..start)?;
    let mut x = start;
    while x + 2 * TOKENS <= end {
        some_strided::<{ 2 * TOKENS }>(args, epilogue, out_stride, taps, first, x)?;
        x += 2 * TOKENS;
    }
    if x + TOKENS <= end {
        some_strided::<TOKENS>(args, epilogue, out_stride, taps, first, x)?;
        x += TOKENS;
    }
    each_token(args, epilogue, out_stride, taps, first, x..tokens)
}

/// 8 channels of `T` tokens from `x` on, whose windows lie inside the map: they only share the
/// weights.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn some_strided<const T: usize>(args: &DepthwiseF16<'_>, epilogue: &mut EpilogueF16<'_>, out_stride: usize, taps: &Taps, first: usize, x: usize) -> Option<()> {
    let DepthwiseF16 { rows, in_stride, kernel, stride, .. } = *args;
    let mut acc = [load_up_to(args.bias, first); T];
    for (row, taps) in rows.iter().zip(taps.chunks(kernel)) {
        let Some(row) = row else { continue };
        for (kx, tap) in taps.iter().enumerate() {
            let weight = load_f32(tap);
            // The first token's value, and then every `stride` tokens one.
            let row = row.get((x * stride + kx - kernel / 2) * in_stride + first..)?;
            for (t, acc) in acc.iter_mut().enumerate() {
                *acc = fma(*acc, load(window::<f16, LANES>(row, t * stride * in_stride)?), weight);
            }
        }
    }
    for (t, acc) in acc.into_iter().enumerate() {
        put_eight(epilogue, (x + t) * out_stride + first, acc);
    }
    Some(())
}

/// 8 channels of some tokens, one after the other.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
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
        put_eight(epilogue, x * out_stride + first, acc);
    }
    Some(())
}
