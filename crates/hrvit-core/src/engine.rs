//! The engine: a loaded model, a plan and an arena, ready to run frames.

use hrvit_format::{BRANCHES, Head, Model, Network, Size, Step, StepId};
use hrvit_kernels::attention_s8::max_keys;

use crate::{
    arena::{ALIGN, Cutter},
    blocks::{attention, fusion, mix_cfn, patch_embed, stage_norm, stem},
    error::{Fault, RunError, SetupError},
    heads::{classifier, segformer},
    macs::step_macs,
    observe::{Observer, StepInfo},
    operator::StepContext,
    plan::Plan,
    schedule::Executor,
    weights::{Mapped, WeightSource},
};

/// A class and its logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranked {
    /// Class index.
    pub class: u16,
    /// Logit code; [`Model::logits_scale`] gives its real value.
    pub logit: i16,
}

/// Runs frames through one model in one arena.
#[derive(Debug)]
pub struct Engine<'a, W, X> {
    model: &'a Model<'a>,
    plan: &'a Plan,
    weights: W,
    executor: X,
    arena: &'a mut [u8],
}

/// Where the result of a run goes.
enum Output<'o> {
    Labels(&'o mut [u8]),
    Logits(&'o mut [i16]),
    Top(&'o mut [Ranked]),
}

impl<'a, X: Executor> Engine<'a, Mapped<'a>, X> {
    /// An engine that reads its weights from `model` in place. `arena` must have [`Plan::arena_bytes`] and start at a multiple of [`ALIGN`].
    pub fn new(model: &'a Model<'a>, plan: &'a Plan, executor: X, arena: &'a mut [u8]) -> Result<Self, SetupError> {
        Self::with_weights(model, plan, Mapped::new(model), executor, arena)
    }
}

impl<'a, W: WeightSource, X: Executor> Engine<'a, W, X> {
    /// An engine that reads its weights from `weights`.
    pub fn with_weights(model: &'a Model<'a>, plan: &'a Plan, weights: W, executor: X, arena: &'a mut [u8]) -> Result<Self, SetupError> {
        if model.meta().network != *plan.network() {
            return Err(SetupError::OtherNetwork);
        }
        if executor.workers() != plan.workers() {
            return Err(SetupError::Workers { planned: plan.workers(), found: executor.workers() });
        }
        if weights.buffer_bytes() > plan.weight_buffer_bytes() {
            return Err(SetupError::WeightBuffer { needed: weights.buffer_bytes(), found: plan.weight_buffer_bytes() });
        }
        check_keys(model, plan)?;
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(SetupError::ArenaMisaligned);
        }
        if arena.len() < plan.arena_bytes() {
            return Err(SetupError::ArenaTooSmall { needed: plan.arena_bytes(), found: arena.len() });
        }
        Ok(Self { model, plan, weights, executor, arena })
    }

    /// Segments `frame` (`[height, width, 3]` RGB) into `labels`, one class index per pixel.
    pub fn segment(&mut self, frame: &[u8], labels: &mut [u8], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        self.expect(Head::Segformer)?;
        expect_len(self.plan.size().pixels(), labels.len())?;
        self.run(frame, Output::Labels(labels), observer)
    }

    /// Logit codes of `frame`: `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier. Their scale is [`Model::logits_scale`].
    pub fn logits(&mut self, frame: &[u8], logits: &mut [i16], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        expect_len(self.logits_len(), logits.len())?;
        self.run(frame, Output::Logits(logits), observer)
    }

    /// The best classes of `frame`, best first, the lower index first among equals. `top` must not be longer than there are classes.
    pub fn classify(&mut self, frame: &[u8], top: &mut [Ranked], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        self.expect(Head::Classifier)?;
        let classes = usize::from(self.plan.network.classes);
        if top.is_empty() || top.len() > classes {
            return Err(RunError::OutputSize { needed: classes, found: top.len() });
        }
        self.run(frame, Output::Top(top), observer)
    }

    /// Elements that [`Engine::logits`] writes.
    pub fn logits_len(&self) -> usize {
        let classes = usize::from(self.plan.network.classes);
        match self.plan.network.head {
            Head::Segformer => self.plan.size().tokens(0) * classes,
            Head::Classifier => classes,
        }
    }

    fn expect(&self, head: Head) -> Result<(), RunError<W::Error>> {
        if self.plan.network.head == head { Ok(()) } else { Err(RunError::WrongHead) }
    }

    fn run(&mut self, frame: &[u8], mut output: Output<'_>, observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        let (network, size) = (&self.plan.network, self.plan.size());
        let needed = 3 * size.pixels();
        if frame.len() != needed {
            return Err(RunError::FrameSize { needed, found: frame.len() });
        }
        let mut cutter = Cutter::new(self.arena);
        let mut memory = Memory::cut(&mut cutter, network, size, self.plan.weight_buffer_bytes()).map_err(|_| RunError::Internal(StepId(0)))?;
        let rest = cutter.rest();
        for (id, step) in self.model.step_ids() {
            // The label map streams out of the logits' rows, inside their step.
            if step == Step::LabelMap {
                continue;
            }
            let group = self.weights.step(id, memory.weights).map_err(|error| RunError::Weights(id, error))?;
            let params = self.model.params(id, group).ok_or(RunError::Internal(id))?;
            let info = StepInfo { id, step, macs: step_macs(network, size, step) };
            let context = StepContext { id, step, shapes: network.ops(step), params, exp: self.model.exp_table(), observer };
            observer.enter(info);
            let done = match step {
                Step::Logits | Step::Increase { .. } | Step::Classify => head_step(&context, network, size, &mut memory.x, rest, &mut output),
                _ => backbone_step(&context, &self.executor, network, size, &mut memory.x, rest, frame),
            };
            done.map_err(|_| RunError::Internal(id))?;
            observer.leave(info);
        }
        Ok(())
    }
}

fn expect_len<E>(needed: usize, found: usize) -> Result<(), RunError<E>> {
    if needed == found { Ok(()) } else { Err(RunError::OutputSize { needed, found }) }
}

/// The longest strip at the plan's size against the exponent codes of every attention step.
fn check_keys(model: &Model<'_>, plan: &Plan) -> Result<(), SetupError> {
    for (id, step) in model.step_ids() {
        let Step::Attention { branch, .. } = step else { continue };
        let keys = attention::longest_strip(plan.network(), plan.size(), usize::from(branch));
        let bits = model.step(id).and_then(|params| params.ops.iter().map(|op| op.code_bits).max()).unwrap_or(0);
        let most = max_keys(bits).unwrap_or(0);
        if keys > most {
            return Err(SetupError::Keys { step: id, keys, most });
        }
    }
    Ok(())
}

/// The regions that live through a whole run.
struct Memory<'m> {
    weights: &'m mut [u8],
    x: [&'m mut [i16]; BRANCHES],
}

impl<'m> Memory<'m> {
    fn cut(cutter: &mut Cutter<'m>, network: &Network, size: Size, weight_buffer: usize) -> Result<Self, Fault> {
        let weights = cutter.take(weight_buffer)?;
        let mut x: [&'m mut [i16]; BRANCHES] = Default::default();
        for (branch, x) in x.iter_mut().enumerate() {
            *x = cutter.take(map_len(network, size, branch))?;
        }
        Ok(Self { weights, x })
    }
}

fn map_len(network: &Network, size: Size, branch: usize) -> usize {
    size.tokens(branch) * usize::from(network.spec.channels(branch))
}

fn backbone_step(
    context: &StepContext<'_>,
    executor: &impl Executor,
    network: &Network,
    size: Size,
    x: &mut [&mut [i16]; BRANCHES],
    rest: &mut [u8],
    frame: &[u8],
) -> Result<(), Fault> {
    let mut cutter = Cutter::new(rest);
    let mut fused: [&mut [i8]; BRANCHES] = Default::default();
    for (branch, fused) in fused.iter_mut().enumerate() {
        *fused = cutter.take(map_len(network, size, branch))?;
    }
    let work = cutter.rest();
    let map = |branch: u8| size.map(usize::from(branch));
    match context.step {
        Step::Stem => stem::run(context, size, frame, stream(x, 0)?, work),
        Step::Fusion { module, branch } => {
            let out = fused.get_mut(usize::from(branch)).ok_or(Fault)?;
            fusion::run(context, network, size, (module, branch), x, out, work)
        }
        Step::PatchEmbed { branch, .. } => {
            let input = fused.get(usize::from(branch)).ok_or(Fault)?;
            patch_embed::run(context, map(branch), input, stream(x, branch)?, work)
        }
        Step::Attention { branch, .. } => attention::run(context, network, size, branch, stream(x, branch)?, work),
        Step::MixCfn { branch, .. } => mix_cfn::run(context, map(branch), stream(x, branch)?, work),
        Step::StageNorm { branch, .. } => stage_norm::run(context, executor, map(branch), stream(x, branch)?),
        Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => Err(Fault),
    }
}

fn stream<'x>(x: &'x mut [&mut [i16]; BRANCHES], branch: u8) -> Result<&'x mut [i16], Fault> {
    Ok(x.get_mut(usize::from(branch)).ok_or(Fault)?)
}

fn head_step(
    context: &StepContext<'_>,
    network: &Network,
    size: Size,
    x: &mut [&mut [i16]; BRANCHES],
    rest: &mut [u8],
    output: &mut Output<'_>,
) -> Result<(), Fault> {
    let mut cutter = Cutter::new(rest);
    match context.step {
        Step::Logits => {
            let mut logits = segformer::Logits::new(context, network, size, x, rest)?;
            match output {
                Output::Labels(labels) => label_map(context, &mut logits, labels),
                Output::Logits(out) => logits.write(out),
                Output::Top(_) => Err(Fault),
            }
        }
        Step::Increase { branch } => {
            let branch = usize::from(branch);
            let (out, before) = classifier::turns(&mut cutter, size, branch)?;
            classifier::increase(context, size, branch, x.get(branch).ok_or(Fault)?, (before, out), cutter.rest())
        }
        Step::Classify => {
            let (map, _) = classifier::turns(&mut cutter, size, BRANCHES - 1)?;
            classifier::classify(context, map, cutter.rest(), &mut |logits| match output {
                Output::Logits(out) => out.iter_mut().zip(logits).for_each(|(to, from)| *to = *from),
                Output::Top(top) => rank(logits, top),
                Output::Labels(_) => {}
            })
        }
        _ => Err(Fault),
    }
}

/// The label map, as a step inside the step of the logits.
fn label_map(context: &StepContext<'_>, logits: &mut segformer::Logits<'_, '_>, labels: &mut [u8]) -> Result<(), Fault> {
    let id = StepId(context.id.0 + 1);
    let info = StepInfo { id, step: Step::LabelMap, macs: 0 };
    let labelled = StepContext { id, step: Step::LabelMap, shapes: Default::default(), params: context.params, exp: context.exp, observer: context.observer };
    context.observer.enter(info);
    logits.write_labels(labels, &labelled)?;
    context.observer.leave(info);
    Ok(())
}

/// The best `top.len()` logits by insertion, best first; the lower class first among equals.
fn rank(logits: &[i16], top: &mut [Ranked]) {
    for (filled, (class, &logit)) in (0u16..).zip(logits).enumerate() {
        let mut entry = Ranked { class, logit };
        for (place, slot) in top.iter_mut().enumerate() {
            if place >= filled {
                *slot = entry;
                break;
            }
            if (entry.logit, slot.class) > (slot.logit, entry.class) {
                core::mem::swap(slot, &mut entry);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranks_best_first_and_lowest_class_among_equals() {
        let mut top = [Ranked::default(); 3];
        rank(&[-5, 7, 3, 7, -9, 3], &mut top);
        assert_eq!(top.map(|ranked| (ranked.class, ranked.logit)), [(1, 7), (3, 7), (2, 3)]);
    }

    #[test]
    fn equals_keep_their_order_when_a_better_class_displaces_them() {
        let mut top = [Ranked::default(); 3];
        rank(&[3, 3, 7], &mut top);
        assert_eq!(top.map(|ranked| (ranked.class, ranked.logit)), [(2, 7), (0, 3), (1, 3)]);
    }
}
