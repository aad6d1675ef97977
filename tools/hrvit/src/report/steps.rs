//! Signal to quantisation noise of every step, alone and accumulated.
//!
//! Every step of the engine leaves a whole tensor of codes, which its observer sees. *Entire*
//! compares it with the float network after the exact rewrites, run from the frame: all errors up
//! to here. *Single* compares it with the same step in float, run on the engine's own values before
//! the step. It is the error of this step alone, on inputs that it meets in use.
//!
//! Logits are compared by what decides: of the classes that float picks, about their mean on each
//! pixel. Codes with a scale per channel, which the image does not tell, are read with the scales
//! that come closest to the step in float.

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, ensure};
use hrvit_core::{Observer, Tile, TileData};
use hrvit_format::{
    Model, OpKind, Step, StepId,
    fp16::{ordered, to_f32},
    record::Precision,
};
use hrvit_reference::{Folded, Frame, Map, NoTap, State};
use rayon::prelude::*;
use serde::Serialize;

use crate::host_engine::HostEngine;
use crate::inference::Inference;
use crate::logits::{Logits, argmax};
use crate::quantize::report::Noise;
use crate::quantize::states::left_by;
use crate::segmenter::Segmenter;
use crate::sqnr::within_reach;
use crate::{frames, progress};

/// Bits of the largest half-precision number, 65504.
const HALF_MAX: i32 = 0x7bff;

/// How the codes that a step leaves stand for real values: `scale * (code - zero)`, codes in
/// `lo..=hi`. Half-precision numbers have codes of their own: their bits as an integer of the same
/// order.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Codes {
    half: bool,
    /// Whether `scale` is that of the first channel alone.
    per_channel: bool,
    scale: f64,
    zero: i32,
    lo: i32,
    hi: i32,
}

impl Codes {
    /// All finite half-precision numbers.
    const HALF: Self = Self { half: true, per_channel: false, scale: 1.0, zero: 0, lo: -HALF_MAX - 1, hi: HALF_MAX };

    /// Of a step of `model`; `None` where it leaves labels.
    ///
    /// # Errors
    /// If the image has no such step.
    pub fn of(model: &Model<'_>, id: StepId, step: Step) -> Result<Option<Self>> {
        let params = model.step(id).with_context(|| format!("{step}: the model image has no such step"))?;
        if params.precision() == Precision::Fp16 {
            return Ok((step != Step::LabelMap).then_some(Self::HALF));
        }
        let (scale, network) = (f64::from(params.record.scale), &model.meta().network);
        Ok(match step {
            Step::LabelMap => None,
            Step::Fusion { .. } => {
                // GELU of 0 is 0: the table's entry for it is the zero point.
                let ops = network.ops(step);
                let (index, op) = ops.iter().enumerate().find(|(_, op)| op.kind == OpKind::FusionAct).with_context(|| format!("{step}: no activation"))?;
                let act = params.op(index, op).with_context(|| format!("{step}: its activation has no record"))?;
                if params.precision() == Precision::Int16x8 {
                    return Ok(Some(Self { half: false, per_channel: false, scale, zero: 0, lo: act.record.lo.into(), hi: act.record.hi.into() }));
                }
                let zero = *usize::try_from(act.record.zero).ok().and_then(|zero| act.table.get(zero)).with_context(|| format!("{step}: no entry for 0"))?;
                Some(Self { half: false, per_channel: false, scale, zero: zero.into(), lo: -128, hi: 127 })
            }
            Step::Increase { .. } => {
                let ops = network.ops(step);
                let (index, op) = ops.iter().enumerate().find(|(_, op)| op.kind == OpKind::IncreaseAct).with_context(|| format!("{step}: no activation"))?;
                let record = params.op(index, op).with_context(|| format!("{step}: its activation has no record"))?.record;
                Some(Self { half: false, per_channel: record.out_scale == 0.0, scale, zero: record.zero.into(), lo: record.lo.into(), hi: record.hi.into() })
            }
            Step::StageNorm { .. } => {
                let op = network.ops(step).first().copied().with_context(|| format!("{step}: no LayerNorm"))?;
                let record = params.op(0, &op).with_context(|| format!("{step}: its LayerNorm has no record"))?.record;
                Some(Self { half: false, per_channel: record.out_scale == 0.0, scale, zero: 0, lo: i16::MIN.into(), hi: i16::MAX.into() })
            }
            _ => Some(Self { half: false, per_channel: false, scale, zero: 0, lo: i16::MIN.into(), hi: i16::MAX.into() }),
        })
    }

    /// The lowest and the highest code; none of half precision.
    pub fn range(self) -> Option<(i32, i32)> {
        (!self.half).then_some((self.lo, self.hi))
    }

    fn real(self, code: i16) -> f32 {
        if self.half {
            return to_f32(ordered(code) as u16);
        }
        (self.scale * f64::from(i32::from(code) - self.zero)) as f32
    }

    /// Whether a real value lies more than half a code outside the range.
    fn clips(self, real: f32) -> bool {
        if self.half {
            return real.abs() > to_f32(HALF_MAX as u16);
        }
        let code = f64::from(real) / self.scale + f64::from(self.zero);
        code < f64::from(self.lo) - 0.5 || code > f64::from(self.hi) + 0.5
    }
}

/// Keeps the codes that every step leaves behind.
struct Taken(Mutex<Vec<Vec<i16>>>);

impl Observer for Taken {
    fn tile(&self, tile: Tile<'_>) {
        let mut steps = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (None, Some(codes)) = (tile.op, steps.get_mut(usize::from(tile.id.0))) else { return };
        match tile.data {
            TileData::S8(more) => codes.extend(more.iter().map(|&code| i16::from(code))),
            TileData::S16(more) => codes.extend_from_slice(more),
            TileData::F16(more) => codes.extend(more.iter().map(|value| ordered(value.to_bits() as i16))),
            // No step leaves sums; labels are no real tensor.
            _ => {}
        }
    }
}

/// Statistics of one step.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    single: Noise,
    entire: Noise,
    /// Sum of float times engine, and the engine's energy.
    product: f64,
    energy: f64,
    clipped: u64,
    values: u64,
    lowest: i32,
    highest: i32,
}

impl Seen {
    fn of(step: Step, codes: Codes, found: &[i16], alone: &Map, float: &Map) -> (Self, Vec<f32>) {
        let mut real: Vec<f32> = found.iter().map(|&code| codes.real(code)).collect();
        if codes.per_channel {
            fit_channels(&mut real, alone);
        }
        let [single, entire] = match step {
            Step::Logits | Step::Classify => {
                let classes = picked(&float.data, float.channels);
                let decisive = |data: &[f32]| decisive(data, float.channels, &classes);
                [alone, float].map(|map| Noise::between(&decisive(&map.data), &decisive(&real)))
            }
            _ => [alone, float].map(|map| Noise::between(&map.data, &real)),
        };
        let mut seen = Self {
            single,
            entire,
            clipped: alone.data.iter().filter(|&&x| codes.clips(x)).count() as u64,
            values: found.len() as u64,
            lowest: found.iter().copied().min().unwrap_or(0).into(),
            highest: found.iter().copied().max().unwrap_or(0).into(),
            ..Self::default()
        };
        for (&a, &b) in float.data.iter().zip(&real) {
            seen.product += f64::from(a) * f64::from(b);
            seen.energy += f64::from(b) * f64::from(b);
        }
        (seen, real)
    }

    fn and(self, other: Self) -> Self {
        if self.values == 0 {
            return other;
        }
        Self {
            single: self.single.and(other.single),
            entire: self.entire.and(other.entire),
            product: self.product + other.product,
            energy: self.energy + other.energy,
            clipped: self.clipped + other.clipped,
            values: self.values + other.values,
            lowest: self.lowest.min(other.lowest),
            highest: self.highest.max(other.highest),
        }
    }
}

/// The classes that logits pick; where they pick one, those that are not far behind.
fn picked(data: &[f32], channels: usize) -> Vec<usize> {
    let best = |token: &[f32]| argmax(token.iter().copied());
    let mut is_picked = vec![false; channels];
    data.chunks_exact(channels).for_each(|token| is_picked[best(token)] = true);
    let picked: Vec<usize> = (0..channels).filter(|class| is_picked[*class]).collect();
    if picked.len() > 1 {
        return picked;
    }
    let behind = |class: usize| data.chunks_exact(channels).map(|token| f64::from(token[best(token)] - token[class])).sum();
    within_reach(&(0..channels).map(behind).collect::<Vec<f64>>())
}

/// Logits of `classes`, about their mean on each token. A single class is its own decision.
fn decisive(data: &[f32], channels: usize, classes: &[usize]) -> Vec<f32> {
    if channels == 1 {
        return data.to_vec();
    }
    let token = |token: &[f32]| {
        let mean = classes.iter().map(|&class| f64::from(token[class])).sum::<f64>() / classes.len() as f64;
        classes.iter().map(|&class| (f64::from(token[class]) - mean) as f32).collect::<Vec<_>>()
    };
    data.chunks_exact(channels).flat_map(token).collect()
}

/// Scales every channel of `real` so that it comes closest to `exact`.
fn fit_channels(real: &mut [f32], exact: &Map) {
    for c in 0..exact.channels {
        let (mut product, mut energy) = (0.0, 0.0);
        for (&a, &b) in exact.data.iter().zip(real.iter()).skip(c).step_by(exact.channels) {
            product += f64::from(a) * f64::from(b);
            energy += f64::from(b) * f64::from(b);
        }
        let factor = if energy > 0.0 { (product / energy) as f32 } else { 1.0 };
        real.iter_mut().skip(c).step_by(exact.channels).for_each(|x| *x *= factor);
    }
}

/// One step of the report.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepDrift {
    /// Its name.
    pub step: String,
    /// Its kind of block ([`Step::kind`]), as bars name it.
    pub kind: &'static str,
    /// SQNR in dB against the same step in float on the engine's own inputs.
    pub single_db: Option<f64>,
    /// SQNR in dB against the float network.
    pub entire_db: Option<f64>,
    /// Cosine of the angle between float's tensor and the engine's.
    pub cosine: Option<f64>,
    /// Share of values that lie more than half a code outside of the range of codes.
    pub saturated: f64,
    /// Lowest and highest code seen.
    pub codes_seen: [i32; 2],
    /// Lowest and highest code that there is.
    pub codes_available: [i32; 2],
    /// How many of the codes lie between the lowest and highest seen, as a share.
    pub range_used: f64,
}

/// Every step on some frames, and the standard deviation of the float logits on them.
pub struct Measured {
    /// In canonical order.
    pub steps: Vec<StepDrift>,
    /// Over the logits of these frames, of the classes that are picked and about their mean on each
    /// pixel.
    pub logits_deviation: f64,
}

/// Sums of the float logits.
#[derive(Clone, Copy, Default)]
struct Spread {
    count: f64,
    sum: f64,
    squares: f64,
}

impl Spread {
    fn of(logits: &Logits) -> Self {
        let decisive = decisive(&logits.data, logits.classes, &picked(&logits.data, logits.classes));
        let sum = |f: &dyn Fn(f64) -> f64| decisive.iter().map(|&x| f(f64::from(x))).sum();
        Self { count: decisive.len() as f64, sum: sum(&|x| x), squares: sum(&|x| x * x) }
    }

    fn deviation(spreads: impl Iterator<Item = Self>) -> f64 {
        let all = spreads.fold(Self::default(), |a, b| Self { count: a.count + b.count, sum: a.sum + b.sum, squares: a.squares + b.squares });
        (all.squares / all.count - (all.sum / all.count).powi(2)).max(0.0).sqrt()
    }
}

/// Standard deviation of float logits on some frames, as [`Measured::logits_deviation`].
pub fn logits_deviation(frames: &[Logits]) -> f64 {
    Spread::deviation(frames.iter().map(Spread::of))
}

/// Measures every step of `int8` against `float` on `set`, frames in parallel.
///
/// # Errors
/// If a frame cannot be read.
pub fn measure(set: &[&Path], inference: Inference, float: &Folded, int8: &HostEngine) -> Result<Measured> {
    let model = int8.model();
    let steps: Vec<(Step, Codes)> =
        model.step_ids().filter_map(|(id, step)| Codes::of(&model, id, step).map(|codes| Some((step, codes?))).transpose()).collect::<Result<_>>()?;
    let bar = progress::frames(set.len(), "measuring steps");
    let each: Vec<(Vec<Seen>, Spread)> = set
        .par_iter()
        .map(|frame| {
            let seen = measure_frame(frame, inference, &steps, float, int8).with_context(|| format!("frame {}", frame.display()));
            bar.inc(1);
            seen
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let mut totals = vec![Seen::default(); steps.len()];
    for (frame, _) in &each {
        totals.iter_mut().zip(frame).for_each(|(all, one)| *all = all.and(*one));
    }
    Ok(Measured {
        steps: steps.iter().zip(totals).map(|(&(step, codes), seen)| summary(step, codes, seen)).collect(),
        logits_deviation: Spread::deviation(each.iter().map(|(_, spread)| *spread)),
    })
}

fn measure_frame(frame: &Path, inference: Inference, steps: &[(Step, Codes)], folded: &Folded, int8: &HostEngine) -> Result<(Vec<Seen>, Spread)> {
    let (input, placement) = inference.sample(&frames::read(frame)?, int8.size())?;
    let taken = Taken(Mutex::new(vec![Vec::new(); int8.model().steps().len()]));
    int8.raw_logits(input.as_raw(), &taken)?;
    let taken = taken.0.into_inner().unwrap_or_else(PoisonError::into_inner);
    let frame = Frame::new(int8.size(), input.into_raw())?;
    let (mut exact, mut engine) = (State::new(frame.clone()), State::new(frame));
    let mut all = Vec::with_capacity(steps.len());
    for (&(step, codes), found) in steps.iter().zip(&taken) {
        folded.step(step, &mut exact, &mut NoTap);
        folded.step(step, &mut engine, &mut NoTap);
        let float = left_by(step, &mut exact).as_ref().with_context(|| format!("{step} left no map"))?;
        let alone = left_by(step, &mut engine).as_mut().with_context(|| format!("{step} left no map"))?;
        ensure!(found.len() == float.data.len(), "{step}: the engine left {} values, float {}", found.len(), float.data.len());
        let (seen, real) = Seen::of(step, codes, found, alone, float);
        alone.data = real;
        all.push(seen);
    }
    let logits = exact.logits.take().context("the network left no logits")?;
    Ok((all, Spread::of(&Logits::of_map(logits)?.within(&placement))))
}

fn summary(step: Step, codes: Codes, seen: Seen) -> StepDrift {
    let cosine = seen.product / (seen.entire.signal * seen.energy).sqrt();
    StepDrift {
        step: step.to_string(),
        kind: step.kind(),
        single_db: seen.single.decibels(),
        entire_db: seen.entire.decibels(),
        cosine: cosine.is_finite().then_some(cosine),
        saturated: seen.clipped as f64 / seen.values.max(1) as f64,
        codes_seen: [seen.lowest, seen.highest],
        codes_available: [codes.lo, codes.hi],
        range_used: f64::from(seen.highest - seen.lowest + 1) / f64::from(codes.hi - codes.lo + 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BYTE: Codes = Codes { half: false, per_channel: false, scale: 0.5, zero: -100, lo: -128, hi: 127 };

    #[test]
    fn logits_are_compared_by_what_decides() {
        let logits =
            |offset: f32, masked: f32| Map { rows: 1, columns: 2, channels: 3, data: vec![2.0 + offset, offset, masked, offset, 3.0 + offset, masked] };
        let plain = logits(0.0, -5.0);
        assert_eq!(picked(&plain.data, plain.channels), [0, 1]);
        let [near, far] = [plain, logits(1e4, -1e6)].map(|map| decisive(&map.data, map.channels, &picked(&map.data, map.channels)));
        assert_eq!((&near, &far), (&vec![1.0, -1.0, -1.5, 1.5], &near));
    }

    #[test]
    fn codes_of_channels_take_the_scales_that_come_closest() {
        let exact = Map { rows: 1, columns: 2, channels: 2, data: vec![1.0, 300.0, 2.0, 0.0] };
        let mut real = vec![0.5, 3.0, 1.0, 0.0];
        fit_channels(&mut real, &exact);
        assert_eq!(real, exact.data);
    }

    fn map(data: &[f32]) -> Map {
        Map { rows: 1, columns: 1, channels: data.len(), data: data.to_vec() }
    }

    #[test]
    fn codes_stand_for_reals_around_their_zero_point() {
        assert_eq!([-128, -100, 127].map(|code| BYTE.real(code)), [-14.0, 0.0, 113.5]);
        assert_eq!([-14.2, -14.3, 113.7, 113.8].map(|x| BYTE.clips(x)), [false, true, false, true]);
    }

    #[test]
    fn half_precision_numbers_are_codes_in_their_order() {
        let bits = [0xfbffu16, 0xbc00, 0x8001, 0x0000, 0x0001, 0x3c00, 0x7bff].map(|bits| bits as i16);
        let codes = bits.map(ordered);
        assert!(codes.is_sorted());
        assert_eq!(codes.map(|code| Codes::HALF.real(code)), [-65504.0, -1.0, -5.960_464_5e-8, 0.0, 5.960_464_5e-8, 1.0, 65504.0]);
        assert_eq!([i32::from(codes[0]), i32::from(codes[6])], [Codes::HALF.lo, Codes::HALF.hi]);
        assert!(Codes::HALF.clips(65505.0) && !Codes::HALF.clips(-65504.0));
    }

    #[test]
    fn single_is_against_the_step_alone_and_entire_against_the_network() {
        // Codes of 0, 10, 20; alone exact, the network a tenth larger.
        let found = [-100i16, -80, -60];
        let (seen, real) = Seen::of(Step::Stem, BYTE, &found, &map(&[0.0, 10.0, 20.0]), &map(&[0.0, 11.0, 22.0]));
        assert_eq!(real, [0.0, 10.0, 20.0]);
        let drift = summary(Step::Stem, BYTE, seen);
        assert_eq!(drift.single_db, Some(200.0));
        assert!((drift.entire_db.unwrap() - 20.0 * 11f64.log10()).abs() < 1e-9);
        assert!((drift.cosine.unwrap() - 1.0).abs() < 1e-12);
        assert_eq!((drift.codes_seen, drift.range_used), ([-100, -60], 41.0 / 256.0));
    }

    #[test]
    fn the_deviation_is_that_of_all_logits_about_the_mean_of_their_pixel() {
        let logits = |data: &[f32]| Logits { height: 1, width: 1, classes: data.len(), data: data.to_vec() };
        let spreads = [Spread::of(&logits(&[1.0, 3.0])), Spread::of(&logits(&[9.0, 15.0]))];
        assert!((Spread::deviation(spreads.into_iter()) - 5f64.sqrt()).abs() < 1e-12);
    }
}
