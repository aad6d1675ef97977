//! The canonical graph in float: every step and operator of [`hrvit_format::graph`], with a [`Tap`]
//! that sees and may change every operator's output.

mod run_op;
mod state;
mod steps;

use std::collections::BTreeMap;

use hrvit_format::{Network, OpKind, Preprocess, Step};

use crate::checkpoint::Checkpoint;
use crate::fold::fold;
use crate::map::{Frame, Map};
use crate::op_weights::OpWeights;

pub use state::State;

/// Sees the forward pass operator by operator.
pub trait Tap {
    /// Called once after operator `op` (its position in [`Network::ops`] of `step`) has been
    /// computed. The tap leaves in `output` the values that the graph goes on with.
    ///
    /// | kind | `input` | `output` |
    /// |---|---|---|
    /// | `StemConv1` | raw pixels, 0 to 255 | after ReLU |
    /// | `StemConv2` | | after ReLU and GELU |
    /// | `EmbedPointwise`, `EmbedDepthwise`, `EmbedDense`, `Fc1`, `FfnDepthwise3/5`, `ParallelDepthwise`, `FusionDepthwise`, `HeadClassifier`, `FinalLinear` | | the layer's result |
    /// | `AttnNorm`, `FfnNorm` | residual | normalised tokens, no affine |
    /// | `EmbedNorm`, `StageNorm` | | after the affine part |
    /// | `Qkv` | | `[q, v]`, 2C channels, q scaled by `log2(e) / √d`; `[q, k, v]` with keys of their own |
    /// | `ParallelAct` | v, C channels | `Hardswish(v)` |
    /// | `Scores` | `[q, v]` | heads channels: largest minus smallest logit per query (units of log2); not used further |
    /// | `Values` | `[q, v]` | attention, C channels |
    /// | `AttnAct` | attention + parallel path | its Hardswish |
    /// | `AttnNarrow` | attention + parallel path | the same |
    /// | `ToOut`, `Fc2` | | the term, before the residual sum |
    /// | `DesRight` | residual | after the activation, channels in `[k, p]` order |
    /// | `DesLeft` | `DesRight`'s output | the term, before the residual sum |
    /// | `FfnAct` | both depthwise halves | its GELU |
    /// | `FusionNarrow`, `FusionIdentity`, `HeadNarrow`, `IncreaseNarrow` | stage norm of the source | the same |
    /// | `FusionPointwise`, `HeadPointwise` | | the term before any upsampling or resize (at `FusionDepthwise`'s resolution where there is one) |
    /// | `FusionAct` | the sum | its GELU |
    /// | `HeadAct` | the sum of the resized terms | its ReLU |
    /// | `IncreaseConv1/2`, `IncreaseDownsample`, `FinalConv` | | after ReLU |
    /// | `IncreaseConv3`, `IncreaseShortcut` | | the term |
    /// | `IncreaseAct` | sum of the two terms | its ReLU, plus `IncreaseDownsample`'s output from branch 1 on |
    ///
    /// `FinalLinear`'s input is the mean of `FinalConv`'s output, one token.
    fn op(&mut self, step: Step, op: usize, kind: OpKind, input: &Map, output: &mut Map);

    /// Called after a residual sum: `x + to_out + des` of [`Step::Attention`], `x + fc2` of
    /// [`Step::MixCfn`]. The tap leaves the new residual in `x`.
    fn residual(&mut self, step: Step, x: &mut Map) {
        let _ = (step, x);
    }
}

/// Sees nothing, changes nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoTap;

impl Tap for NoTap {
    fn op(&mut self, _: Step, _: usize, _: OpKind, _: &Map, _: &mut Map) {}
}

/// A network after the exact rewrites.
#[derive(Clone, Debug, PartialEq)]
pub struct Folded {
    network: Network,
    weights: BTreeMap<(Step, usize), OpWeights>,
    preprocess: Preprocess,
}

impl Folded {
    /// Folds a checkpoint (see [`crate::fold`]).
    pub fn new(checkpoint: &Checkpoint) -> Self {
        Self { network: checkpoint.network().clone(), weights: fold(checkpoint), preprocess: *checkpoint.preprocess() }
    }

    /// How a picture becomes the input. [`OpKind::StemConv1`] takes its mean from every pixel
    /// (RGB); outside of the picture it then sees zeros.
    pub fn preprocess(&self) -> &Preprocess {
        &self.preprocess
    }

    /// The network.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Weights of operator `op` of `step`; `None` where it has none.
    pub fn weights(&self, step: Step, op: usize) -> Option<&OpWeights> {
        self.weights.get(&(step, op))
    }

    /// Weights of operator `op` of `step`, to be changed (lengths must stay); `None` where it has
    /// none.
    pub fn weights_mut(&mut self, step: Step, op: usize) -> Option<&mut OpWeights> {
        self.weights.get_mut(&(step, op))
    }

    /// Every operator with weights in the order of [`Step`] and position.
    pub fn iter(&self) -> impl Iterator<Item = (Step, usize, &OpWeights)> {
        self.weights.iter().map(|(&(step, op), weights)| (step, op, weights))
    }

    /// Logits of one frame: all steps in canonical order. `[height / 4, width / 4, classes]` from a
    /// segmentor, `[1, 1, classes]` from a classifier.
    pub fn forward(&self, frame: Frame, tap: &mut dyn Tap) -> Map {
        let mut state = State::new(frame);
        for step in self.network.steps() {
            self.step(step, &mut state, tap);
        }
        state.logits.expect("the last step of every head leaves logits")
    }
}
