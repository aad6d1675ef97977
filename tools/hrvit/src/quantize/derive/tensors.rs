//! Grids of the tensors that pass from step to step.

use std::collections::BTreeMap;

use hrvit_format::{BRANCHES, OpKind, Step};
use hrvit_reference::Folded;

use super::scales::{SUM_MARGIN, WIDE_MAX, finest_norm};
use crate::quantize::{
    format::Grid,
    operator::QuantOp,
    ranges,
    stats::{Stream, stream},
};

/// Grids of the tensors that pass from step to step.
#[derive(Clone, Debug, Default)]
pub struct Tensors {
    /// Scale of every residual stream.
    pub residual: BTreeMap<Stream, f64>,
    /// Latest fusion output per branch.
    pub(super) fused: [Option<Grid>; BRANCHES],
    /// Latest stage norm per branch.
    pub(super) norm: [Option<Grid>; BRANCHES],
    /// That stage norm as the outputs of the next fusion read it: one grid for all of them, since
    /// the engine narrows a branch once.
    pub(super) narrow: [Option<Grid>; BRANCHES],
    /// Latest result of the classification head's bottlenecks.
    pub(super) increase: Option<Grid>,
    /// Classes whose logits need resolution.
    pub(super) contenders: Vec<usize>,
}

impl Tensors {
    /// Tensors of a network whose residual streams have these largest magnitudes:
    /// `scale = 1.15 * largest / 32767`, or as coarse as the gains of the LayerNorm that begins the
    /// stream need. `contenders` are the classes that may be picked.
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
