//! MixCFN: LayerNorm, two linear layers, depthwise convolutions (two, one or none) and a GELU
//! between them.

use anyhow::Result;
use hrvit_format::OpKind;

use super::Deriver;
use crate::quantize::{format::Grid, operator::QuantOp, ranges::Extent};

/// All operators of a MixCFN.
pub fn mix_cfn(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let [fc1, act, fc2] = [d.find(OpKind::Fc1)?, d.find(OpKind::FfnAct)?, d.find(OpKind::Fc2)?];
    let convolutions = [OpKind::FfnDepthwise3, OpKind::FfnDepthwise5].into_iter().filter_map(|kind| d.find(kind).ok());
    let norm = d.smoothed_norm(0, fc1, 1)?;
    let (reader, residual) = (d.reader(fc2), d.residual_term()?);
    let output = reader.within_reach(d.upper(act, &reader), residual.scale_of(0));
    // What GELU reads: the convolutions, or without any the first linear layer.
    let (before, inputs) = match convolutions.collect::<Vec<_>>().as_slice() {
        [] => (Vec::new(), vec![(fc1, norm.out()?.clone())]),
        convolutions @ [.., last] => {
            let hidden = d.channels(fc1, norm.out()?, d.op(*last).depth());
            let mut first = 0;
            let parts = convolutions.iter().map(|&i| {
                let channels = first..first + usize::from(d.op(i).cin);
                first = channels.end;
                (i, Grid { scale: hidden.scale[channels].to_vec(), ..hidden.clone() })
            });
            let parts = parts.collect();
            (vec![d.linear(fc1, norm.out()?.clone(), hidden)], parts)
        }
    };
    let seen = inputs.iter().map(|&(i, _)| d.stats[i].whole()).reduce(Extent::and).unwrap_or(Extent::EMPTY);
    let index = inputs.iter().fold(d.index(&output, seen), |index, (i, input)| d.reached(index, *i, input));
    // They leave indices, or codes between them; the table they look up belongs to the activation.
    let indices = match index.units {
        1 => Grid { scale: vec![index.scale], zero: vec![index.zero], lo: 0, hi: index.len as i32 - 1 },
        _ => Grid::wide(index.unit()),
    };
    let mut ops = vec![norm];
    ops.extend(before);
    ops.extend(inputs.into_iter().map(|(i, input)| d.linear(i, input, indices.clone())));
    ops.push(QuantOp { index: Some(index), ..d.plain(act, indices, output.clone()) });
    ops.push(d.linear(fc2, output, residual));
    Ok(ops)
}
