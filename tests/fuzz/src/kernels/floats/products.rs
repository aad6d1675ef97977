//! Products, depthwise convolutions, patches and pixels of f16.

use hrvit_kernels::math_f32::widen;
use hrvit_kernels::{DepthwiseF16, GemmF16, blocks_f16_index, blocks_f16_len, f16};

use super::super::Entry;
use super::super::convolution::{Patches, Sizes, borrowed, pixels};
use super::super::operands::{Block, Operands};
use super::super::products::sizes;
use super::{Kind, magnitude};
use crate::Verdict;

pub(in super::super) const ENTRIES: &[Entry] =
    &[("gemm_f16", gemm_f16), ("depthwise_f16", depthwise_f16), ("im2row_f16", im2row_f16), ("pixels_f16", pixels_f16)];

/// Weights of `[cout, depth]` in blocks, with zeros where they pad.
pub(super) fn blocks(operands: &mut Operands<'_>, kind: Kind, cout: usize, depth: usize) -> Block<f16> {
    let len = operands.len(blocks_f16_len(cout, depth));
    operands.block(len, |operands, at| if at / (8 * depth) * 8 + at % 8 < cout { kind.value(operands) } else { f16::ZERO })
}

/// The magnitude of a product.
fn product(a: f16, b: f16) -> f32 {
    (widen(a) * widen(b)).abs()
}

fn gemm_f16(operands: &mut Operands<'_>) -> Verdict {
    let (rows, depth, cout) = sizes(operands);
    let kind = Kind::draw(operands);
    let [a, channels, outputs] = [rows * depth, cout, rows * cout].map(|len| operands.len(len));
    let (a, weights, bias) = (kind.values(operands, a), blocks(operands, kind, cout, depth), kind.wides(operands, channels));
    let args = GemmF16 { a: &a, depth: operands.count(depth), weights: &weights, bias: &bias };
    let terms = |at: usize| {
        let (row, channel) = (at / cout, at % cout);
        let products = (0..depth).map(|i| product(a[row * depth + i], weights[blocks_f16_index(depth, channel, i)]));
        products.sum::<f32>() + magnitude(&bias, channel)
    };
    operands.agree_stored_f16(outputs, terms, |kernels, epilogue| kernels.gemm_f16(&args, epilogue))
}

fn depthwise_f16(operands: &mut Operands<'_>) -> Verdict {
    let sizes = Sizes::draw(operands);
    let kind = Kind::draw(operands);
    let rows = sizes.rows(operands, |operands, len| kind.values(operands, len));
    let (weights, channels) = (operands.len(sizes.span(sizes.kernel * sizes.kernel, sizes.weight_stride)), operands.len(sizes.channels));
    let (weights, bias) = (kind.values(operands, weights), kind.wides(operands, channels));
    let args = DepthwiseF16 {
        rows: &borrowed(&rows),
        in_stride: operands.count(sizes.in_stride),
        columns: operands.count(sizes.columns),
        kernel: operands.count(sizes.kernel),
        stride: operands.count(sizes.stride),
        weights: &weights,
        weight_stride: operands.count(sizes.weight_stride),
        bias: &bias,
    };
    let (outputs, out_stride) = (sizes.outputs(operands), operands.count(sizes.out_stride));
    let terms = |at: usize| {
        let (x, channel) = (at / out_stride, at % out_stride);
        // Between tokens nothing is written.
        if channel >= bias.len() {
            return 0.0;
        }
        let taps = (0..args.kernel).flat_map(|ky| (0..args.kernel).map(move |kx| (ky, kx)));
        let products = taps.map(|(ky, kx)| {
            let column = (x * args.stride + kx).wrapping_sub(args.kernel / 2);
            let value = args.rows[ky].filter(|_| column < args.columns).map(|row| row[column * args.in_stride + channel]);
            value.map_or(0.0, |value| product(value, weights[(ky * args.kernel + kx) * args.weight_stride + channel]))
        });
        products.sum::<f32>() + magnitude(&bias, channel)
    };
    operands.agree_stored_f16(outputs, terms, |kernels, epilogue| kernels.depthwise_f16(&args, epilogue, out_stride))
}

fn im2row_f16(operands: &mut Operands<'_>) -> Verdict {
    let kind = Kind::draw(operands);
    let patches = Patches::draw(operands, |operands, len| kind.values(operands, len));
    let start = kind.values(operands, patches.outputs);
    operands.agree(&start, |kernels, out| kernels.im2row_f16(patches.rows(), patches.channels, patches.stride, out))
}

fn pixels_f16(operands: &mut Operands<'_>) -> Verdict {
    let (pixels, outputs) = pixels(operands);
    let start = Kind::draw(operands).values(operands, outputs);
    operands.agree(&start, |kernels, out| kernels.pixels_f16(&pixels, out))
}
