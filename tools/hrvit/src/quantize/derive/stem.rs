//! Stem and patch embeddings.

use anyhow::Result;
use hrvit_format::OpKind;

use super::{
    Deriver,
    scales::{LINEAR_MARGIN, WIDE_MAX},
};
use crate::quantize::{
    encode::{Index, TABLE8},
    format::Grid,
    operator::QuantOp,
};

/// The most by which GELU of a positive number is below the number.
const GELU_LAG: f64 = 0.17;

/// Real value of a code of the frame: `pixel = code + 128`.
fn pixels() -> Grid {
    Grid::byte(1.0, -128)
}

/// Both convolutions and the first embedding.
pub fn stem(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let conv1 = d.linear(0, pixels(), d.positive_channels(0, &pixels(), d.op(1).depth()));
    let middle = conv1.out()?.clone();
    let output = d.upper(1, &d.reader(2));
    // ReLU comes before GELU: nothing below zero is ever told apart.
    let top = output.scale_of(0) * f64::from(output.hi - output.zero_of(0));
    let index = if d.is_wide() { Index::interpolated((top + GELU_LAG) / WIDE_MAX) } else { Index::over(0.0, top, TABLE8) };
    let index = d.reached(index, 1, &middle);
    let mut ops = vec![conv1, d.indexed(1, middle, index, output.clone())];
    ops.extend(embed(d, 2, output)?);
    Ok(ops)
}

/// 1x1 convolution, depthwise convolution (or a dense one in their place) and LayerNorm, the first
/// at position `first` of the step.
pub fn embed(d: &Deriver<'_>, first: usize, input: Grid) -> Result<Vec<QuantOp>> {
    if d.op(first).kind == OpKind::EmbedDense {
        let dense = Grid::wide(d.wide_of(first, &input, LINEAR_MARGIN));
        return Ok(vec![d.linear(first, input, dense.clone()), d.norm(first + 1, dense, d.residual()?)]);
    }
    let pointwise = d.channels(first, &input, d.op(first + 1).depth());
    let depthwise = Grid::wide(d.wide_of(first + 1, &pointwise, LINEAR_MARGIN));
    Ok(vec![d.linear(first, input, pointwise.clone()), d.linear(first + 1, pointwise, depthwise.clone()), d.norm(first + 2, depthwise, d.residual()?)])
}
