//! SegFormer head and classification head.

use anyhow::{Context, Result};
use hrvit_format::{BRANCHES, OpKind};

use super::{Deriver, LINEAR_MARGIN, WIDE_MARGIN, WIDE_MAX};
use crate::quantize::{format::Grid, operator::QuantOp, ranges::Extent};

/// SegFormer head up to its logits.
pub fn logits(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let terms = d.ops.iter().zip(d.stats).filter(|(op, _)| op.kind == OpKind::HeadPointwise).map(|(_, stats)| stats.whole());
    let sum = Grid::wide(WIDE_MARGIN * terms.fold(Extent::EMPTY, Extent::and).magnitude() / WIDE_MAX);
    let mut ops: Vec<QuantOp> = Vec::new();
    for (i, op) in d.ops.iter().enumerate() {
        let before = ops.last().and_then(|op| op.output.clone());
        ops.push(match op.kind {
            OpKind::HeadNarrow => d.plain(i, d.stage_norm(op.source)?, d.narrow(i)?),
            OpKind::HeadPointwise => d.linear(i, before.context("a head term without input")?, sum.clone()),
            // The sum of the resized terms is not stored: it has no 16-bit range.
            OpKind::HeadAct => d.plain(i, Grid::term(sum.scale_of(0)), d.upper(i, op.cout.into())),
            _ => d.linear(i, before.context("a classifier without input")?, Grid::wide(d.wide(i, LINEAR_MARGIN))),
        });
    }
    Ok(ops)
}

/// One bottleneck of the classification head, with the downsampled result of the branch before.
pub fn increase(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let summed = [OpKind::IncreaseConv3, OpKind::IncreaseShortcut, OpKind::IncreaseDownsample, OpKind::IncreaseAct];
    let terms = d.ops.iter().zip(d.stats).filter(|(op, _)| summed.contains(&op.kind)).map(|(_, stats)| stats.whole());
    let sum = d.term(terms.fold(Extent::EMPTY, Extent::and).magnitude());
    let narrow = d.narrow(0)?;
    let (conv1, conv2) = (d.positive_channels(1, d.op(2).depth()), d.positive_channels(2, d.op(3).depth()));
    let mut ops = Vec::new();
    for (i, op) in d.ops.iter().enumerate() {
        ops.push(match op.kind {
            OpKind::IncreaseNarrow => d.plain(i, d.stage_norm(op.source)?, narrow.clone()),
            OpKind::IncreaseConv1 => d.linear(i, narrow.clone(), conv1.clone()),
            OpKind::IncreaseConv2 => d.linear(i, conv1.clone(), conv2.clone()),
            OpKind::IncreaseConv3 => d.linear(i, conv2.clone(), sum.clone()),
            OpKind::IncreaseShortcut => d.linear(i, narrow.clone(), sum.clone()),
            OpKind::IncreaseDownsample => d.linear(i, d.increased()?, sum.clone()),
            // The next branch reads it with a 3x3; the last convolution, with a 1x1.
            _ => d.plain(i, sum.clone(), d.upper(i, usize::from(op.cout) * if usize::from(op.source) + 1 < BRANCHES { 9 } else { 1 })),
        });
    }
    Ok(ops)
}

/// Last convolution, mean and linear classifier. The mean has four more fractional bits than the codes of 8 bits it is taken of.
pub fn classify(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let features = d.positive_channels(0, d.op(1).depth());
    let scale = features.scale.iter().map(|s| s / 16.0).collect();
    let mean = if d.is_wide() { features.clone() } else { Grid { scale, zero: vec![0], lo: 0, hi: hrvit_format::POOLED_MAX as i32 } };
    let logits = Grid::wide(d.wide(1, LINEAR_MARGIN));
    Ok(vec![d.linear(0, d.increased()?, features), d.linear(1, mean, logits)])
}
