//! The canonical order of the network's steps and of the operators inside each.
//!
//! A [`Step`] ends with a whole tensor: CRCs, profiles and weight streaming work step by step. An
//! [`Op`] is one operator of a step, with its own record in the image. Writer, engine, quantiser
//! and accounting all walk [`Network::steps`] and [`Network::ops`]. The position of a record in
//! this order therefore tells its operator.

use heapless::Vec;

pub use crate::op::{Op, OpKind};
use crate::{
    network::{Head, Network},
    sentence::sentences,
    spec::{BOTTLENECK_EXPANSION, BRANCHES, CLASSIFIER_FINAL, CLASSIFIER_WIDTHS},
};

/// The most operators inside one step.
pub const MAX_STEP_OPS: usize = 13;

/// One step of the forward pass. `module`, `branch` and `block` count from 0.
///
/// The enum is exhaustive: engine, quantiser and plan must know every kind of step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Step {
    /// From the frame to the residual stream of branch 0: stem, the first module's fusion (only its
    /// GELU) and its patch embedding.
    Stem,
    /// One output branch of a module's fusion, s8.
    Fusion {
        /// Module, from 1.
        module: u8,
        /// Output branch.
        branch: u8,
    },
    /// From a fusion's output to a residual stream, s16: patch embedding with its LayerNorm.
    PatchEmbed {
        /// Module, from 1.
        module: u8,
        /// Branch.
        branch: u8,
    },
    /// `x + attn(attn_norm(x)) + des(x)`, in place.
    Attention {
        /// Module.
        module: u8,
        /// Branch.
        branch: u8,
        /// Block within the branch.
        block: u8,
    },
    /// `x + ffn(ffn_norm(x))`, in place.
    MixCfn {
        /// Module.
        module: u8,
        /// Branch.
        branch: u8,
        /// Block within the branch.
        block: u8,
    },
    /// LayerNorm at the end of a stage, in place, s16.
    StageNorm {
        /// Module.
        module: u8,
        /// Branch.
        branch: u8,
    },
    /// SegFormer head up to its logits at 1/4 of the input, s16.
    Logits,
    /// Logits resized to the input's size, and their argmax. This step has no operators.
    LabelMap,
    /// Classification head: bottleneck of one branch. From branch 1 on, the downsampled result of
    /// the previous branch is added.
    Increase {
        /// Branch.
        branch: u8,
    },
    /// Classification head: last 1x1 convolution, mean over the map and linear classifier.
    Classify,
}

impl Step {
    /// Whether the step belongs to the head. Steps of the head follow those of the backbone.
    pub fn in_head(self) -> bool {
        matches!(self, Self::Logits | Self::LabelMap | Self::Increase { .. } | Self::Classify)
    }

    /// Name of the kind of block without its place in the network, such as `MixCfn`. Logs of
    /// devices have it after `kind=`.
    pub fn kind(self) -> &'static str {
        match self {
            Self::Stem => "Stem",
            Self::Fusion { .. } => "Fusion",
            Self::PatchEmbed { .. } => "PatchEmbed",
            Self::Attention { .. } => "Attention",
            Self::MixCfn { .. } => "MixCfn",
            Self::StageNorm { .. } => "StageNorm",
            Self::Logits => "Logits",
            Self::LabelMap => "LabelMap",
            Self::Increase { .. } => "Increase",
            Self::Classify => "Classify",
        }
    }
}

/// Position of a step in canonical order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StepId(pub u16);

sentences!(StepId {
    Self(number) => ("{}", number),
});

/// Operators of a step, in order.
pub type StepOps = Vec<Op, MAX_STEP_OPS>;

impl Network {
    /// Every step in canonical order. The stem is first. Each module has its fusion outputs (from
    /// module 1 on). Then each of its branches has the patch embedding (from module 1 on), the
    /// blocks and the stage norm. The head is last.
    pub fn steps(&self) -> impl Iterator<Item = Step> + '_ {
        core::iter::successors(Some(Step::Stem), |step| self.after(*step))
    }

    /// Every step in canonical order, with its position.
    pub fn step_ids(&self) -> impl Iterator<Item = (StepId, Step)> + '_ {
        (0u16..).map(StepId).zip(self.steps())
    }

    /// The step at a position.
    pub fn step(&self, id: StepId) -> Option<Step> {
        self.steps().nth(id.0.into())
    }

    /// The step that follows `step`, which is one of this network.
    #[inline(never)] // every loop over the steps has a call, not all of this
    fn after(&self, step: Step) -> Option<Step> {
        let branches = |module: u8| self.spec.branches(usize::from(module)) as u8;
        let blocks = |module: u8, branch: u8| self.spec.block_count(usize::from(module), usize::from(branch)) as u8;
        let first_block = |module, branch| match blocks(module, branch) {
            0 => Step::StageNorm { module, branch },
            _ => Step::Attention { module, branch, block: 0 },
        };
        let first_of_branch = |module, branch| if module > 0 { Step::PatchEmbed { module, branch } } else { first_block(module, branch) };
        Some(match step {
            Step::Stem => first_of_branch(0, 0),
            Step::Fusion { module, branch } if branch + 1 < branches(module) => Step::Fusion { module, branch: branch + 1 },
            Step::Fusion { module, .. } => first_of_branch(module, 0),
            Step::PatchEmbed { module, branch } => first_block(module, branch),
            Step::Attention { module, branch, block } => Step::MixCfn { module, branch, block },
            Step::MixCfn { module, branch, block } if block + 1 < blocks(module, branch) => Step::Attention { module, branch, block: block + 1 },
            Step::MixCfn { module, branch, .. } => Step::StageNorm { module, branch },
            Step::StageNorm { module, branch } if branch + 1 < branches(module) => first_of_branch(module, branch + 1),
            Step::StageNorm { module, .. } if usize::from(module) + 1 < self.spec.modules() => Step::Fusion { module: module + 1, branch: 0 },
            Step::StageNorm { .. } => match self.head {
                Head::Segformer => Step::Logits,
                Head::Classifier => Step::Increase { branch: 0 },
            },
            Step::Logits => Step::LabelMap,
            Step::Increase { branch } if usize::from(branch) + 1 < BRANCHES => Step::Increase { branch: branch + 1 },
            Step::Increase { .. } => Step::Classify,
            Step::LabelMap | Step::Classify => return None,
        })
    }

    /// The operators of `step`, in order. Operators that an ablation takes out are not among them
    /// ([`Spec::ablation`](crate::Spec::ablation)).
    pub fn ops(&self, step: Step) -> StepOps {
        let mut ops = Ops { list: StepOps::new(), source: 0 };
        let spec = &self.spec;
        match step {
            Step::Stem => {
                let half = spec.stem / 2;
                ops.conv(OpKind::StemConv1, 3, half, 3, 2);
                ops.conv(OpKind::StemConv2, half, spec.stem, 3, 2);
                ops.embed(spec.stem, spec.channels(0), spec.ablation().dense_embedding);
            }
            Step::Fusion { module, branch } => self.fusion_ops(&mut ops, module, branch),
            Step::PatchEmbed { module, branch } => {
                ops.source = branch;
                let b = usize::from(branch);
                ops.embed(spec.fused_channels(usize::from(module), b), spec.channels(b), spec.ablation().dense_embedding);
            }
            Step::Attention { branch, .. } => self.attention_ops(&mut ops, branch),
            Step::MixCfn { branch, .. } => {
                ops.source = branch;
                let (c, hidden) = (spec.channels(usize::from(branch)), spec.hidden(usize::from(branch)));
                ops.map(OpKind::FfnNorm, c, c);
                ops.conv(OpKind::Fc1, c, hidden, 1, 1);
                let [three, five] = spec.ablation().between.shares(hidden);
                if three > 0 {
                    ops.depthwise(OpKind::FfnDepthwise3, three, 3, 1);
                }
                if five > 0 {
                    ops.depthwise(OpKind::FfnDepthwise5, five, 5, 1);
                }
                ops.map(OpKind::FfnAct, hidden, hidden);
                ops.conv(OpKind::Fc2, hidden, c, 1, 1);
            }
            Step::StageNorm { branch, .. } => {
                ops.source = branch;
                let c = spec.channels(usize::from(branch));
                ops.map(OpKind::StageNorm, c, c);
            }
            Step::Logits => {
                for source in 0..BRANCHES as u8 {
                    ops.source = source;
                    let c = spec.channels(usize::from(source));
                    ops.map(OpKind::HeadNarrow, c, c);
                    ops.conv(OpKind::HeadPointwise, c, spec.head_width, 1, 1);
                }
                ops.source = 0;
                ops.map(OpKind::HeadAct, spec.head_width, spec.head_width);
                ops.conv(OpKind::HeadClassifier, spec.head_width, self.classes, 1, 1);
            }
            Step::LabelMap => {}
            Step::Increase { branch } => self.increase_ops(&mut ops, branch),
            Step::Classify => {
                ops.source = BRANCHES as u8 - 1;
                ops.conv(OpKind::FinalConv, BOTTLENECK_EXPANSION * CLASSIFIER_WIDTHS[BRANCHES - 1], CLASSIFIER_FINAL, 1, 1);
                ops.conv(OpKind::FinalLinear, CLASSIFIER_FINAL, self.classes, 1, 1);
            }
        }
        ops.list
    }

    fn fusion_ops(&self, ops: &mut Ops, module: u8, branch: u8) {
        let width = self.spec.fused_channels(usize::from(module), usize::from(branch));
        for source in self.spec.fusion_sources(module.into(), branch.into()).map(|source| source as u8) {
            ops.source = source;
            let c = self.spec.channels(usize::from(source));
            if source == branch {
                ops.map(OpKind::FusionIdentity, c, width);
            }
            // The branch itself is narrowed too: other outputs read it after this output has
            // overwritten the stage norm.
            ops.map(OpKind::FusionNarrow, c, c);
            if source == branch {
                continue;
            }
            if source < branch {
                let stride = 1u8.checked_shl(u32::from(branch - source)).unwrap_or(0);
                ops.depthwise(OpKind::FusionDepthwise, c, stride + 1, stride);
            }
            ops.conv(OpKind::FusionPointwise, c, width, 1, 1);
        }
        ops.source = branch;
        ops.map(OpKind::FusionAct, width, width);
    }

    fn attention_ops(&self, ops: &mut Ops, branch: u8) {
        ops.source = branch;
        let b = usize::from(branch);
        let c = self.spec.channels(b);
        let (k, p) = self.spec.des_shape(b);
        let ablation = self.spec.ablation();
        ops.map(OpKind::AttnNorm, c, c);
        ops.conv(OpKind::Qkv, c, if ablation.own_keys { 3 } else { 2 } * c, 1, 1);
        if !ablation.no_parallel_path {
            ops.map(OpKind::ParallelAct, c, c);
            ops.depthwise(OpKind::ParallelDepthwise, c, 3, 1);
        }
        ops.map(OpKind::Scores, c, self.spec.attention_heads(b));
        ops.map(OpKind::Values, c, c);
        ops.map(if ablation.no_extra_norm { OpKind::AttnNarrow } else { OpKind::AttnAct }, c, c);
        ops.conv(OpKind::ToOut, c, c, 1, 1);
        if !ablation.no_des {
            ops.conv(OpKind::DesRight, p, p, 1, 1);
            ops.conv(OpKind::DesLeft, k, k, 1, 1);
        }
    }

    fn increase_ops(&self, ops: &mut Ops, branch: u8) {
        ops.source = branch;
        let b = usize::from(branch);
        let (c, width) = (self.spec.channels(b), CLASSIFIER_WIDTHS.get(b).copied().unwrap_or(0));
        let out = BOTTLENECK_EXPANSION * width;
        ops.map(OpKind::IncreaseNarrow, c, c);
        ops.conv(OpKind::IncreaseConv1, c, width, 1, 1);
        ops.conv(OpKind::IncreaseConv2, width, width, 3, 1);
        ops.conv(OpKind::IncreaseConv3, width, out, 1, 1);
        ops.conv(OpKind::IncreaseShortcut, c, out, 1, 1);
        if branch > 0 {
            ops.source = branch - 1;
            let before = BOTTLENECK_EXPANSION * CLASSIFIER_WIDTHS.get(b - 1).copied().unwrap_or(0);
            ops.conv(OpKind::IncreaseDownsample, before, out, 3, 2);
        }
        ops.source = branch;
        ops.map(OpKind::IncreaseAct, out, out);
    }
}

/// Collects the operators of one step; a step never has more than [`MAX_STEP_OPS`] (checked by test
/// over every step of every variant).
struct Ops {
    list: StepOps,
    source: u8,
}

impl Ops {
    #[inline(never)] // called once for every kind
    fn add(&mut self, op: Op) {
        let added = self.list.push(op);
        debug_assert!(added.is_ok(), "a step has more operators than MAX_STEP_OPS");
    }

    fn conv(&mut self, kind: OpKind, cin: u16, cout: u16, kernel: u8, stride: u8) {
        self.add(Op { kind, source: self.source, cin, cout, kernel, stride, depthwise: false });
    }

    fn depthwise(&mut self, kind: OpKind, channels: u16, kernel: u8, stride: u8) {
        self.add(Op { kind, source: self.source, cin: channels, cout: channels, kernel, stride, depthwise: true });
    }

    fn map(&mut self, kind: OpKind, cin: u16, cout: u16) {
        self.add(Op { kind, source: self.source, cin, cout, kernel: 0, stride: 1, depthwise: false });
    }

    fn embed(&mut self, cin: u16, cout: u16, dense: bool) {
        if dense {
            self.conv(OpKind::EmbedDense, cin, cout, 3, 1);
        } else {
            self.conv(OpKind::EmbedPointwise, cin, cout, 1, 1);
            self.depthwise(OpKind::EmbedDepthwise, cout, 3, 1);
        }
        self.map(OpKind::EmbedNorm, cout, cout);
    }
}

sentences!(Step {
    Self::Stem => ("stem"),
    Self::Fusion { module, branch } => ("m{}.fusion.{}", module + 1, branch),
    Self::PatchEmbed { module, branch } => ("m{}.patch_embed.{}", module + 1, branch),
    Self::Attention { module, branch, block } => ("m{}.branch.{}.{}.attn", module + 1, branch, block),
    Self::MixCfn { module, branch, block } => ("m{}.branch.{}.{}.ffn", module + 1, branch, block),
    Self::StageNorm { module, branch } => ("m{}.norm.{}", module + 1, branch),
    Self::Logits => ("head.logits"),
    Self::LabelMap => ("head.labels"),
    Self::Increase { branch } => ("head.increase.{}", branch),
    Self::Classify => ("head.classify"),
});

#[cfg(test)]
mod tests {
    use core::fmt::Write;

    use super::*;
    use crate::spec::{Spec, VARIANTS};

    #[test]
    fn kind_is_the_name_of_the_variant() {
        for head in [Head::Segformer, Head::Classifier] {
            let network = Network { spec: Spec::variant("b1").unwrap(), head, classes: 19 };
            for step in network.steps() {
                let mut written = heapless::String::<64>::new();
                write!(written, "{step:?}").unwrap();
                assert_eq!(Some(step.kind()), written.split_whitespace().next());
            }
        }
    }

    #[test]
    fn every_step_of_every_variant_has_its_operators() {
        for name in VARIANTS {
            for head in [Head::Segformer, Head::Classifier] {
                let network = Network { spec: Spec::variant(name).unwrap(), head, classes: 19 };
                network.validate().unwrap();
                for step in network.steps() {
                    let ops = network.ops(step);
                    assert_eq!(ops.is_empty(), step == Step::LabelMap, "{name} {step}");
                    assert!(!ops.is_full(), "{name} {step}: room for one more shows that none was lost");
                }
            }
        }
    }
}
