//! From statistics to the grids and integer weights of a step's operators, one family of operators
//! per file.

mod attention;
mod fusion;
mod heads;
mod mix_cfn;
mod reader;
mod scales;
mod stem;
mod tensors;

use anyhow::{Context, Result};
use hrvit_format::{Network, Op, OpKind, Size, Step, StepOps, record::Precision};
use hrvit_reference::{Folded, OpWeights};

pub use self::tensors::Tensors;
use self::{
    reader::Reader,
    scales::{CHANNEL_MARGIN, LARGEST_OFFSET, STEEPEST_GAIN, WIDE_MARGIN, WIDE_MAX, finest_norm},
};
use super::{encode::Index, format::Grid, fraction, operator::QuantOp, ranges, stats::OpStats, techniques::Techniques, weights::Weights};

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
    /// Techniques beyond rounding.
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
        Step::Fusion { module, branch } => fusion::fusion(d, module, branch),
        Step::Attention { .. } => attention::attention(d),
        Step::MixCfn { .. } => mix_cfn::mix_cfn(d),
        Step::StageNorm { .. } => {
            let finest = finest_norm(d.real(0));
            let whole = WIDE_MARGIN * d.stats[0].whole().magnitude();
            let scale = |seen: f64, finest: f64| if seen > 0.0 { ((CHANNEL_MARGIN * seen).min(whole) / WIDE_MAX).max(finest) } else { 0.0 };
            let scales = d.stats[0].output.iter().zip(finest).map(|(seen, finest)| scale(seen.magnitude(), finest));
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

    /// Variance of every channel that operator `i` read.
    fn variance(&self, i: usize) -> Vec<f64> {
        self.stats[i].read.variance()
    }

    fn residual(&self) -> Result<Grid> {
        self.tensors.residual(self.step).with_context(|| format!("step {} has no residual stream", self.step))
    }

    /// Grid of what is added to the residual stream: terms in the stream's scale, of which only the
    /// sum saturates.
    fn residual_term(&self) -> Result<Grid> {
        Ok(Grid::term(self.residual()?.scale_of(0)))
    }

    fn stage_norm(&self, source: u8) -> Result<Grid> {
        self.tensors.norm[usize::from(source)].clone().with_context(|| format!("no stage norm on branch {source} before {}", self.step))
    }

    /// Grid of a stage norm as its reader wants it; `i` is the narrowing. In 16 bits it stays as it
    /// is.
    fn narrow(&self, i: usize) -> Result<Grid> {
        let norm = self.stage_norm(self.op(i).source)?;
        if self.is_wide() { Ok(norm) } else { Ok(self.channels(i, &norm, 0)) }
    }

    /// [`Deriver::narrow`] of a fusion, whose outputs share it.
    fn narrowed(&self, i: usize) -> Result<Grid> {
        self.tensors.narrow[usize::from(self.op(i).source)].clone().map_or_else(|| self.narrow(i), Ok)
    }

    fn increased(&self) -> Result<Grid> {
        self.tensors.increase.clone().with_context(|| format!("no bottleneck before {}", self.step))
    }

    fn plain(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        QuantOp::plain(self.op(i), input, output)
    }

    /// An operator with weights whose accumulator is requantised straight to its output.
    fn linear(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        let (op, real) = (self.op(i), self.real(i));
        let weights = Weights::quantise(&op, &real.weight, &real.bias, (&input, &self.variance(i)), self.techniques, |o| output.scale_of(o));
        QuantOp { weights: Some(weights), ..QuantOp::plain(op, input, output) }
    }

    /// An operator with weights whose accumulator becomes an index.
    fn indexed(&self, i: usize, input: Grid, index: Index, output: Grid) -> QuantOp {
        let (op, real) = (self.op(i), self.real(i));
        let weights = Weights::quantise(&op, &real.weight, &real.bias, (&input, &self.variance(i)), self.techniques, |_| index.unit());
        QuantOp { weights: Some(weights), index: Some(index), ..QuantOp::plain(op, input, output) }
    }

    /// A LayerNorm with its own affine.
    fn norm(&self, i: usize, input: Grid, output: Grid) -> QuantOp {
        let real = self.real(i);
        let reals = |values: &[f32]| values.iter().map(|&x| f64::from(x)).collect::<Vec<_>>();
        let (mut gains, mut offsets) = (reals(&real.weight), reals(&real.bias));
        // Of a channel that is zero on every frame what the integers do not reach is cut.
        for (c, (gain, offset)) in gains.iter_mut().zip(&mut offsets).enumerate() {
            let [most, farthest] = [STEEPEST_GAIN, LARGEST_OFFSET].map(|most| most * output.scale_of(c));
            (*gain, *offset) = (gain.clamp(-most, most), offset.clamp(-farthest, farthest));
        }
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
}
