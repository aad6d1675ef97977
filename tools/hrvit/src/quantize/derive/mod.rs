//! From statistics to the grids and integer weights of a step's operators, one family of operators per file.

mod attention;
mod fusion;
mod heads;
mod mix_cfn;
mod reader;
mod stem;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hrvit_format::{BRANCHES, Network, Op, OpKind, Size, Step, StepOps, record::Precision};
use hrvit_reference::{Folded, OpWeights};

use self::reader::Reader;
use super::{
    encode::{Index, TABLE8},
    format::Grid,
    fraction,
    operator::{self, QuantOp},
    ranges::{self, Extent, Values},
    stats::{OpStats, Stream, stream},
    techniques::{Technique, Techniques},
    weights::{self, BIAS_MAX, WEIGHT_MAX, Weights},
};

/// Margin of a 16-bit scale over the largest value seen, for tensors that are read as they are.
const WIDE_MARGIN: f64 = 1.1;
/// The same for tensors at the end of a linear chain, whose tails are the widest.
const LINEAR_MARGIN: f64 = 1.2;
/// The same for residual streams and attention sums.
const SUM_MARGIN: f64 = 1.15;
/// Largest 16-bit code.
const WIDE_MAX: f64 = 32767.0;
/// Leaves a multiplier below one half when it is written in 31 bits.
const JUST_ABOVE: f64 = 1.0 + 1e-6;
/// The most that a code of a sum may be of a code of the ReLU behind it.
const SUM_STEP: f64 = 0.125;
/// Terms that a sum of i32 may have.
const MOST_TERMS: f64 = 8.0;
/// The most that a code of a sum may be of a code of the ReLU behind it, where both have 16 bits.
const WIDE_SUM_STEP: f64 = 1.0;
/// How much finer terms of a sum are than its 16-bit codes.
const FINE_TERMS: f64 = 16.0;
/// Largest gain of a LayerNorm in codes per unit: 15 bits, 15 fractional ones of what is normalised, a shift of at least 1, and a little less.
const STEEPEST_GAIN: f64 = 0.999 * (1u64 << (15 + 15 - 1)) as f64;
/// Largest offset of a LayerNorm in codes: 29 bits at a shift of 1, and a little less.
const LARGEST_OFFSET: f64 = 0.999 * (1u64 << 28) as f64;
/// Below minus this GELU is 0 in 16 bits.
const FLAT: f64 = 5.5;

/// Grids of the tensors that pass from step to step.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    /// Scale of every residual stream.
    pub residual: BTreeMap<Stream, f64>,
    /// Latest fusion output per branch.
    fused: [Option<Grid>; BRANCHES],
    /// Latest stage norm per branch.
    norm: [Option<Grid>; BRANCHES],
    /// That stage norm as the outputs of the next fusion read it: one grid for all of them, since the engine narrows a branch once.
    narrow: [Option<Grid>; BRANCHES],
    /// Latest result of the classification head's bottlenecks.
    increase: Option<Grid>,
    /// Classes whose logits need resolution.
    contenders: Vec<usize>,
}

impl Tensors {
    /// Tensors of a network whose residual streams have these largest magnitudes: `scale = 1.15 * largest / 32767`, or as coarse as the gains of the LayerNorm that
    /// begins the stream need. `contenders` are the classes that may be picked.
    pub fn new(folded: &Folded, largest: &BTreeMap<Stream, f32>, contenders: Vec<usize>) -> Self {
        let mut residual: BTreeMap<Stream, f64> = largest.iter().map(|(&stream, &x)| (stream, SUM_MARGIN * f64::from(x) / WIDE_MAX)).collect();
        for step in folded.network().steps().filter(|step| matches!(step, Step::Stem | Step::PatchEmbed { .. })) {
            let at = folded.network().ops(step).iter().position(|op| op.kind == OpKind::EmbedNorm);
            let norm = at.and_then(|at| folded.weights(step, at)).zip(stream(step).and_then(|stream| residual.get_mut(&stream)));
            if let Some((norm, scale)) = norm {
                *scale = finest_norm(norm).fold(*scale, f64::max);
            }
        }
        residual.values_mut().for_each(|scale| *scale = ranges::alive(*scale));
        Self { residual, contenders, ..Self::default() }
    }

    /// The grid of the stream that `step` works on.
    pub fn residual(&self, step: Step) -> Option<Grid> {
        self.residual.get(&stream(step)?).map(|&scale| Grid::wide(scale))
    }

    /// Remembers what a finished step leaves to later ones.
    pub fn finish(&mut self, step: Step, ops: &[QuantOp]) {
        let output = |kind| ops.iter().find(|op| op.op.kind == kind).and_then(|op| op.output.clone());
        match step {
            Step::Fusion { branch, .. } => {
                self.fused[usize::from(branch)] = output(OpKind::FusionAct);
                for op in ops.iter().filter(|op| op.op.kind == OpKind::FusionNarrow) {
                    self.narrow[usize::from(op.op.source)].clone_from(&op.output);
                }
            }
            Step::StageNorm { branch, .. } => {
                self.norm[usize::from(branch)] = output(OpKind::StageNorm);
                self.narrow[usize::from(branch)] = None;
            }
            Step::Increase { .. } => self.increase = output(OpKind::IncreaseAct),
            _ => {}
        }
    }

    /// Real value of one code of what `step` leaves behind.
    pub fn step_scale(&self, step: Step, ops: &[QuantOp]) -> f64 {
        match step {
            Step::LabelMap => 1.0,
            Step::Fusion { .. } | Step::Increase { .. } | Step::StageNorm { .. } | Step::Logits | Step::Classify => {
                ops.last().and_then(|op| op.output.as_ref()).map_or(1.0, |grid| grid.scale_of(0))
            }
            _ => self.residual(step).map_or(1.0, |grid| grid.scale_of(0)),
        }
    }
}

/// Everything that deriving one step looks at.
pub struct Deriver<'a> {
    /// The network.
    pub network: &'a Network,
    /// Input size: bounds the keys of a strip.
    pub size: Size,
    /// The step.
    pub step: Step,
    /// Its operators.
    pub ops: StepOps,
    /// Statistics per operator.
    pub stats: &'a [OpStats],
    /// Real weights.
    pub folded: &'a Folded,
    /// Grids from earlier steps.
    pub tensors: &'a Tensors,
    /// What is done beyond rounding.
    pub techniques: Techniques,
    /// Arithmetic of the step: [`Precision::Int8`] or [`Precision::Int16x8`].
    pub precision: Precision,
}

/// The finest scale of each channel that a LayerNorm's integers reach: gains of 15 bits and offsets of 28, at a shift of 1.
fn finest_norm(norm: &OpWeights) -> impl Iterator<Item = f64> {
    norm.weight.iter().zip(&norm.bias).map(|(gain, offset)| (f64::from(gain.abs()) / STEEPEST_GAIN).max(f64::from(offset.abs()) / LARGEST_OFFSET))
}

/// Derives every operator of a step, in order.
///
/// # Errors
/// If the tensors of an earlier step are missing.
pub fn derive(d: &Deriver<'_>) -> Result<Vec<QuantOp>> {
    match d.step {
        Step::Stem => stem::stem(d),
        Step::PatchEmbed { branch, .. } => {
            let input = d.tensors.fused[usize::from(branch)].clone().context("an embedding without a fusion before it")?;
            stem::embed(d, 0, input)
        }
        Step::Fusion { module, branch } => fusion::fusion(d, module, branch),
        Step::Attention { .. } => attention::attention(d),
        Step::MixCfn { .. } => mix_cfn::mix_cfn(d),
        Step::StageNorm { .. } => {
            let finest = finest_norm(d.real(0));
            let scales = d.stats[0].output.iter().zip(finest).map(|(seen, finest)| (WIDE_MARGIN * seen.magnitude() / WIDE_MAX).max(finest));
            let output = Grid { scale: d.one_for_all(ranges::settled(scales.collect(), |_| 0.0)), ..Grid::wide(1.0) };
            Ok(vec![d.norm(0, d.residual()?, output)])
        }
        Step::Logits => heads::logits(d),
        Step::LabelMap => Ok(Vec::new()),
        Step::Increase { .. } => heads::increase(d),
        Step::Classify => heads::classify(d),
    }
}

impl Deriver<'_> {
    fn find(&self, kind: OpKind) -> Result<usize> {
        self.ops.iter().position(|op| op.kind == kind).with_context(|| format!("step {} has no {kind}", self.step))
    }

    fn op(&self, i: usize) -> Op {
        self.ops[i]
    }

    fn real(&self, i: usize) -> &OpWeights {
        self.folded.weights(self.step, i).expect("the folded network has weights for every operator that asks for some")
    }

    /// The dense layer at position `i` of `step`, as a reader of what this step leaves.
    fn reader_in(&self, step: Step, i: usize) -> Result<Reader<'_>> {
        let op = self.network.ops(step).get(i).copied().with_context(|| format!("step {step} has no operator {i}"))?;
        let real = self.folded.weights(step, i).with_context(|| format!("{} of step {step} has no weights", op.kind))?;
        Ok(Reader { op, real })
    }

    /// The same within this step.
    fn reader(&self, i: usize) -> Reader<'_> {
        Reader { op: self.op(i), real: self.real(i) }
    }

    fn residual(&self) -> Result<Grid> {
        self.tensors.residual(self.step).with_context(|| format!("step {} has no residual stream", self.step))
    }

    /// Grid of what is added to the residual stream: terms in the stream's scale, of which only the sum saturates.
    fn residual_term(&self) -> Result<Grid> {
        Ok(Grid::term(self.residual()?.scale_of(0)))
    }

    fn stage_norm(&self, source: u8) -> Result<Grid> {
        self.tensors.norm[usize::from(source)].clone().with_context(|| format!("no stage norm on branch {source} before {}", self.step))
    }

    /// Grid of a stage norm as its reader wants it; `i` is the narrowing. In 16 bits it stays as it is.
    fn narrow(&self, i: usize) -> Result<Grid> {
        let norm = self.stage_norm(self.op(i).source)?;
        if self.is_wide() { Ok(norm) } else { Ok(self.channels(i, &norm, 0)) }
    }

    /// [`Deriver::narrow`] of a fusion, whose outputs share it.
    fn narrowed(&self, i: usize) -> Result<Grid> {
        self.tensors.narrow[usize::from(self.op(i).source)].clone().map_or_else(|| self.narrow(i), Ok)
    }

    /// Whether codes have 16 bits.
    fn is_wide(&self) -> bool {
        self.precision == Precision::Int16x8
    }

    /// Largest 16-bit code that a dot product of `depth` has headroom for, biases included.
    fn limit(depth: usize) -> i32 {
        let most = ((f64::from(i32::MAX) - BIAS_MAX) / (WEIGHT_MAX * depth.max(1) as f64)) as i32;
        most.min(i16::MAX.into())
    }

    fn increased(&self) -> Result<Grid> {
        self.tensors.increase.clone().with_context(|| format!("no bottleneck before {}", self.step))
    }

    /// 16-bit scale of an operator's output.
    fn wide(&self, i: usize, margin: f64) -> f64 {
        ranges::alive(margin * self.stats[i].whole().magnitude() / WIDE_MAX)
    }

    /// The same of a layer that reads `input`, in which all that it could compute fits.
    fn wide_of(&self, i: usize, input: &Grid, margin: f64) -> f64 {
        self.roomy(i, input).into_iter().fold(self.wide(i, margin), f64::max)
    }

    /// Grid of the logits, over the classes that may be picked: others saturate.
    fn logits(&self, i: usize, input: &Grid) -> Grid {
        let largest = self.tensors.contenders.iter().map(|&class| self.stats[i].output[class].magnitude()).fold(0.0, f64::max);
        let roomy = self.roomy(i, input).into_iter().fold(0.0, f64::max);
        Grid::wide(ranges::alive((LINEAR_MARGIN * largest / WIDE_MAX).max(roomy)))
    }

    /// Largest magnitude of what an operator read.
    fn read(&self, i: usize) -> Extent {
        self.stats[i].input.unwrap_or(Extent::EMPTY)
    }

    /// Whether ranges are cut.
    fn clips(&self) -> bool {
        self.techniques.uses(Technique::RangeClip)
    }

    /// Values of an operator's output.
    fn values(&self, i: usize) -> Values {
        Values::all(&self.stats[i].sample, self.clips())
    }

    /// The finest scale per output channel that operator `i` resolves when it reads `input`: finer codes would only repeat steps of its accumulator, with a
    /// multiplier of one half or more.
    fn finest(&self, i: usize, input: &Grid) -> Vec<f64> {
        let op = self.op(i);
        let steps: Vec<f64> = match (op.kind, self.folded.weights(self.step, i)) {
            (OpKind::ParallelAct, _) => (0..op.cout.into()).map(|c| input.scale_of(c) / operator::three(input.scale_of(c), self.precision)).collect(),
            (OpKind::AttnAct, _) => vec![input.scale_of(0).powi(2) / 3.0],
            (_, Some(real)) => weights::coarsest(&op, &real.weight, &real.bias, input).into_iter().map(|scale| 2.0 * scale).collect(),
            (_, None) => (0..op.cout.into()).map(|c| 2.0 * input.scale_of(c)).collect(),
        };
        steps.into_iter().map(|step| JUST_ABOVE * step).collect()
    }

    /// The finest scale per output channel in which operator `i`, reading `input`, is a term of a sum: [`MOST_TERMS`] of the largest that it could compute stay
    /// below 2^31.
    fn roomy(&self, i: usize, input: &Grid) -> Vec<f64> {
        let (op, room) = (self.op(i), 2f64.powi(31) / MOST_TERMS);
        let Some(real) = self.folded.weights(self.step, i) else {
            return (0..op.cout.into()).map(|c| (input.largest() + 1) as f64 * input.scale_of(c) / room).collect();
        };
        // Zero points count as much again.
        let most = 2.0 * op.depth() as f64 * WEIGHT_MAX * input.largest() as f64;
        let steps = weights::coarsest(&op, &real.weight, &real.bias, input);
        steps.iter().zip(&real.bias).map(|(step, bias)| (step * most + f64::from(bias.abs())) / room).collect()
    }

    /// Scales of the output channels of an operator that reads `input`, none finer than it resolves.
    fn settle(&self, i: usize, input: &Grid, scales: Vec<f64>) -> Vec<f64> {
        let finest = self.finest(i, input);
        self.one_for_all(ranges::settled(scales, |c| finest[c]))
    }

    /// Symmetric scales per channel of the output of an operator that reads `input`; dot products of `depth` read it.
    fn channels(&self, i: usize, input: &Grid, depth: usize) -> Grid {
        let stats = &self.stats[i];
        if self.is_wide() {
            let limit = Self::limit(depth);
            let scales = stats.output.iter().map(|extent| WIDE_MARGIN * extent.magnitude() / f64::from(limit)).collect();
            return Grid::s16(self.settle(i, input, scales), -limit, limit);
        }
        if !self.techniques.uses(Technique::ChannelScales) {
            return Grid::symmetric(self.settle(i, input, vec![ranges::symmetric(&self.values(i), stats.whole().magnitude()); stats.output.len()]));
        }
        Grid::symmetric(self.settle(i, input, ranges::symmetric_channels(&stats.sample, &stats.output, self.clips())))
    }

    /// One scale and zero point for the output of an activation. Errors count as `reader` weighs them: where its output channels share a scale by their size, else
    /// each relative to its own output.
    fn upper(&self, i: usize, reader: &Reader<'_>) -> Grid {
        let stats = &self.stats[i];
        let weight = if matches!(reader.op.kind, OpKind::ToOut | OpKind::Fc2) { reader.energy() } else { reader.importance(&stats.output) };
        if self.is_wide() {
            let (limit, seen) = (Self::limit(reader.op.depth()), stats.whole());
            return Grid::s16(vec![ranges::alive(WIDE_MARGIN * seen.magnitude() / f64::from(limit))], if seen.min < 0.0 { -limit } else { 0 }, limit);
        }
        let (scale, zero) = ranges::upper(&Values::weighed(&stats.sample, self.clips(), &weight), &stats.output);
        Grid::byte(ranges::alive(scale), zero)
    }

    /// [`Deriver::upper`] of an activation that requantises `input` itself.
    fn upper_of(&self, i: usize, input: &Grid, reader: &Reader<'_>) -> Grid {
        let grid = self.upper(i, reader);
        let finest = self.finest(i, input).into_iter().fold(0.0, f64::max);
        if grid.scale_of(0) >= finest || self.is_wide() {
            return Grid { scale: vec![grid.scale_of(0).max(finest)], ..grid };
        }
        let lowest = f64::from(self.stats[i].whole().min).min(0.0);
        Grid::byte(finest, (-128 - (lowest / finest).round() as i32).min(127))
    }

    /// Scales per channel, zero point the lowest code, for the output of a ReLU, with which a positive factor per channel commutes. Dot products of `depth` read
    /// it. 0 where a channel is zero everywhere.
    fn positive_scales(&self, i: usize, depth: usize) -> Vec<f64> {
        let stats = &self.stats[i];
        let limit = Self::limit(depth);
        let scale = |(c, &extent): (usize, &Extent)| match self.is_wide() {
            true => WIDE_MARGIN * f64::from(extent.max).max(0.0) / f64::from(limit),
            false => ranges::upper(&Values::channel(&stats.sample, c, self.clips()), &[extent]).0,
        };
        if !self.techniques.uses(Technique::ChannelScales) {
            let one = match self.is_wide() {
                true => WIDE_MARGIN * stats.whole().magnitude() / f64::from(limit),
                false => ranges::upper(&self.values(i), &[stats.whole()]).0,
            };
            return vec![one; stats.output.len()];
        }
        stats.output.iter().enumerate().map(scale).collect()
    }

    /// The grid of those scales.
    fn positive(&self, scale: Vec<f64>, depth: usize) -> Grid {
        if self.is_wide() { Grid::s16(scale, 0, Self::limit(depth)) } else { Grid { scale, ..Grid::positive(1.0) } }
    }

    /// Output of a convolution with ReLU that reads `input`.
    fn positive_channels(&self, i: usize, input: &Grid, depth: usize) -> Grid {
        self.positive(self.settle(i, input, self.positive_scales(i, depth)), depth)
    }

    /// Largest magnitude per channel among the outputs of the operators of the kinds asked for.
    fn largest(&self, is_one: impl Fn(OpKind) -> bool) -> Vec<f64> {
        let mut largest = Vec::new();
        for (_, stats) in self.ops.iter().zip(self.stats).filter(|(op, _)| is_one(op.kind)) {
            largest.resize(stats.output.len(), 0.0f64);
            largest.iter_mut().zip(&stats.output).for_each(|(most, extent)| *most = most.max(extent.magnitude()));
        }
        largest
    }

    /// Output of a ReLU of a sum, and the scales of that sum: each a channel's output scale times one ratio for all, which leaves one multiplier. A channel's sum
    /// has at least the scale `coarse(c)`, in which its terms fit.
    fn summed(&self, i: usize, depth: usize, coarse: impl Fn(usize) -> f64) -> (Grid, Vec<f64>) {
        let most = if self.is_wide() { WIDE_SUM_STEP } else { SUM_STEP };
        let outputs = self.one_for_all(ranges::settled(self.positive_scales(i, depth), |c| coarse(c) / most));
        let ratio = outputs.iter().enumerate().map(|(c, output)| coarse(c) / output).fold(0.0, f64::max);
        let ratio = ranges::alive(ratio).min(most);
        let sums = outputs.iter().map(|output| ratio * output).collect();
        (self.positive(outputs, depth), sums)
    }

    /// The largest of the scales in place of each, where tensors have one scale.
    fn one_for_all(&self, scales: Vec<f64>) -> Vec<f64> {
        if self.techniques.uses(Technique::ChannelScales) {
            return scales;
        }
        let largest = scales.iter().copied().fold(0.0, f64::max);
        vec![largest; scales.len()]
    }

    fn plain(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        QuantOp::plain(self.op(i), input, output)
    }

    /// An operator with weights whose accumulator is requantised straight to its output.
    fn linear(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        let (op, real) = (self.op(i), self.real(i));
        let weights = Weights::quantise(&op, &real.weight, &real.bias, &input, self.techniques, |o| output.scale_of(o));
        QuantOp { weights: Some(weights), ..QuantOp::plain(op, input, output) }
    }

    /// An operator with weights whose accumulator becomes an index.
    fn indexed(&self, i: usize, input: Grid, index: Index, output: Grid) -> QuantOp {
        let (op, real) = (self.op(i), self.real(i));
        let weights = Weights::quantise(&op, &real.weight, &real.bias, &input, self.techniques, |_| index.unit());
        QuantOp { weights: Some(weights), index: Some(index), ..QuantOp::plain(op, input, output) }
    }

    /// A LayerNorm with its own affine.
    fn norm(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        let real = self.real(i);
        let reals = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (gains, offsets) = (reals(&real.weight), reals(&real.bias));
        // The steepest gain has 15 bits at a shift of 1.
        let most = gains.iter().enumerate().map(|(c, gain)| gain.abs() / output.scale_of(c)).fold(0.0, f64::max);
        let least = (most.log2() - 14.0).ceil().clamp(0.0, 15.0) as u8;
        let norm_fraction = fraction::choose(&self.stats[i].sample, (&gains, &offsets), &vec![1.0; gains.len()], least);
        QuantOp { affine: Some((gains, offsets)), norm_fraction, ..QuantOp::plain(self.op(i), input, output) }
    }

    /// A LayerNorm whose affine lies in the linear layer `reader`.
    fn smoothed_norm(&self, i: usize, reader: usize, groups: usize) -> Result<QuantOp> {
        let (op, real) = (self.op(reader), self.real(reader));
        let reader = super::smoothing::Reader {
            op: &op,
            weight: &real.weight,
            bias: &real.bias,
            groups,
            techniques: self.techniques,
            limit: self.is_wide().then(|| Self::limit(op.depth())),
        };
        let smoothed = super::smoothing::choose(&self.stats[i].sample, &self.stats[i].output, &reader);
        let channels = usize::from(self.op(i).cout);
        let affine = Some((vec![1.0; channels], vec![0.0; channels]));
        let plain = self.plain(i, self.residual()?, smoothed.grid);
        Ok(QuantOp { affine, smoothing: Some(smoothed.exponent), norm_fraction: smoothed.fraction, ..plain })
    }

    /// The index of a GELU with the output `output`, whose input had the extent `seen`.
    fn index(&self, output: &Grid, seen: Extent) -> Index {
        if self.is_wide() {
            // Below -5.5 GELU is flat: lower inputs may saturate.
            let reach = WIDE_MARGIN * f64::from(seen.max).max(f64::from(-seen.min).min(FLAT));
            return Index::interpolated(ranges::alive(reach.max(0.0) / WIDE_MAX));
        }
        ranges::index_for(output, seen, TABLE8)
    }

    /// Grid of the i32 terms of a sum whose largest magnitude is `largest`, no finer than `roomy`.
    fn term_of(&self, largest: f64, roomy: f64) -> Grid {
        Grid::term(ranges::alive(self.term_scale(largest).max(roomy)))
    }

    /// Its scale; 0 if all terms are.
    fn term_scale(&self, largest: f64) -> f64 {
        let finer = if self.is_wide() { FINE_TERMS } else { 1.0 };
        WIDE_MARGIN * largest / (finer * WIDE_MAX)
    }
}
