//! Cross-resolution fusion: terms from every branch in the scale of their sum, GELU by table.

use anyhow::{Context, Result};
use hrvit_format::{OpKind, Step};

use super::Deriver;
use crate::quantize::{format::Grid, operator::QuantOp};

/// All operators of one fusion output.
pub fn fusion(d: &Deriver<'_>, module: u8, branch: u8) -> Result<Vec<QuantOp>> {
    let reader = d.reader_in(Step::PatchEmbed { module, branch }, 0)?;
    let act = d.find(OpKind::FusionAct)?;
    let seen = d.read(act);
    let before = before_the_sum(d, act)?;
    let terms = before.iter().enumerate().filter(|(_, (_, output))| output.is_none());
    let roomy = terms.flat_map(|(i, (input, _))| d.roomy(i, input)).fold(0.0, f64::max);
    let sum = d.term_of(seen.magnitude(), roomy);
    let quantised = |(i, (input, output)): (usize, (Grid, Option<Grid>))| {
        let output = output.unwrap_or_else(|| sum.clone());
        match d.op(i).kind {
            OpKind::FusionIdentity | OpKind::FusionNarrow => d.plain(i, input, output),
            _ => d.linear(i, input, output),
        }
    };
    let mut ops: Vec<QuantOp> = before.into_iter().enumerate().map(quantised).collect();
    let output = d.upper(act, &reader);
    let index = d.index(&output, seen);
    ops.push(QuantOp { index: Some(index), ..d.plain(act, sum.clone(), output) });
    Ok(ops)
}

/// Grids that the first `count` operators read, and of the codes that they leave; none of terms of
/// the sum.
fn before_the_sum(d: &Deriver<'_>, count: usize) -> Result<Vec<(Grid, Option<Grid>)>> {
    let mut found: Vec<(Grid, Option<Grid>)> = Vec::new();
    for (i, op) in d.ops.iter().enumerate().take(count) {
        let codes = || found.last().and_then(|(_, output)| output.clone()).with_context(|| format!("{} without a narrowing before it", op.kind));
        let quantised = match op.kind {
            OpKind::FusionIdentity => (d.stage_norm(op.source)?, None),
            OpKind::FusionNarrow => (d.stage_norm(op.source)?, Some(d.narrowed(i)?)),
            OpKind::FusionDepthwise => {
                let input = codes()?;
                let output = d.channels(i, &input, op.cout.into());
                (input, Some(output))
            }
            _ => (codes()?, None),
        };
        found.push(quantised);
    }
    Ok(found)
}
