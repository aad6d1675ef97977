//! One calibration run: states of the float and of the quantised network side by side, step after
//! step.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hrvit_format::{
    Network, OpKind, Size, Step,
    record::Precision,
    writer::{OpData, StepData},
};
use hrvit_reference::{Folded, Frame, Map, NoTap, State, accounting};
use rayon::prelude::*;

use super::{
    Frames, Options, Progress, bias,
    codes::{self, CodedAttention},
    decision::{self, Decisions},
    derive::{Deriver, Tensors, derive},
    format::Saturation,
    moments::add_sums,
    operator::{Constants, QuantOp},
    report::{Noise, OpReport, Warning},
    sample::{per_frame, spread_frames},
    simulate::{ExactTap, RoundTap, install},
    states::States,
    stats::{OpStats, StatsTap, Stream, stream},
    streams::Streams,
    techniques::Technique,
    unread,
};
use crate::logits::Logits;
use crate::sqnr::Sqnr;

/// Frames on which SQNR is measured.
pub const MEASURED: usize = 32;

/// Cost of observing a step, in forward passes.
const OBSERVE: usize = 2;
/// Cost of correcting and measuring it, told when it ends.
const ADVANCE: usize = 6;

/// State that is carried from step to step.
pub struct Session<'a> {
    network: &'a Network,
    size: Size,
    frames: &'a dyn Frames,
    options: &'a Options,
    progress: &'a dyn Progress,
    exact: Folded,
    quantised: Folded,
    exact_states: States,
    quantised_states: States,
    corrected: Vec<usize>,
    measured: Vec<usize>,
    tensors: Tensors,
    streams: Streams,
    costs: BTreeMap<Step, usize>,
}

/// One finished step.
pub struct Finished {
    /// Its integers, or why there are none: both networks then are past the step in float.
    pub data: Result<StepData>,
    /// Its part of the report.
    pub report: Vec<OpReport>,
    /// Of the step that makes the logits: their signal to noise in dB.
    pub logits_db: Option<f64>,
    /// Its difficulty.
    pub warning: Option<Warning>,
}

/// Comparison of the widths of a block's exponent codes.
struct Widths {
    /// Loss of its result by 8 bits, in dB.
    loss_db: f64,
    /// Whether 8 bits were chosen.
    narrowed: bool,
}

/// Notes of the last pass over one frame.
#[derive(Clone, Default)]
struct Notes {
    single: Vec<Noise>,
    entire: Vec<Noise>,
    saturation: Vec<Saturation>,
    logits: Sqnr,
}

impl<'a> Session<'a> {
    /// Runs the float network once over every frame for the scales of the residual streams and the
    /// classes that decide.
    ///
    /// # Errors
    /// If a frame cannot be read or has the wrong length.
    pub fn new(network: &'a Network, mut exact: Folded, size: Size, frames: &'a dyn Frames, options: &'a Options, progress: &'a dyn Progress) -> Result<Self> {
        let count = frames.len();
        let costs = costs(network, size);
        let once: usize = costs.values().sum();
        progress.begin("quantising", count * once * (1 + OBSERVE + ADVANCE));
        progress.at("residual streams");
        let passes: Vec<(Streams, Decisions)> = (0..count)
            .into_par_iter()
            .map(|i| {
                let mut tap = Streams::default();
                let mut state = State::new(read(frames, size, i)?);
                for step in network.steps() {
                    exact.step(step, &mut state, &mut tap);
                }
                progress.advance(once);
                let logits = state.logits.context("the float network has no logits")?;
                Ok((tap, Decisions::of(&logits, network.head)))
            })
            .collect::<Result<_>>()?;
        let (mut streams, mut decisions) = (Streams::default(), Decisions::default());
        for (tap, one) in passes {
            (streams, decisions) = (streams.and(tap), decisions.and(one));
        }
        decision::rewrite(&mut exact, &decisions);
        unread::quieten(&mut exact);
        let session = Self {
            network,
            size,
            frames,
            options,
            progress,
            tensors: Tensors::new(&exact, &streams.largest(), decisions.contenders()),
            streams,
            quantised: exact.clone(),
            exact,
            exact_states: States::new(count)?,
            quantised_states: States::new(count)?,
            corrected: spread_frames(count, bias::FRAMES),
            measured: spread_frames(count, MEASURED),
            costs,
        };
        Ok(session)
    }

    /// Difficulties of the residual streams.
    pub fn stream_warnings(&self) -> Vec<Warning> {
        let steps = |own: Stream| self.network.steps().filter(|&step| stream(step) == Some(own)).collect();
        let warning = |(own, text)| Warning { steps: steps(own), in_16_bits: true, text };
        self.streams.warnings(&self.tensors.residual).into_iter().map(warning).collect()
    }

    /// Quantises the next step; steps come in canonical order.
    ///
    /// # Errors
    /// If a state cannot be stored.
    pub fn step(&mut self, step: Step) -> Result<Finished> {
        let ops = self.network.ops(step);
        if ops.is_empty() {
            return Ok(Finished { data: Ok(self.data(1.0, Vec::new())), report: Vec::new(), logits_db: None, warning: None });
        }
        self.progress.at(&step.to_string());
        let stats = self.observe(step, ops.len())?;
        let Options { techniques, precision, .. } = *self.options;
        let (network, size, folded, tensors) = (self.network, self.size, &self.exact, &self.tensors);
        let deriver = Deriver { network, size, step, ops, stats: &stats, folded, tensors, techniques, precision };
        let mut quantised = match derive(&deriver) {
            Ok(quantised) => quantised,
            Err(refused) => return self.pass_in_float(step, &[], refused.context(step.to_string())),
        };
        install(&mut self.quantised, step, &quantised);
        let before: Vec<Option<f64>> = quantised.iter().map(mean_bias).collect();
        let waves = if techniques.uses(Technique::BiasCorrection) { bias::waves(&quantised) } else { Vec::new() };
        for wave in &waves {
            self.correct(step, &mut quantised, wave, &stats)?;
        }
        let widths = self.choose_codes(step, &mut quantised)?;
        // Other codes shift the means of the projection behind them, which comes last.
        if widths.as_ref().is_some_and(|widths| widths.narrowed)
            && let Some(wave) = waves.last()
        {
            self.correct(step, &mut quantised, wave, &stats)?;
        }
        if let Some(background) = decision::background(&self.exact).filter(|_| matches!(step, Step::Logits | Step::Classify)) {
            break_ties(&mut quantised, background)?;
            install(&mut self.quantised, step, &quantised);
        }
        let constants = Constants { means: self.exact.preprocess().mean.map(f64::from), des: self.network.spec.des_activation, techniques, precision };
        let encode = |op: &QuantOp| op.encode(&constants).with_context(|| format!("{step}: {}", op_name(step, op)));
        let data = match quantised.iter().map(encode).collect::<Result<Vec<_>>>() {
            Ok(data) => data,
            Err(refused) => return self.pass_in_float(step, &quantised, refused),
        };
        let notes = self.advance(step, &quantised)?;
        let report = (0..data.len())
            .map(|i| OpReport {
                step: step.to_string(),
                op: op_name(step, &quantised[i]),
                format: quantised[i].output.as_ref().map_or("codes", |grid| grid.name()),
                in_scale: data[i].in_scale,
                out_scale: data[i].out_scale,
                pre_shift: data[i].pre_shift,
                single_db: notes.single[i].decibels(),
                entire_db: notes.entire[i].decibels(),
                saturation_percent: notes.saturation[i].percent(),
                smoothing: quantised[i].smoothing,
                code_bits: (quantised[i].code_bits > 0).then_some(quantised[i].code_bits),
                code_loss_db: widths.as_ref().filter(|_| quantised[i].code_bits > 0).map(|widths| widths.loss_db),
                bias_change: before[i].zip(mean_bias(&quantised[i])).map(|(old, new)| if old > 0.0 { new / old - 1.0 } else { 0.0 }),
            })
            .collect();
        let scale = self.tensors.step_scale(step, &quantised) as f32;
        self.tensors.finish(step, &quantised);
        let sharp = quantised.iter().find_map(|op| sharpness(step, op));
        let warning = sharp.map(|text| Warning { steps: vec![step], in_16_bits: false, text });
        Ok(Finished { data: Ok(self.data(scale, data)), report, logits_db: notes.logits.db(), warning })
    }

    /// Moves both networks past `step` in float, whose operators, as far as they are derived, do
    /// not fit.
    fn pass_in_float(&mut self, step: Step, derived: &[QuantOp], refused: anyhow::Error) -> Result<Finished> {
        for op in 0..self.network.ops(step).len() {
            if let (Some(place), Some(exact)) = (self.quantised.weights_mut(step, op), self.exact.weights(step, op)) {
                place.clone_from(exact);
            }
        }
        let notes = self.advance(step, &[])?;
        self.tensors.finish(step, derived);
        Ok(Finished { data: Err(refused), report: Vec::new(), logits_db: notes.logits.db(), warning: None })
    }

    /// A step in the precision of the run.
    fn data(&self, scale: f32, ops: Vec<OpData>) -> StepData {
        match self.options.precision {
            Precision::Int16x8 => StepData::Int16x8 { scale, ops },
            _ => StepData::Int8 { scale, ops },
        }
    }

    /// State of the float network before `step` on frame `i`.
    fn exact_state(&self, step: Step, i: usize) -> Result<State> {
        self.state(&self.exact_states, step, i)
    }

    fn state(&self, states: &States, step: Step, i: usize) -> Result<State> {
        if step == Step::Stem {
            return Ok(State::new(read(self.frames, self.size, i)?));
        }
        states.load(step, i)
    }

    /// Ranges, sums and samples of every operator of `step`, from the float network.
    fn observe(&self, step: Step, ops: usize) -> Result<Vec<OpStats>> {
        let count = self.frames.len();
        let seed = step_seed(self.options.seed, step);
        let each: Vec<Vec<OpStats>> = (0..count)
            .into_par_iter()
            .map(|i| {
                let mut state = self.exact_state(step, i)?;
                let mut tap = StatsTap {
                    folded: &self.exact,
                    ops: vec![OpStats::default(); ops],
                    tokens: per_frame(count),
                    sums: self.corrected.binary_search(&i).is_ok(),
                    seed: seed.wrapping_add((i as u64) << 20),
                };
                self.exact.step(step, &mut state, &mut tap);
                self.progress.advance(OBSERVE * self.costs[&step]);
                Ok(tap.ops)
            })
            .collect::<Result<_>>()?;
        let mut stats = vec![OpStats::default(); ops];
        for frame in &each {
            stats.iter_mut().zip(frame).for_each(|(all, next)| all.append(next));
        }
        Ok(stats)
    }

    /// Corrects the biases of one wave of operators and installs them.
    fn correct(&mut self, step: Step, quantised: &mut [QuantOp], wave: &[usize], stats: &[OpStats]) -> Result<()> {
        let residual = self.tensors.residual(step);
        let attention = CodedAttention::of(self.network, quantised);
        let each: Vec<(Vec<Vec<f64>>, Vec<usize>)> = self
            .corrected
            .par_iter()
            .map(|&i| {
                let mut state = self.state(&self.quantised_states, step, i)?;
                let mut tap = RoundTap::new(quantised, residual.as_ref(), attention.as_ref(), None);
                self.quantised.step(step, &mut state, &mut tap);
                Ok((tap.sums, tap.tokens))
            })
            .collect::<Result<_>>()?;
        for &op in wave {
            let (mut sums, mut tokens) = (Vec::new(), 0);
            for (frame, count) in &each {
                add_sums(&mut sums, &frame[op]);
                tokens += count[op];
            }
            bias::correct(&mut quantised[op], &stats[op].sums, &sums, tokens);
        }
        install(&mut self.quantised, step, quantised);
        Ok(())
    }

    /// Narrows the exponent codes of an attention step to 8 bits where that loses no more than
    /// [`codes::MOST_LOSS`]. Compares what the step leaves in the quantised network with either
    /// width to the float network, on the measured frames. `None` where there is no choice.
    fn choose_codes(&self, step: Step, quantised: &mut [QuantOp]) -> Result<Option<Widths>> {
        let Some(scores) = quantised.iter().position(|op| op.op.kind == OpKind::Scores) else { return Ok(None) };
        let techniques = self.options.techniques;
        let wide = quantised[scores].code_bits;
        if self.options.precision == Precision::Int16x8 || wide == 8 || !techniques.uses(Technique::NarrowCodes) {
            return Ok(None);
        }
        let [wide_noise, narrow_noise] = self.noise_of_codes(step, quantised, [wide, 8])?;
        let loss_db = codes::loss_db(wide_noise, narrow_noise);
        let narrowed = loss_db <= codes::MOST_LOSS || !techniques.uses(Technique::WideCodes);
        if narrowed {
            quantised[scores].code_bits = 8;
        }
        Ok(Some(Widths { loss_db, narrowed }))
    }

    /// Noise of the stream that an attention step leaves, with codes of either width.
    fn noise_of_codes(&self, step: Step, quantised: &[QuantOp], bits: [u8; 2]) -> Result<[Noise; 2]> {
        let (_, branch) = stream(step).context("attention works on a residual stream")?;
        let residual = self.tensors.residual(step);
        let left = |state: State| state.x[usize::from(branch)].clone().with_context(|| format!("{step} leaves no stream"));
        let attention = bits.map(|bits| CodedAttention::with_bits(self.network, quantised, bits));
        let each: Vec<[Noise; 2]> = self
            .measured
            .par_iter()
            .map(|&i| {
                let mut exact = self.exact_state(step, i)?;
                self.exact.step(step, &mut exact, &mut NoTap);
                let exact = left(exact)?;
                let mut noise = [Noise::default(); 2];
                for (noise, attention) in noise.iter_mut().zip(&attention) {
                    let mut state = self.state(&self.quantised_states, step, i)?;
                    self.quantised.step(step, &mut state, &mut RoundTap::new(quantised, residual.as_ref(), attention.as_ref(), None));
                    *noise = Noise::between(&exact.data, &left(state)?.data);
                }
                Ok(noise)
            })
            .collect::<Result<_>>()?;
        Ok(each.into_iter().fold([Noise::default(); 2], |[a, b], [c, d]| [a.and(c), b.and(d)]))
    }

    /// Moves both networks past `step` on every frame and measures on some of them.
    fn advance(&self, step: Step, quantised: &[QuantOp]) -> Result<Notes> {
        let residual = self.tensors.residual(step);
        let attention = CodedAttention::of(self.network, quantised);
        let each: Vec<Notes> = (0..self.frames.len())
            .into_par_iter()
            .map(|i| {
                let measured = self.measured.binary_search(&i).is_ok();
                let mut exact = self.exact_state(step, i)?;
                let mut exact_tap = ExactTap::new(quantised, &self.quantised, attention.as_ref());
                if measured {
                    self.exact.step(step, &mut exact, &mut exact_tap);
                } else {
                    self.exact.step(step, &mut exact, &mut NoTap);
                }
                let exact_logits = exact.logits.clone().filter(|_| measured);
                self.exact_states.store(step, i, &mut exact)?;
                let mut state = self.state(&self.quantised_states, step, i)?;
                let mut tap = RoundTap::new(quantised, residual.as_ref(), attention.as_ref(), measured.then_some(&exact_tap.outputs));
                self.quantised.step(step, &mut state, &mut tap);
                let (noise, saturation) = (tap.noise, tap.saturation);
                let mut logits = Sqnr::default();
                if let Some((exact, found)) = exact_logits.zip(state.logits.as_ref()) {
                    let shown = |map: Map| anyhow::Ok(Logits::of_map(map)?.within(&self.frames.placement(i)));
                    let exact = shown(exact)?;
                    logits.add_tokens(&exact.data, &shown(found.clone())?.data, exact.classes);
                }
                self.quantised_states.store(step, i, &mut state)?;
                self.progress.advance(ADVANCE * self.costs[&step]);
                Ok(Notes { single: exact_tap.single, entire: noise, saturation, logits })
            })
            .collect::<Result<_>>()?;
        let count = quantised.len();
        let mut all = Notes {
            single: vec![Noise::default(); count],
            entire: vec![Noise::default(); count],
            saturation: vec![Saturation::default(); count],
            ..Notes::default()
        };
        for notes in &each {
            all.logits.merge(&notes.logits);
            for i in 0..count {
                all.single[i] = all.single[i].and(notes.single[i]);
                all.entire[i] = all.entire[i].and(notes.entire[i]);
                all.saturation[i] = all.saturation[i].and(notes.saturation[i]);
            }
        }
        Ok(all)
    }
}

/// Cost of one forward pass through every step: one unit is a million products, or the handling of
/// as many bytes as take as long.
fn costs(network: &Network, size: Size) -> BTreeMap<Step, usize> {
    let mut costs = BTreeMap::new();
    for row in accounting::rows(network, size) {
        *costs.entry(row.step).or_insert(0) += row.macs_folded + 64 * row.activation_bytes;
    }
    costs.into_iter().map(|(step, cost)| (step, cost.div_ceil(1_000_000) as usize)).collect()
}

fn read(frames: &dyn Frames, size: Size, i: usize) -> Result<Frame> {
    let rgb = frames.rgb(i).with_context(|| format!("calibration frame {i}"))?;
    Frame::new(size, rgb).with_context(|| format!("calibration frame {i}"))
}

/// Attention too sharp for the multipliers of its distances, in words.
fn sharpness(step: Step, op: &QuantOp) -> Option<String> {
    let heads = op.op.cout;
    let sharp = if op.op.kind == OpKind::Scores { op.too_sharp() } else { 0 };
    (sharp > 0).then(|| format!("{step}: {sharp} of {heads} heads attend too sharply for integer distances: theirs count as shorter, in the same order"))
}

/// Puts the background of a network of one class a code lower, so that ties are the class's.
fn break_ties(ops: &mut [QuantOp], background: usize) -> Result<()> {
    let last = ops.last_mut().context("no operator makes the logits")?;
    let code = last.out()?.scale_of(background);
    let bias = last.weights.as_mut().and_then(|weights| weights.bias.get_mut(background)).context("logits without biases")?;
    *bias -= code;
    Ok(())
}

/// One seed per step.
fn step_seed(seed: u64, step: Step) -> u64 {
    let tag = hrvit_format::record::step_tag(step);
    seed.wrapping_add(u64::from(u32::from_le_bytes(tag)) << 32)
}

/// Name of an operator within its step; with its source branch in fusions and heads.
fn op_name(step: Step, op: &QuantOp) -> String {
    match step {
        Step::Fusion { .. } | Step::Logits | Step::Increase { .. } => format!("{}.{}", op.op.source, op.op.kind),
        _ => op.op.kind.to_string(),
    }
}

/// Mean magnitude of an operator's real biases.
fn mean_bias(op: &QuantOp) -> Option<f64> {
    let bias = &op.weights.as_ref()?.bias;
    Some(bias.iter().map(|b| b.abs()).sum::<f64>() / bias.len() as f64)
}
