//! The steps of the canonical graph.

use hrvit_format::{BRANCHES, Op, OpKind, Step, StepOps};

use super::{Folded, State, Tap};
use crate::map::Map;
use crate::operators::resize::{bilinear, nearest};

impl Folded {
    /// Runs one step: reads and replaces its maps in `state`, shows every operator to `tap`.
    ///
    /// | step | reads | writes |
    /// |---|---|---|
    /// | `Stem` | `frame` (taken) | `x[0]` |
    /// | `Fusion` | every `x` of the module before (`fused` must be complete before a patch embedding replaces an `x`, as in canonical order) | `fused[branch]` |
    /// | `PatchEmbed` | `fused[branch]` (taken) | `x[branch]` |
    /// | `Attention`, `MixCfn`, `StageNorm` | `x[branch]` | `x[branch]` |
    /// | `Logits` | every `x` | `logits` |
    /// | `LabelMap` | nothing: [`crate::operators::resize::label_map`] of the logits | nothing |
    /// | `Increase` | `x[branch]`, `head` from branch 1 on | `head` |
    /// | `Classify` | `head` (taken) | `logits` |
    ///
    /// # Panics
    /// If a map that the step reads is not there: a step was left out.
    pub fn step(&self, step: Step, state: &mut State, tap: &mut dyn Tap) {
        let mut run = Run { folded: self, step, ops: self.network().ops(step), next: 0, tap };
        match step {
            Step::Stem => {
                let frame = run.there(state.frame.take(), "the frame");
                let x = run.op(OpKind::StemConv1, &frame.to_map());
                let x = run.op(OpKind::StemConv2, &x);
                state.x[0] = Some(run.embed(&x));
            }
            Step::Fusion { branch, .. } => state.fused[usize::from(branch)] = Some(run.fusion(branch, &state.x)),
            Step::PatchEmbed { branch, .. } => {
                let fused = run.there(state.fused[usize::from(branch)].take(), "the fusion's output");
                state.x[usize::from(branch)] = Some(run.embed(&fused));
            }
            Step::Attention { branch, .. } => run.attention(run_x(&mut state.x[usize::from(branch)], step)),
            Step::MixCfn { branch, .. } => run.mix_cfn(run_x(&mut state.x[usize::from(branch)], step)),
            Step::StageNorm { branch, .. } => {
                let x = run_x(&mut state.x[usize::from(branch)], step);
                *x = run.op(OpKind::StageNorm, x);
            }
            Step::Logits => state.logits = Some(run.segformer(&state.x)),
            Step::LabelMap => {}
            Step::Increase { branch } => {
                let before = state.head.take();
                state.head = Some(run.increase(run_x(&mut state.x[usize::from(branch)], step), before));
            }
            Step::Classify => {
                let y = run.there(state.head.take(), "the classification head's map");
                let y = run.op(OpKind::FinalConv, &y).mean();
                state.logits = Some(run.op(OpKind::FinalLinear, &y));
            }
        }
        debug_assert_eq!(run.next, run.ops.len(), "{step}: every operator runs once");
    }
}

/// The residual stream that a step changes in place.
fn run_x(x: &mut Option<Map>, step: Step) -> &mut Map {
    match x {
        Some(x) => x,
        None => panic!("{step}: its branch has no map yet; run the steps in canonical order"),
    }
}

/// One step under way: operators are taken in the order of the graph.
struct Run<'a> {
    folded: &'a Folded,
    step: Step,
    ops: StepOps,
    next: usize,
    tap: &'a mut dyn Tap,
}

impl Run<'_> {
    fn there<T>(&self, value: Option<T>, what: &str) -> T {
        match value {
            Some(value) => value,
            None => panic!("{}: {what} is not there; run the steps in canonical order", self.step),
        }
    }

    /// The next operator, which must be of `kind`.
    fn take(&mut self, kind: OpKind) -> (usize, Op) {
        let index = self.next;
        let op = self.ops[index];
        assert_eq!(op.kind, kind, "{}: operator {index} of the graph", self.step);
        self.next += 1;
        (index, op)
    }

    /// Whether the network has an operator of `kind` here.
    fn is_next(&self, kind: OpKind) -> bool {
        self.ops.get(self.next).is_some_and(|op| op.kind == kind)
    }

    /// Runs the next operator and shows it to the tap.
    fn op(&mut self, kind: OpKind, input: &Map) -> Map {
        let (index, _) = self.take(kind);
        let mut output = self.folded.run_op(self.step, index, input);
        self.tap.op(self.step, index, kind, input, &mut output);
        output
    }

    /// Shows the next operator, whose output is already there, to the tap.
    fn show(&mut self, kind: OpKind, input: &Map, output: &mut Map) {
        let (index, _) = self.take(kind);
        self.tap.op(self.step, index, kind, input, output);
    }

    fn embed(&mut self, x: &Map) -> Map {
        let x = if self.is_next(OpKind::EmbedDense) {
            self.op(OpKind::EmbedDense, x)
        } else {
            let x = self.op(OpKind::EmbedPointwise, x);
            self.op(OpKind::EmbedDepthwise, &x)
        };
        self.op(OpKind::EmbedNorm, &x)
    }

    /// `GELU(Σ_j term_j(x_j))`.
    fn fusion(&mut self, branch: u8, x: &[Option<Map>; BRANCHES]) -> Map {
        let mut sum: Option<Map> = None;
        while let Some(&Op { kind, source, .. }) = self.ops.get(self.next).filter(|op| op.kind != OpKind::FusionAct) {
            let x = self.there(x[usize::from(source)].as_ref(), "a branch of the module before");
            let term = if kind == OpKind::FusionIdentity {
                self.op(kind, x)
            } else if source == branch {
                // Other outputs read this narrowing of the branch. Its own output does not.
                self.op(OpKind::FusionNarrow, x);
                continue;
            } else {
                let mut term = self.op(OpKind::FusionNarrow, x);
                if source < branch {
                    term = self.op(OpKind::FusionDepthwise, &term);
                }
                term = self.op(OpKind::FusionPointwise, &term);
                if source > branch { nearest(&term, 1 << (source - branch)) } else { term }
            };
            match &mut sum {
                Some(sum) => sum.add(&term),
                None => sum = Some(term),
            }
        }
        let sum = self.there(sum, "every term");
        self.op(OpKind::FusionAct, &sum)
    }

    /// `x ← x + to_out(Hardswish(attention + parallel)) + des(x)`, of which a network may go
    /// without Hardswish, the parallel path and DES.
    fn attention(&mut self, x: &mut Map) {
        let normed = self.op(OpKind::AttnNorm, x);
        let qv = self.op(OpKind::Qkv, &normed);
        let parallel = self.is_next(OpKind::ParallelAct).then(|| {
            let act = self.op(OpKind::ParallelAct, &qv.channel_range(qv.channels - x.channels, qv.channels));
            self.op(OpKind::ParallelDepthwise, &act)
        });
        let mut attention = self.folded.attention(&self.ops[self.next], &qv);
        self.show(OpKind::Scores, &qv, &mut attention.ranges);
        self.show(OpKind::Values, &qv, &mut attention.values);
        let mut sum = attention.values;
        if let Some(parallel) = parallel {
            sum.add(&parallel);
        }
        let narrows = self.is_next(OpKind::AttnNarrow);
        let y = self.op(if narrows { OpKind::AttnNarrow } else { OpKind::AttnAct }, &sum);
        let y = self.op(OpKind::ToOut, &y);
        let shortcut = self.is_next(OpKind::DesRight).then(|| {
            let right = self.op(OpKind::DesRight, x);
            self.op(OpKind::DesLeft, &right)
        });
        x.add(&y);
        if let Some(shortcut) = shortcut {
            x.add(&shortcut);
        }
        self.tap.residual(self.step, x);
    }

    /// `x ← x + fc2(GELU([dw3(a), dw5(b)]))` with `[a, b] = fc1(norm(x))`, and the convolutions
    /// that there are.
    fn mix_cfn(&mut self, x: &mut Map) {
        let normed = self.op(OpKind::FfnNorm, x);
        let hidden = self.op(OpKind::Fc1, &normed);
        let mut convolved: Option<Map> = None;
        for kind in [OpKind::FfnDepthwise3, OpKind::FfnDepthwise5] {
            if self.is_next(kind) {
                let first = convolved.as_ref().map_or(0, |before| before.channels);
                let last = first + usize::from(self.ops[self.next].cin);
                let part = self.op(kind, &hidden.channel_range(first, last));
                convolved = Some(convolved.map_or_else(|| part.clone(), |before| before.concat_channels(&part)));
            }
        }
        let mixed = self.op(OpKind::FfnAct, &convolved.unwrap_or(hidden));
        let y = self.op(OpKind::Fc2, &mixed);
        x.add(&y);
        self.tap.residual(self.step, x);
    }

    /// `conv_seg(ReLU(Σ_b resize(W_b x_b)))`.
    fn segformer(&mut self, x: &[Option<Map>; BRANCHES]) -> Map {
        let mut sum: Option<Map> = None;
        for x in x {
            let x = self.there(x.as_ref(), "a branch of the last module");
            let narrow = self.op(OpKind::HeadNarrow, x);
            let term = self.op(OpKind::HeadPointwise, &narrow);
            match &mut sum {
                Some(sum) => sum.add(&bilinear(&term, sum.rows, sum.columns)),
                None => sum = Some(term),
            }
        }
        let sum = self.there(sum, "every branch");
        let y = self.op(OpKind::HeadAct, &sum);
        self.op(OpKind::HeadClassifier, &y)
    }

    /// `ReLU(conv3(conv2(conv1(x))) + shortcut(x)) + downsample(before)`.
    fn increase(&mut self, x: &Map, before: Option<Map>) -> Map {
        let x = self.op(OpKind::IncreaseNarrow, x);
        let y = self.op(OpKind::IncreaseConv1, &x);
        let y = self.op(OpKind::IncreaseConv2, &y);
        let mut sum = self.op(OpKind::IncreaseConv3, &y);
        sum.add(&self.op(OpKind::IncreaseShortcut, &x));
        let down = self.is_next(OpKind::IncreaseDownsample).then(|| {
            let before = self.there(before, "the branch before");
            self.op(OpKind::IncreaseDownsample, &before)
        });
        let mut y = self.folded.run_op(self.step, self.next, &sum);
        if let Some(down) = down {
            y.add(&down);
        }
        self.show(OpKind::IncreaseAct, &sum, &mut y);
        y
    }
}
