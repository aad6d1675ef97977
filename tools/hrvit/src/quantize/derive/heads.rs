//! SegFormer head and classification head.

use anyhow::{Context, Result};
use hrvit_format::{BRANCHES, OpKind};

use super::{
    Deriver,
    scales::{WIDE_MARGIN, WIDE_MAX},
};
use crate::quantize::{format::Grid, operator::QuantOp};

/// SegFormer head up to its logits.
pub fn logits(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let (act, classifier) = (d.find(OpKind::HeadAct)?, d.find(OpKind::HeadClassifier)?);
    let largest = d.largest(|kind| kind == OpKind::HeadPointwise);
    let all = |kind| (0..d.ops.len()).filter(move |&i| d.op(i).kind == kind);
    let narrowed = all(OpKind::HeadNarrow).map(|i| d.narrow(i)).collect::<Result<Vec<_>>>()?;
    let mut coarse: Vec<f64> = largest.iter().map(|most| WIDE_MARGIN * most / WIDE_MAX).collect();
    for (i, input) in all(OpKind::HeadPointwise).zip(&narrowed) {
        coarse.iter_mut().zip(d.roomy(i, input)).for_each(|(most, scale)| *most = most.max(scale));
    }
    let (output, sums) = d.summed(act, d.op(classifier).depth(), |c| coarse[c]);
    let sum = Grid { scale: sums, ..Grid::wide(1.0) };
    let mut ops: Vec<QuantOp> = Vec::new();
    let mut narrowed = narrowed.into_iter();
    for (i, op) in d.ops.iter().enumerate() {
        let before = ops.last().and_then(|op| op.output.clone());
        ops.push(match op.kind {
            OpKind::HeadNarrow => d.plain(i, d.stage_norm(op.source)?, narrowed.next().context("a branch that is not narrowed")?),
            OpKind::HeadPointwise => d.linear(i, before.context("a head term without input")?, sum.clone()),
            // The sum of the resized terms is not stored: it has no 16-bit range.
            OpKind::HeadAct => d.plain(i, Grid { scale: sum.scale.clone(), ..Grid::term(1.0) }, output.clone()),
            _ => {
                let input = before.context("a classifier without input")?;
                let logits = d.logits(i, &input);
                d.linear(i, input, logits)
            }
        });
    }
    Ok(ops)
}

/// One bottleneck of the classification head, with the downsampled result of the branch before.
pub fn increase(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let summed = [OpKind::IncreaseConv3, OpKind::IncreaseShortcut, OpKind::IncreaseDownsample, OpKind::IncreaseAct];
    let (act, largest) = (d.find(OpKind::IncreaseAct)?, d.largest(|kind| summed.contains(&kind)));
    let narrow = d.narrow(0)?;
    let conv1 = d.positive_channels(1, &narrow, d.op(2).depth());
    let conv2 = d.positive_channels(2, &conv1, d.op(3).depth());
    // The next branch reads it with a 3x3; the last convolution, with a 1x1.
    let shape = d.op(act);
    let depth = usize::from(shape.cout) * if usize::from(shape.source) + 1 < BRANCHES { 9 } else { 1 };
    let mut roomy = vec![0.0f64; shape.cout.into()];
    for (i, op) in d.ops.iter().enumerate() {
        let input = match op.kind {
            OpKind::IncreaseConv3 => conv2.clone(),
            OpKind::IncreaseShortcut => narrow.clone(),
            OpKind::IncreaseDownsample => d.increased()?,
            _ => continue,
        };
        roomy.iter_mut().zip(d.roomy(i, &input)).for_each(|(most, scale)| *most = most.max(scale));
    }
    let (output, sums) = d.summed(act, depth, |c| d.term_scale(largest[c]).max(roomy[c]));
    let sum = Grid { scale: sums, ..Grid::term(1.0) };
    let mut ops = Vec::new();
    for (i, op) in d.ops.iter().enumerate() {
        ops.push(match op.kind {
            OpKind::IncreaseNarrow => d.plain(i, d.stage_norm(op.source)?, narrow.clone()),
            OpKind::IncreaseConv1 => d.linear(i, narrow.clone(), conv1.clone()),
            OpKind::IncreaseConv2 => d.linear(i, conv1.clone(), conv2.clone()),
            OpKind::IncreaseConv3 => d.linear(i, conv2.clone(), sum.clone()),
            OpKind::IncreaseShortcut => d.linear(i, narrow.clone(), sum.clone()),
            OpKind::IncreaseDownsample => d.linear(i, d.increased()?, sum.clone()),
            _ => d.plain(i, sum.clone(), output.clone()),
        });
    }
    Ok(ops)
}

/// Last convolution, mean and linear classifier. The mean has four more fractional bits than the
/// codes of 8 bits it is taken of.
pub fn classify(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let input = d.increased()?;
    let features = d.positive_channels(0, &input, d.op(1).depth());
    let scale = features.scale.iter().map(|s| s / 16.0).collect();
    let mean = if d.is_wide() { features.clone() } else { Grid { scale, zero: vec![0], lo: 0, hi: hrvit_format::POOLED_MAX as i32 } };
    let logits = d.logits(1, &mean);
    Ok(vec![d.linear(0, input, features), d.linear(1, mean, logits)])
}
