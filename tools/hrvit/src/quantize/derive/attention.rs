//! Attention, its parallel path and the diversity-enhancing shortcut.

use anyhow::{Context, Result, ensure};
use hrvit_format::{Activation, LOGITS_S16, MAX_QV_S16, MAX_THREE_S16, Op, OpKind};

use super::{
    Deriver,
    scales::{SUM_MARGIN, WIDE_MARGIN, WIDE_MAX},
};
use crate::quantize::{
    codes,
    encode::{Index, TABLE16},
    format::Grid,
    operator::QuantOp,
    ranges::{self, Extent, Values},
    techniques::Technique,
};

/// Scale of the products of a head whose q is 0: all keys weigh the same.
const DEAD_PRODUCT: f64 = 1.0 / 1024.0;

/// All operators of an attention step.
pub fn attention(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    let at = |kind| d.find(kind);
    let (qkv, path) = (at(OpKind::Qkv)?, at(OpKind::ParallelAct).ok().zip(at(OpKind::ParallelDepthwise).ok()));
    let (scores, values, act, to_out) = (at(OpKind::Scores)?, at(OpKind::Values)?, at(OpKind::AttnAct).or(at(OpKind::AttnNarrow))?, at(OpKind::ToOut)?);
    let channels = usize::from(d.op(qkv).cin);
    let norm = d.smoothed_norm(0, qkv, usize::from(d.op(qkv).cout) / channels)?;
    let qv = query_value(d, qkv, norm.out()?, usize::from(d.op(scores).cout));
    let v = Grid { scale: qv.scale[qv.scale.len() - channels..].to_vec(), ..qv.clone() };
    let terms = path.map(|(_, depthwise)| d.stats[depthwise].whole()).into_iter().chain([d.stats[values].whole(), d.read(act)]);
    let sum = Grid::wide(3.0 / three(&terms.collect::<Vec<_>>()));
    let (to_out_reader, residual) = (d.reader(to_out), d.residual_term()?);
    // Without Hardswish channels have scales of their own, which the projection takes back.
    let output = match d.op(act).kind {
        OpKind::AttnNarrow => d.channels(act, &sum, to_out_reader.op.depth()),
        _ => d.upper_of(act, &sum, &to_out_reader),
    };
    let output = to_out_reader.within_reach(output, residual.scale_of(0));
    let mut ops = vec![d.linear(qkv, norm.out()?.clone(), qv.clone())];
    ops.insert(0, norm);
    if let Some((parallel, depthwise)) = path {
        let hardswish = d.channels(parallel, &v, d.op(depthwise).depth());
        ops.extend([d.plain(parallel, v, hardswish.clone()), d.linear(depthwise, hardswish, sum.clone())]);
    }
    ops.extend([
        QuantOp {
            output: None,
            code_bits: if d.is_wide() { 15 } else { codes::widest(d.network, d.size, d.step)? },
            ..d.plain(scores, qv.clone(), sum.clone())
        },
        d.plain(values, qv, sum.clone()),
        d.plain(act, sum, output.clone()),
        d.linear(to_out, output, residual),
    ]);
    if d.find(OpKind::DesRight).is_ok() {
        ops.extend(shortcut(d)?);
    }
    Ok(ops)
}

/// Grid of q and v: v per channel. The products `q_d * v_d` of a head share one scale `S_h`: q of
/// channel d has the scale `S_h / s_v[d]`.
/// Keys of their own, between q and v, stand in the place of v there.
fn query_value(d: &Deriver<'_>, qkv: usize, input: &Grid, heads: usize) -> Grid {
    let stats = &d.stats[qkv];
    let channels = usize::from(d.op(qkv).cin);
    let dim = channels / heads;
    let finest = d.finest(qkv, input);
    if d.is_wide() {
        return s16(&stats.output, &finest, channels, dim);
    }
    let mut v = ranges::symmetric_channels(&stats.sample, &stats.output, d.clips()).split_off(channels);
    if !d.techniques.uses(Technique::ChannelScales) {
        let sampled = (channels..stats.output.len()).flat_map(|c| stats.sample.channel(c)).collect();
        let largest = stats.output[channels..].iter().fold(0.0f64, |most, extent| most.max(extent.magnitude()));
        v.fill(ranges::symmetric(&Values { sampled, share: stats.sample.share(), clip: d.clips(), weight: Vec::new() }, largest));
    }
    let v = ranges::settled(v, |c| finest[channels + c]);
    let mut scale = Vec::with_capacity(2 * channels);
    for head in 0..heads {
        let range = head * dim..(head + 1) * dim;
        let largest = range.clone().map(|c| stats.output[c].magnitude() * v[c]).fold(0.0, f64::max);
        // Scaled to order one: the products have no natural magnitude.
        let unit = ranges::alive(largest);
        let sampled = range.clone().flat_map(|c| stats.sample.channel(c).map(move |q| (c, q))).map(|(c, q)| (f64::from(q) * v[c] / unit) as f32);
        let products = Values { sampled: sampled.collect(), share: stats.sample.share(), clip: d.clips(), weight: Vec::new() };
        let head_scale = ranges::symmetric(&products, 1.0) * if largest > 0.0 { unit } else { DEAD_PRODUCT };
        let head_scale = range.clone().map(|c| finest[c] * v[c]).fold(head_scale, f64::max);
        scale.extend(range.map(|c| head_scale / v[c]));
    }
    scale.extend(v);
    Grid { scale, zero: vec![0], lo: -127, hi: 127 }
}

/// The same in 16 bits, of which logits leave room for some: `dim * limit^2 < 2^30`.
fn s16(seen: &[Extent], finest: &[f64], channels: usize, dim: usize) -> Grid {
    let limit = ((LOGITS_S16 - 1) / dim as i64).isqrt().min(MAX_QV_S16) as i32;
    let (q, v) = seen.split_at(channels);
    let coarse = |magnitude: f64| WIDE_MARGIN * magnitude / f64::from(limit);
    // No finer than Hardswish has a code of 3.0 for.
    let (finest_q, finest_v) = finest.split_at(q.len());
    let v: Vec<f64> = v.iter().zip(finest_v).map(|(extent, finest)| coarse(extent.magnitude()).max(3.0 / f64::from(MAX_THREE_S16)).max(*finest)).collect();
    let heads = q.chunks(dim).zip(finest_q.chunks(dim)).zip(v.chunks(dim));
    let scale = heads.flat_map(|((q, finest), v)| {
        let head = q.iter().zip(finest).zip(v).map(|((q, finest), v)| coarse(q.magnitude()).max(*finest) * v).fold(0.0, f64::max);
        let head = if head > 0.0 { head } else { DEAD_PRODUCT };
        v.iter().map(move |v| head / v)
    });
    Grid::s16(scale.chain(v.iter().copied()).collect(), -limit, limit)
}

/// The code of the real 3.0 in the attention sum, whose scale is exactly `3 / T`:
/// `T = round(3 * 32767 / (1.15 * largest))` in 1..=32767.
fn three(terms: &[Extent]) -> f64 {
    let largest = terms.iter().fold(0.0f64, |most, term| most.max(term.magnitude()));
    (3.0 * WIDE_MAX / (SUM_MARGIN * largest)).round().clamp(1.0, WIDE_MAX)
}

/// The diversity-enhancing shortcut, on the residual stream itself.
fn shortcut(d: &Deriver<'_>) -> Result<[QuantOp; 2]> {
    let (right, left) = (d.find(OpKind::DesRight)?, d.find(OpKind::DesLeft)?);
    let residual = d.residual_term()?;
    let output = d.reader(left).within_reach(Grid::wide(d.wide(right, WIDE_MARGIN)), residual.scale_of(0));
    let seen = d.stats[right].index.context("no statistics of the shortcut's projection")?;
    let flat = match d.network.spec.des_activation {
        Activation::Gelu => 5.5,
        Activation::Hardswish => 3.0,
    };
    // A tenth of the largest magnitude on both sides for values that calibration has not met.
    let reach = |x: f32, margin: f64| margin * f64::from(x).max(0.0) + 0.1 * seen.magnitude();
    let index = d.reached(Index::over(reach(-seen.min, 1.25).min(flat), reach(seen.max, 1.1), TABLE16), right, &d.residual()?);
    let hidden: Op = d.op(right);
    ensure!(hidden.cin == hidden.cout, "the shortcut's right projection is not square");
    Ok([d.indexed(right, d.residual()?, index, output.clone()), d.linear(left, output, residual)])
}
