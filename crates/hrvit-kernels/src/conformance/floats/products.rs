//! Products, depthwise convolutions and patches.

use half::f16;

use super::Kind;
use crate::conformance::products::short;
use crate::conformance::{Arena, Label, Rng, Suite};
use crate::dwconv_f16::DepthwiseF16;
use crate::family::Family;
use crate::gemm_f16::{GemmF16, blocks_f16_index, blocks_f16_len};
use crate::math_f32::widen;

const DEPTHS: [usize; 16] = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 31, 33, 64, 100, 288];
const COUTS: [usize; 12] = [1, 3, 7, 8, 9, 15, 16, 17, 19, 24, 31, 40];
const ROWS: [usize; 12] = [0, 1, 2, 3, 4, 5, 6, 7, 8, 11, 12, 13];

/// Kernel and stride of every depthwise convolution of the network, and some others.
const KERNELS: [(usize, usize); 7] = [(3, 1), (5, 1), (3, 2), (5, 4), (9, 8), (1, 1), (7, 3)];
/// Most input rows.
const MOST_ROWS: usize = 9 + 8;
const CHANNELS: [usize; 12] = [1, 3, 4, 7, 8, 9, 15, 16, 17, 24, 40, 66];

/// All products and convolutions of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for (i, depth) in DEPTHS.into_iter().enumerate() {
        for (j, cout) in COUTS.into_iter().enumerate() {
            let rows = suite.rng.pick(&ROWS).unwrap_or(1);
            let done = gemm(suite, &mut Arena::new(scratch), (rows, depth, cout), i + j + suite.round as usize);
            short(suite, done, Family::GemmF16);
        }
    }
    // Long depths, and many rows.
    for (way, (rows, depth, cout)) in [(2, 2304, 9), (5, 1152, 16), (3, 2048, 8), (300, 16, 8), (130, 64, 24), (67, 256, 8)].into_iter().enumerate() {
        let done = gemm(suite, &mut Arena::new(scratch), (rows, depth, cout), way + suite.round as usize);
        short(suite, done, Family::GemmF16);
    }
    for (i, kernel) in KERNELS.into_iter().enumerate() {
        for (j, channels) in CHANNELS.into_iter().enumerate() {
            let columns = match suite.rng.next() & 3 {
                0 => suite.rng.size(0, 3),
                _ => suite.rng.size(1, 40),
            };
            let done = depthwise(suite, &mut Arena::new(scratch), kernel, channels, columns, i + j + suite.round as usize);
            short(suite, done, Family::DepthwiseF16);
        }
    }
    for channels in [1, 2, 3, 5, 8, 16, 33] {
        for stride in [1, 2, 3] {
            let done = patches(suite, &mut Arena::new(scratch), channels, stride);
            short(suite, done, Family::Im2rowF16);
        }
    }
    let mut arena = Arena::new(scratch);
    let len = suite.rng.size(0, 200);
    if let Some(pixels) = arena.make(len, |_| suite.rng.next() as u8) {
        let label = Label { family: Family::Im2rowF16, name: "pixels", sizes: [len, 0, 0, 0] };
        suite.check(label, &mut arena, len, |rng| Kind::Usual.value(rng), |kernels, out| kernels.pixels_f16(pixels, out));
    }
}

fn gemm(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (rows, depth, cout): (usize, usize, usize), way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let kind = Kind::pick(rng);
    let a = arena.make(rows * depth, |_| kind.value(rng))?;
    let weights = arena.make(blocks_f16_len(cout, depth), |at| {
        let channel = at / (8 * depth) * 8 + at % 8;
        if channel < cout { kind.value(rng) } else { f16::ZERO }
    })?;
    let bias = arena.make(cout, |_| kind.wide(rng))?;
    let args = GemmF16 { a, depth, weights, bias };
    let magnitude = |at: usize| {
        let (row, channel) = (at / cout, at % cout);
        let sum = a.iter().skip(row * depth).take(depth).enumerate().fold(0.0, |sum, (i, a)| {
            let weight = weights.get(blocks_f16_index(depth, channel, i)).copied().unwrap_or_default();
            sum + (widen(*a) * widen(weight)).abs()
        });
        sum + bias.get(channel).map_or(0.0, |bias| bias.abs())
    };
    suite.check_stored((Family::GemmF16, [rows, depth, cout, kind as usize]), way, arena, rows * cout, magnitude, |kernels, epilogue| {
        kernels.gemm_f16(&args, epilogue)
    });
    Some(())
}

fn depthwise(suite: &mut Suite<'_>, arena: &mut Arena<'_>, (kernel, stride): (usize, usize), channels: usize, columns: usize, way: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let gaps = |rng: &mut Rng| if rng.next() & 1 == 0 { 0 } else { rng.size(1, 20) };
    let (in_stride, weight_stride, out_stride) = (channels + gaps(rng), channels + gaps(rng), channels + gaps(rng));
    let span = |tokens: usize, stride: usize| tokens.checked_sub(1).map_or(0, |gaps| gaps * stride + channels);
    let kind = Kind::pick(rng);
    let mut rows: [Option<&[f16]>; MOST_ROWS] = [None; MOST_ROWS];
    // Input rows of one output row, two or three.
    let count = kernel + rng.size(0, if stride == 1 { 2 } else { 1 }) * stride;
    let (first, last) = (rng.size(0, kernel / 2), rng.size(count - kernel / 2 - 1, count - 1));
    for (ky, row) in rows.iter_mut().enumerate().take(count) {
        if (first..=last).contains(&ky) {
            *row = Some(arena.make(span(columns, in_stride), |_| kind.value(rng))?);
        }
    }
    let weights = arena.make(span(kernel * kernel, weight_stride), |_| kind.value(rng))?;
    let bias = arena.make(channels, |_| kind.wide(rng))?;
    let args = DepthwiseF16 { rows: rows.get(..count)?, in_stride, columns, kernel, stride, weights, weight_stride, bias };
    let tokens = ((count - kernel) / stride + 1) * columns.div_ceil(stride);
    // Gaps between tokens stay unwritten.
    let magnitude = |at: usize| {
        let (token, channel) = (at / out_stride, at % out_stride);
        let Some(bias) = bias.get(channel).filter(|_| token < tokens) else { return 0.0 };
        let (y, x) = (token / columns.div_ceil(stride), token % columns.div_ceil(stride));
        let mut sum = bias.abs();
        for (ky, row) in args.rows.iter().skip(y * stride).take(kernel).enumerate() {
            for kx in 0..kernel {
                let column = (x * stride + kx).wrapping_sub(kernel / 2);
                let value = row.filter(|_| column < columns).and_then(|row| row.get(column * in_stride + channel));
                let weight = weights.get((ky * kernel + kx) * weight_stride + channel);
                sum += value.zip(weight).map_or(0.0, |(value, weight)| (widen(*value) * widen(*weight)).abs());
            }
        }
        sum
    };
    let len = span(tokens, out_stride) + rng.size(0, 3);
    suite.check_stored((Family::DepthwiseF16, [kernel, count, columns, channels]), way, arena, len, magnitude, |kernels, epilogue| {
        kernels.depthwise_f16(&args, epilogue, out_stride)
    });
    Some(())
}

fn patches(suite: &mut Suite<'_>, arena: &mut Arena<'_>, channels: usize, stride: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let columns = rng.size(1, 12);
    let missing = rng.size(0, 3);
    let mut rows: [Option<&[f16]>; 3] = [None; 3];
    for (ky, row) in rows.iter_mut().enumerate() {
        if ky != missing {
            *row = Some(arena.make(columns * channels, |_| Kind::Any.value(rng))?);
        }
    }
    let label = Label { family: Family::Im2rowF16, name: "patches", sizes: [columns, channels, stride, missing] };
    let len = columns.div_ceil(stride) * 9 * channels;
    suite.check(label, arena, len, |rng| Kind::Usual.value(rng), |kernels, out| kernels.im2row_f16(rows, channels, stride, out));
    Some(())
}
