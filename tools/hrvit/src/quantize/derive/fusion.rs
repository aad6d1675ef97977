//! Cross-resolution fusion: terms from every branch in the scale of their sum, GELU by table.

use anyhow::Result;
use hrvit_format::{OpKind, Step};

use super::Deriver;
use crate::quantize::{format::Grid, operator::QuantOp};

/// All operators of one fusion output.
pub fn fusion(d: &Deriver<'_>, module: u8, branch: u8) -> Result<Vec<QuantOp>> {
    let reader = d.reader_in(Step::PatchEmbed { module, branch }, 0)?;
    let act = d.find(OpKind::FusionAct)?;
    let seen = d.read(act);
    let roomy = terms(d)?.into_iter().flat_map(|(i, input)| d.roomy(i, &input)).fold(0.0, f64::max);
    let sum = d.term_of(seen.magnitude(), roomy);
    let mut ops = Vec::new();
    // Codes that the next operator of the same source reads.
    let mut codes = None;
    for (i, op) in d.ops.iter().enumerate() {
        let quantised = match op.kind {
            OpKind::FusionIdentity => d.plain(i, d.stage_norm(op.source)?, sum.clone()),
            OpKind::FusionNarrow => d.plain(i, d.stage_norm(op.source)?, d.narrowed(i)?),
            OpKind::FusionDepthwise => {
                let input = codes.take().unwrap_or(d.stage_norm(op.source)?);
                let output = d.channels(i, &input, op.cout.into());
                d.linear(i, input, output)
            }
            OpKind::FusionPointwise => d.linear(i, codes.take().unwrap_or(d.stage_norm(op.source)?), sum.clone()),
            _ => {
                let output = d.upper(i, &reader);
                let index = d.index(&output, seen);
                QuantOp { index: Some(index), ..d.plain(i, sum.clone(), output) }
            }
        };
        codes = quantised.output.clone();
        ops.push(quantised);
    }
    Ok(ops)
}

/// The operators that leave terms of the sum, and what they read.
fn terms(d: &Deriver<'_>) -> Result<Vec<(usize, Grid)>> {
    let mut found = Vec::new();
    let mut codes: Option<Grid> = None;
    for (i, op) in d.ops.iter().enumerate() {
        let input = codes.take().map_or_else(|| d.stage_norm(op.source), Ok);
        match op.kind {
            OpKind::FusionIdentity | OpKind::FusionPointwise => found.push((i, input?)),
            OpKind::FusionNarrow => codes = Some(d.narrowed(i)?),
            OpKind::FusionDepthwise => codes = Some(d.channels(i, &input?, op.cout.into())),
            _ => {}
        }
    }
    Ok(found)
}
