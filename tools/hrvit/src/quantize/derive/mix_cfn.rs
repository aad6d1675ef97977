//! MixCFN: LayerNorm, two linear layers, two depthwise convolutions and a GELU between them.

use anyhow::Result;
use hrvit_format::OpKind;

use super::Deriver;
use crate::quantize::{format::Grid, operator::QuantOp};

/// All operators of a MixCFN.
pub fn mix_cfn(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let [fc1, dw3, dw5, act, fc2] =
        [d.find(OpKind::Fc1)?, d.find(OpKind::FfnDepthwise3)?, d.find(OpKind::FfnDepthwise5)?, d.find(OpKind::FfnAct)?, d.find(OpKind::Fc2)?];
    let norm = d.smoothed_norm(0, fc1, 1)?;
    let hidden = d.channels(fc1, norm.out()?, d.op(dw5).depth());
    let half = usize::from(d.op(dw3).cout);
    let (first, second) = hidden.scale.split_at(half);
    let (reader, residual) = (d.reader(fc2), d.residual_term()?);
    let output = reader.within_reach(d.upper(act, &reader), residual.scale_of(0));
    let index = d.index(&output, d.stats[dw3].whole().and(d.stats[dw5].whole()));
    let inputs = [(dw3, first), (dw5, second)].map(|(i, scale)| (i, Grid { scale: scale.to_vec(), ..hidden.clone() }));
    let index = inputs.iter().fold(index, |index, (i, input)| d.reached(index, *i, input));
    // The convolutions leave indices, or codes between them; the table they look up belongs to the
    // activation.
    let indices = match index.units {
        1 => Grid { scale: vec![index.scale], zero: vec![index.zero], lo: 0, hi: index.len as i32 - 1 },
        _ => Grid::wide(index.unit()),
    };
    let [first, second] = inputs.map(|(i, input)| d.linear(i, input, indices.clone()));
    let ops = vec![
        d.linear(fc1, norm.out()?.clone(), hidden.clone()),
        first,
        second,
        QuantOp { index: Some(index), ..d.plain(act, indices.clone(), output.clone()) },
        d.linear(fc2, output, residual),
    ];
    Ok(std::iter::once(norm).chain(ops).collect())
}
