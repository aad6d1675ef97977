//! From statistics to the grids and integer weights of a step's operators, one family of operators per file.

mod attention;
mod fusion;
mod heads;
mod mix_cfn;
mod stem;

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use hrvit_format::{BRANCHES, Network, Op, OpKind, Size, Step, StepOps, record::Precision};
use hrvit_reference::{Folded, OpWeights};

use super::{
    encode::{Index, TABLE8},
    format::Grid,
    operator::QuantOp,
    ranges::{self, Extent, Values},
    stats::{OpStats, Stream, stream},
    techniques::{Technique, Techniques},
    weights::{BIAS_MAX, WEIGHT_MAX, Weights},
};

/// Margin of a 16-bit scale over the largest value seen, for tensors that are read as they are.
const WIDE_MARGIN: f64 = 1.1;
/// The same for tensors at the end of a linear chain, whose tails are the widest.
const LINEAR_MARGIN: f64 = 1.2;
/// The same for residual streams and attention sums.
const SUM_MARGIN: f64 = 1.15;
/// How much smaller than the largest a channel's scale may be after a ReLU.
const LARGEST_SPREAD: f64 = 64.0;
/// Largest 16-bit code.
const WIDE_MAX: f64 = 32767.0;
/// How much finer terms of a sum are than its 16-bit codes.
const FINE_TERMS: f64 = 16.0;
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
}

impl Tensors {
    /// Tensors of a network whose residual streams have these largest magnitudes: `scale = 1.15 * largest / 32767`.
    pub fn new(largest: &BTreeMap<Stream, f32>) -> Self {
        let scale = |&x: &f32| SUM_MARGIN * f64::from(x).max(ranges::SMALLEST) / WIDE_MAX;
        Self { residual: largest.iter().map(|(&stream, x)| (stream, scale(x))).collect(), ..Self::default() }
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
        Step::Fusion { .. } => fusion::fusion(d),
        Step::Attention { .. } => attention::attention(d),
        Step::MixCfn { .. } => mix_cfn::mix_cfn(d),
        Step::StageNorm { .. } => {
            let output = Grid::wide(d.wide(0, WIDE_MARGIN));
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

    fn residual(&self) -> Result<Grid> {
        self.tensors.residual(self.step).with_context(|| format!("step {} has no residual stream", self.step))
    }

    fn stage_norm(&self, source: u8) -> Result<Grid> {
        self.tensors.norm[usize::from(source)].clone().with_context(|| format!("no stage norm on branch {source} before {}", self.step))
    }

    /// Grid of a stage norm as its reader wants it; `i` is the narrowing. In 16 bits it stays as it is.
    fn narrow(&self, i: usize) -> Result<Grid> {
        if self.is_wide() { self.stage_norm(self.op(i).source) } else { Ok(self.channels(i, 0)) }
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
        margin * self.stats[i].whole().magnitude() / WIDE_MAX
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

    /// Symmetric scales per channel of an operator's output, which dot products of `depth` read.
    fn channels(&self, i: usize, depth: usize) -> Grid {
        let stats = &self.stats[i];
        if self.is_wide() {
            let limit = Self::limit(depth);
            return Grid::s16(stats.output.iter().map(|extent| WIDE_MARGIN * extent.magnitude() / f64::from(limit)).collect(), -limit, limit);
        }
        if !self.techniques.uses(Technique::ChannelScales) {
            return Grid::symmetric(vec![ranges::symmetric(&self.values(i), stats.whole().magnitude()); stats.output.len()]);
        }
        Grid::symmetric(ranges::symmetric_channels(&stats.sample, &stats.output, self.clips()))
    }

    /// One scale and zero point for the output of an activation, which dot products of `depth` read.
    fn upper(&self, i: usize, depth: usize) -> Grid {
        if self.is_wide() {
            let (limit, seen) = (Self::limit(depth), self.stats[i].whole());
            return Grid::s16(vec![WIDE_MARGIN * seen.magnitude() / f64::from(limit)], if seen.min < 0.0 { -limit } else { 0 }, limit);
        }
        ranges::upper(&self.values(i), self.stats[i].whole())
    }

    /// One scale per channel, zero point -128, for the output of a ReLU with the multipliers of the convolution before it: ReLU commutes with scaling.
    /// Dot products of `depth` read it.
    fn positive_channels(&self, i: usize, depth: usize) -> Grid {
        let stats = &self.stats[i];
        if !self.is_wide() && !self.techniques.uses(Technique::ChannelScales) {
            return Grid { scale: vec![self.upper(i, depth).scale_of(0); stats.output.len()], ..Grid::positive(1.0) };
        }
        let limit = Self::limit(depth);
        let scale = |(c, &extent): (usize, &Extent)| match self.is_wide() {
            true => WIDE_MARGIN * extent.magnitude() / f64::from(limit),
            false => ranges::upper(&Values::channel(&stats.sample, c, self.clips()), extent).scale_of(0),
        };
        let scales: Vec<f64> = stats.output.iter().enumerate().map(scale).collect();
        // Channels that ReLU (almost) always silences must not ask for multipliers that leave the accumulator no headroom.
        let least = scales.iter().fold(0.0, |a: f64, &b| a.max(b)) / LARGEST_SPREAD;
        let scale = scales.into_iter().map(|scale| scale.max(least)).collect();
        if self.is_wide() { Grid::s16(scale, 0, limit) } else { Grid { scale, ..Grid::positive(1.0) } }
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
        let reals = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect();
        QuantOp { affine: Some((reals(&real.weight), reals(&real.bias))), ..QuantOp::plain(self.op(i), input, output) }
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
        let (output, exponent) = super::smoothing::choose(&self.stats[i].sample, &self.stats[i].output, &reader);
        let channels = usize::from(self.op(i).cout);
        Ok(QuantOp { affine: Some((vec![1.0; channels], vec![0.0; channels])), smoothing: Some(exponent), ..self.plain(i, self.residual()?, output) })
    }

    /// The index of a GELU with the output `output`, whose input had the extent `seen`.
    fn index(&self, output: &Grid, seen: Extent) -> Index {
        if self.is_wide() {
            // Below -5.5 GELU is flat: lower inputs may saturate.
            let reach = WIDE_MARGIN * f64::from(seen.max).max(f64::from(-seen.min).min(FLAT)).max(ranges::SMALLEST);
            return Index::interpolated(reach / WIDE_MAX);
        }
        ranges::index_for(output, seen, TABLE8)
    }

    /// Scale of the i32 terms of a sum whose largest magnitude is `largest`.
    fn term(&self, largest: f64) -> Grid {
        let finer = if self.is_wide() { FINE_TERMS } else { 1.0 };
        Grid::term(WIDE_MARGIN * largest / (finer * WIDE_MAX))
    }
}
