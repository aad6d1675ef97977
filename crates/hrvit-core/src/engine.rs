//! The engine: a loaded model, a plan and an arena, ready to run frames.

#[cfg(any(feature = "fp16", feature = "int16x8"))]
use hrvit_format::record::Precision;
use hrvit_format::{BRANCHES, Head, Logit, Model, ModelHead, OpKind, Step, StepId};
use hrvit_kernels::{Isa, Kernels, attention_s8::max_keys};

use crate::{
    arena::{ALIGN, ArenaSlicer},
    arithmetic::{Arithmetic, Int8, codes_of_mut},
    blocks::{
        attention, fusion, mix_cfn, patch_embed, stage_norm,
        stem::{self, Frame},
    },
    error::{Fault, RunError, SetupError},
    heads::{
        classifier,
        narrow::{self, Narrowed},
        segformer,
    },
    macs::macs_of,
    observe::{Observer, StepInfo},
    operator::{StepContext, packing_for},
    plan::{KeptHalf, Plan},
    rows::copy_run,
    schedule::Executor,
    weights::{Mapped, WeightSource},
};

/// A class and its logit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ranked {
    /// Class index.
    pub class: u16,
    /// The logit; [`ModelHead::logits_format`] says what it stands for.
    pub logit: Logit,
}

/// Runs frames through one model in one arena.
#[derive(Debug)]
pub struct Engine<'a, W, X> {
    model: &'a ModelHead<'a>,
    plan: &'a Plan,
    weights: W,
    executor: X,
    kernels: Kernels,
    arena: &'a mut [u8],
}

/// Where the result of a run goes.
enum Output<'o> {
    Labels(&'o mut [u8]),
    Logits(&'o mut [Logit]),
    Top(&'o mut [Ranked]),
}

impl<'a, X: Executor> Engine<'a, Mapped<'a>, X> {
    /// An engine that reads its weights from `model` in place. `arena` must have [`Plan::arena_bytes`] and start at a multiple of [`ALIGN`].
    pub fn new(model: &'a Model<'a>, plan: &'a Plan, executor: X, arena: &'a mut [u8]) -> Result<Self, SetupError> {
        Self::with_kernels(model, plan, Kernels::detect(), Mapped::new(model), executor, arena)
    }
}

impl<'a, W: WeightSource, X: Executor> Engine<'a, W, X> {
    /// An engine that reads its weights from `weights`, on the processor's fastest kernels.
    pub fn with_weights(model: &'a ModelHead<'a>, plan: &'a Plan, weights: W, executor: X, arena: &'a mut [u8]) -> Result<Self, SetupError> {
        Self::with_kernels(model, plan, Kernels::detect(), weights, executor, arena)
    }

    /// An engine on the given kernels. They must be made for the image's packing; `Kernels::SCALAR` reads every packing.
    pub fn with_kernels(model: &'a ModelHead<'a>, plan: &'a Plan, kernels: Kernels, weights: W, executor: X, arena: &'a mut [u8]) -> Result<Self, SetupError> {
        if model.meta().network != *plan.network() {
            return Err(SetupError::OtherNetwork);
        }
        if !plan.wide_parts().covers(model.wide_parts()) {
            return Err(SetupError::Precision);
        }
        if executor.workers() != plan.workers() {
            return Err(SetupError::Workers { planned: plan.workers(), found: executor.workers() });
        }
        if weights.buffer_bytes() > plan.weight_buffer_bytes() {
            return Err(SetupError::WeightBuffer { needed: weights.buffer_bytes(), found: plan.weight_buffer_bytes() });
        }
        check_keys(model, plan)?;
        let (packing, fast) = (model.packing(), packing_for(kernels));
        if packing != fast && kernels.isa() != Isa::Scalar && kernels.chosen_gemm(packing) == Isa::Scalar.name() {
            return Err(SetupError::PackingNeeds { packing, isa: kernels.isa(), fast });
        }
        if !arena.as_ptr().addr().is_multiple_of(ALIGN) {
            return Err(SetupError::ArenaMisaligned);
        }
        if arena.len() < plan.arena_bytes() {
            return Err(SetupError::ArenaTooSmall { needed: plan.arena_bytes(), found: arena.len() });
        }
        Ok(Self { model, plan, weights, executor, kernels, arena })
    }

    /// The kernels that it runs on; [`Kernels::chosen`] says for each operator which file serves it.
    pub fn kernels(&self) -> Kernels {
        self.kernels
    }

    /// Segments `frame` (`[height, width, 3]` RGB) into `labels`, one class index per pixel.
    pub fn segment(&mut self, frame: &[u8], labels: &mut [u8], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        self.expect(Head::Segformer)?;
        expect_len(self.plan.size().pixels(), labels.len())?;
        self.run_whole(frame, Output::Labels(labels), observer)
    }

    /// Segments a frame whose rows are asked for one by one, in order, each once: `row(y, pixels)` writes row y (`[width, 3]` RGB) and returns whether it could.
    /// The frame need not be in memory at once; the stem is then the work of one worker.
    pub fn segment_rows(
        &mut self,
        row: &mut dyn FnMut(usize, &mut [u8]) -> bool,
        labels: &mut [u8],
        observer: &dyn Observer,
    ) -> Result<(), RunError<W::Error>> {
        self.expect(Head::Segformer)?;
        expect_len(self.plan.size().pixels(), labels.len())?;
        let mut missing = None;
        let mut fetch = |y: usize, pixels: &mut [u8]| -> Result<(), Fault> {
            if row(y, pixels) {
                return Ok(());
            }
            missing = Some(y);
            Err(Fault)
        };
        let result = self.run(Frame::Rows(&mut fetch), Output::Labels(labels), observer);
        missing.map_or(result, |y| Err(RunError::FrameRow(y)))
    }

    /// Logits of `frame`: `[height / 4, width / 4, classes]` of a segmentor, `[classes]` of a classifier, as [`ModelHead::logits_format`]
    /// says.
    pub fn logits(&mut self, frame: &[u8], logits: &mut [Logit], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        expect_len(self.logits_len(), logits.len())?;
        self.run_whole(frame, Output::Logits(logits), observer)
    }

    /// The best classes of `frame`, best first, the lower index first among equals. `top` must not be longer than there are classes.
    pub fn classify(&mut self, frame: &[u8], top: &mut [Ranked], observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        self.expect(Head::Classifier)?;
        let classes = usize::from(self.plan.network().classes);
        if top.is_empty() || top.len() > classes {
            return Err(RunError::OutputSize { needed: classes, found: top.len() });
        }
        self.run_whole(frame, Output::Top(top), observer)
    }

    /// Elements that [`Engine::logits`] writes.
    pub fn logits_len(&self) -> usize {
        let classes = usize::from(self.plan.network().classes);
        match self.plan.network().head {
            Head::Segformer => self.plan.size().tokens(0) * classes,
            Head::Classifier => classes,
        }
    }

    fn expect(&self, head: Head) -> Result<(), RunError<W::Error>> {
        if self.plan.network().head == head { Ok(()) } else { Err(RunError::WrongHead) }
    }

    #[inline(always)] // as `run`
    fn run_whole(&mut self, frame: &[u8], output: Output<'_>, observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        let needed = 3 * self.plan.size().pixels();
        if frame.len() != needed {
            return Err(RunError::FrameSize { needed, found: frame.len() });
        }
        self.run(Frame::Whole(frame), output, observer)
    }

    #[inline(always)] // every caller knows its output, so that a program without a classifier has no classification head
    fn run(&mut self, frame: Frame<'_>, output: Output<'_>, observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        self.backbone(frame, observer)?;
        let (model, plan) = (self.model, self.plan);
        let (weights, arena) = self.arena.split_at_mut_checked(plan.weight_buffer_bytes()).ok_or(RunError::Internal(StepId(0)))?;
        let head = match output {
            Output::Labels(_) => Head::Segformer,
            Output::Top(_) => Head::Classifier,
            Output::Logits(_) => plan.network().head,
        };
        let (parts, source, executor) = ((model, plan, self.kernels), &mut self.weights, &self.executor);
        match head {
            Head::Segformer => segment_head(parts, source, executor, (weights, arena), output, observer),
            Head::Classifier => classify_head(parts, source, executor, (weights, arena), output, observer),
        }
    }

    /// The steps before the head.
    #[inline(never)] // its locals would lie on the stack of the head
    fn backbone(&mut self, mut frame: Frame<'_>, observer: &dyn Observer) -> Result<(), RunError<W::Error>> {
        let (model, plan) = (self.model, self.plan);
        let (weights, arena) = self.arena.split_at_mut_checked(plan.weight_buffer_bytes()).ok_or(RunError::Internal(StepId(0)))?;
        for (id, step) in model.step_ids().take_while(|(_, step)| !step.in_head()) {
            let context = step_context((model, plan, self.kernels), &mut self.weights, id, step, &mut *weights, observer)?;
            context.enter();
            run_step(&context, &self.executor, plan, &mut *arena, &mut frame).map_err(|_| RunError::Internal(id))?;
            context.leave();
        }
        Ok(())
    }
}

/// Fetches a step's weights and puts its context together.
fn step_context<'c, W: WeightSource + 'c>(
    (model, plan, kernels): (&'c ModelHead<'_>, &Plan, Kernels),
    source: &mut W,
    id: StepId,
    step: Step,
    buffer: &'c mut [u8],
    observer: &'c dyn Observer,
) -> Result<StepContext<'c>, RunError<W::Error>> {
    let group = source.step(id, buffer).map_err(|error| RunError::Weights(id, error))?;
    let params = model.records().params(id, group).ok_or(RunError::Internal(id))?;
    let shapes = plan.network().ops(step);
    let macs = macs_of(plan.network(), plan.size(), step, &shapes);
    let (exp, des_activation) = (model.exp_table(), plan.network().spec.des_activation);
    let info = StepInfo { id, step, macs };
    Ok(StepContext {
        info,
        tile: plan.tile(step),
        shapes,
        params,
        kernels,
        exp,
        stream_scale: model.records().stream_scale(id, step),
        des_activation,
        observer,
    })
}

fn expect_len<E>(needed: usize, found: usize) -> Result<(), RunError<E>> {
    if needed == found { Ok(()) } else { Err(RunError::OutputSize { needed, found }) }
}

/// The longest strip at the plan's size against the exponent codes of every attention step.
fn check_keys(model: &ModelHead<'_>, plan: &Plan) -> Result<(), SetupError> {
    for (id, step) in model.step_ids() {
        let Step::Attention { branch, .. } = step else { continue };
        let keys = attention::longest_strip(plan.network(), plan.size(), usize::from(branch));
        let bits = model.records().params(id, &[]).and_then(|params| params.ops.iter().map(|op| op.code_bits).max()).unwrap_or(0);
        let most = match model.precision(id) {
            #[cfg(feature = "int16x8")]
            Precision::Int16x8 => hrvit_kernels::attention_s16::MAX_KEYS,
            #[cfg(feature = "fp16")]
            Precision::Fp16 => hrvit_kernels::attention_f16::MAX_KEYS,
            _ => max_keys(bits).unwrap_or(0),
        };
        if keys > most {
            return Err(SetupError::Keys { step: id, keys, most });
        }
    }
    Ok(())
}

/// The branches' regions: a map each, and the second one where the plan has it.
struct Maps<'m, A: Arithmetic> {
    x: [&'m mut [A::Wide]; BRANCHES],
    fused: [&'m mut [A::Wide]; BRANCHES],
}

impl<'m, A: Arithmetic> Maps<'m, A> {
    /// Cuts those of the live branches.
    fn cut(plan: &Plan, step: Step, slicer: &mut ArenaSlicer<'m>) -> Result<Self, Fault> {
        let mut maps = Self { x: Default::default(), fused: Default::default() };
        for (branch, (x, fused)) in maps.x.iter_mut().zip(&mut maps.fused).enumerate().take(plan.live_branches(step)) {
            let len = plan.network().spec.map_len(plan.size(), branch);
            *x = slicer.take(len)?;
            if plan.has_second_maps() {
                *fused = slicer.take(len)?;
            }
        }
        Ok(maps)
    }

    /// The first map of `branch`.
    fn of(&mut self, branch: u8) -> Result<&mut [A::Wide], Fault> {
        Ok(self.x.get_mut(usize::from(branch)).ok_or(Fault)?)
    }
}

// Functions that are generic over a program's weight source are compiled with the program; from here on all belongs to this crate, built for size in firmware.

/// A step before the head in its precision.
#[inline(never)]
fn run_step(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], frame: &mut Frame<'_>) -> Result<(), Fault> {
    match context.params.precision() {
        #[cfg(feature = "int16x8")]
        Precision::Int16x8 => backbone_step::<crate::arithmetic::Int16x8>(context, executor, plan, arena, frame),
        #[cfg(feature = "fp16")]
        Precision::Fp16 => backbone_step::<crate::arithmetic::Fp16>(context, executor, plan, arena, frame),
        _ => backbone_step::<Int8>(context, executor, plan, arena, frame),
    }
}

fn backbone_step<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], frame: &mut Frame<'_>) -> Result<(), Fault> {
    let step = context.info.step;
    let (network, size) = (plan.network(), plan.size());
    let mut slicer = ArenaSlicer::new(arena);
    let mut maps = Maps::<A>::cut(plan, step, &mut slicer)?;
    let work = slicer.rest();
    let map = |branch: u8| size.map(usize::from(branch));
    if let (Step::Attention { branch, .. } | Step::MixCfn { branch, .. } | Step::StageNorm { branch, .. }, Some(scale)) = (step, context.stream_scale) {
        A::convert_stream(context.kernels, maps.of(branch)?, scale)?;
    }
    match step {
        Step::Stem => stem::run::<A>(context, executor, size, frame, maps.of(0)?, work),
        Step::Fusion { module, branch } => {
            let fused = maps.fused.get_mut(usize::from(branch)).ok_or(Fault)?;
            fusion::run::<A>(context, executor, (network, size), (module, branch), &mut maps.x, fused, work)
        }
        Step::PatchEmbed { branch, .. } => {
            let fused = core::mem::take(maps.fused.get_mut(usize::from(branch)).ok_or(Fault)?);
            patch_embed::run::<A>(context, executor, map(branch), maps.of(branch)?, codes_of_mut::<A>(fused)?, work)
        }
        Step::Attention { module, branch, .. } => attend::<A>(context, executor, plan, (module, branch), &mut maps, work),
        Step::MixCfn { branch, .. } => mix_cfn::run::<A>(context, executor, map(branch), maps.of(branch)?, work),
        Step::StageNorm { branch, .. } => stage_norm::run::<A>(context, executor, map(branch), maps.of(branch)?),
        Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => Err(Fault),
    }
}

/// The attention block, its kept half where the plan says.
#[inline(never)] // its locals would lie on the stack of every other step
fn attend<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    (module, branch): (u8, u8),
    maps: &mut Maps<'_, A>,
    work: &mut [u8],
) -> Result<(), Fault> {
    let network = (plan.network(), plan.size());
    let kept_len = attention::kept_len(network.0, network.1, branch.into());
    let (ours, later) = maps.x.split_at_mut_checked(usize::from(branch) + 1).ok_or(Fault)?;
    let stream = ours.last_mut().ok_or(Fault)?;
    match plan.kept(module, branch) {
        KeptHalf::Scratch => {
            let mut slicer = ArenaSlicer::new(work);
            let kept = slicer.take(kept_len)?;
            attention::run::<A>(context, executor, network, branch, stream, kept, slicer.rest())
        }
        KeptHalf::OwnRegion => {
            let own = maps.fused.get_mut(usize::from(branch)).ok_or(Fault)?;
            let kept = codes_of_mut::<A>(own)?.get_mut(..kept_len).ok_or(Fault)?;
            attention::run::<A>(context, executor, network, branch, stream, kept, work)
        }
        KeptHalf::NextBranch => {
            let next = later.first_mut().ok_or(Fault)?;
            let row_len = network.1.map(usize::from(branch) + 1).1 * usize::from(network.0.spec.channels(usize::from(branch) + 1));
            let pairs = codes_of_mut::<A>(next)?;
            fusion::gather_outputs(pairs, row_len)?;
            let kept = pairs.get_mut(..kept_len).ok_or(Fault)?;
            attention::run::<A>(context, executor, network, branch, stream, kept, work)?;
            fusion::spread_outputs(pairs, row_len)
        }
    }
}

/// SegFormer head: logits, and inside that step the label map.
#[inline(never)] // its locals would lie on the stack of every step
fn segment_head<W: WeightSource>(
    (model, plan, kernels): (&ModelHead<'_>, &Plan, Kernels),
    source: &mut W,
    executor: &dyn Executor,
    (weights, arena): (&mut [u8], &mut [u8]),
    output: Output<'_>,
    observer: &dyn Observer,
) -> Result<(), RunError<W::Error>> {
    let id = model.id(Step::Logits).ok_or(RunError::Internal(StepId(0)))?;
    let internal = |_: Fault| RunError::Internal(id);
    let context = step_context((model, plan, kernels), source, id, Step::Logits, weights, observer)?;
    context.enter();
    run_segformer(&context, executor, plan, arena, output).map_err(internal)?;
    context.leave();
    Ok(())
}

/// The SegFormer head in its precision.
#[inline(never)]
fn run_segformer(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], output: Output<'_>) -> Result<(), Fault> {
    match context.params.precision() {
        #[cfg(feature = "int16x8")]
        Precision::Int16x8 => segformer_in::<crate::arithmetic::Int16x8>(context, executor, plan, arena, output),
        #[cfg(feature = "fp16")]
        Precision::Fp16 => segformer_in::<crate::arithmetic::Fp16>(context, executor, plan, arena, output),
        _ => segformer_in::<Int8>(context, executor, plan, arena, output),
    }
}

fn segformer_in<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], output: Output<'_>) -> Result<(), Fault> {
    let (network, observer) = ((plan.network(), plan.size()), context.observer);
    let labelled = StepInfo { id: StepId(context.info.id.0 + 1), step: Step::LabelMap, macs: 0 };
    let narrowing = |branch: usize| Ok((context.reading(OpKind::HeadNarrow, branch as u8)?, context));
    narrow::run::<A>(plan.size(), &plan.regions(), arena, &narrowing)?;
    let Narrowed { maps: x, rest: work } = narrow::split::<A>(network, arena)?;
    match output {
        Output::Labels(labels) => {
            observer.enter(labelled);
            let watched = StepContext {
                info: labelled,
                tile: 1,
                shapes: Default::default(),
                params: context.params,
                kernels: context.kernels,
                exp: context.exp,
                stream_scale: None,
                des_activation: context.des_activation,
                observer,
            };
            let done = segformer::run::<A>(context, executor, network, &x, work, &mut segformer::Output::Labels(labels, &watched));
            observer.leave(labelled);
            done
        }
        Output::Logits(logits) => segformer::run::<A>(context, executor, network, &x, work, &mut segformer::Output::Logits(logits)),
        Output::Top(_) => Err(Fault),
    }
}

/// Classification head: its bottlenecks run as a chain, so that their steps lie inside one another.
#[inline(never)] // its locals would lie on the stack of every step
fn classify_head<W: WeightSource>(
    (model, plan, kernels): (&ModelHead<'_>, &Plan, Kernels),
    source: &mut W,
    executor: &dyn Executor,
    (weights, arena): (&mut [u8], &mut [u8]),
    output: Output<'_>,
    observer: &dyn Observer,
) -> Result<(), RunError<W::Error>> {
    let last = Step::Classify;
    let last_id = model.id(last).ok_or(RunError::Internal(StepId(0)))?;
    let internal = |_: Fault| RunError::Internal(last_id);
    let mut contexts: heapless::Vec<StepContext<'_>, { BRANCHES + 1 }> = heapless::Vec::new();
    let mut rest = weights;
    for (id, step) in model.step_ids().filter(|(_, step)| step.in_head()) {
        let len = if rest.is_empty() { 0 } else { model.padded_group_len(id) };
        let (buffer, after) = rest.split_at_mut_checked(len).ok_or(RunError::Internal(id))?;
        rest = after;
        contexts.push(step_context((model, plan, kernels), source, id, step, buffer, observer)?).map_err(|_| RunError::Internal(id))?;
    }
    let (classify, branches) = contexts.split_last().ok_or(RunError::Internal(last_id))?;
    let branches: &[StepContext<'_>; BRANCHES] = branches.try_into().map_err(|_| RunError::Internal(last_id))?;
    branches.iter().for_each(StepContext::enter);
    classify.enter();
    run_classifier(branches, classify, executor, plan, arena, output).map_err(internal)?;
    classify.leave();
    branches.iter().rev().for_each(StepContext::leave);
    Ok(())
}

/// The classification head in its precision.
#[inline(never)]
fn run_classifier(
    branches: &[StepContext<'_>; BRANCHES],
    classify: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    arena: &mut [u8],
    output: Output<'_>,
) -> Result<(), Fault> {
    match classify.params.precision() {
        #[cfg(feature = "int16x8")]
        Precision::Int16x8 => classifier_in::<crate::arithmetic::Int16x8>(branches, classify, executor, plan, arena, output),
        #[cfg(feature = "fp16")]
        Precision::Fp16 => classifier_in::<crate::arithmetic::Fp16>(branches, classify, executor, plan, arena, output),
        _ => classifier_in::<Int8>(branches, classify, executor, plan, arena, output),
    }
}

fn classifier_in<A: Arithmetic>(
    branches: &[StepContext<'_>; BRANCHES],
    classify: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    arena: &mut [u8],
    mut output: Output<'_>,
) -> Result<(), Fault> {
    let network = (plan.network(), plan.size());
    let narrowing = |branch: usize| branches.get(branch).ok_or(Fault).and_then(|context| Ok((context.only(OpKind::IncreaseNarrow)?, context)));
    narrow::run::<A>(plan.size(), &plan.regions(), arena, &narrowing)?;
    let Narrowed { maps: x, rest: work } = narrow::split::<A>(network, arena)?;
    let mut result = Ok(());
    let mut take = |logits: &[Logit]| match &mut output {
        Output::Logits(out) => copy_run(logits, out),
        Output::Top(top) => rank(logits, A::ordered, top),
        Output::Labels(_) => result = Err(Fault),
    };
    classifier::run::<A>(branches, classify, executor, plan.size(), &x, work, &mut take)?;
    result
}

/// The best `top.len()` logits by insertion, best first; the lower class first among equals.
fn rank(logits: &[Logit], ordered: fn(i16) -> i16, top: &mut [Ranked]) {
    for (filled, (class, &logit)) in (0u16..).zip(logits).enumerate() {
        let mut entry = Ranked { class, logit };
        for (place, slot) in top.iter_mut().enumerate() {
            if place >= filled {
                *slot = entry;
                break;
            }
            if (ordered(entry.logit.bits()), slot.class) > (ordered(slot.logit.bits()), entry.class) {
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
        rank(&[-5, 7, 3, 7, -9, 3].map(Logit::from_bits), Int8::ordered, &mut top);
        assert_eq!(top.map(|ranked| (ranked.class, ranked.logit.bits())), [(1, 7), (3, 7), (2, 3)]);
    }

    #[test]
    fn equals_keep_their_order_when_a_better_class_displaces_them() {
        let mut top = [Ranked::default(); 3];
        rank(&[3, 3, 7].map(Logit::from_bits), Int8::ordered, &mut top);
        assert_eq!(top.map(|ranked| (ranked.class, ranked.logit.bits())), [(2, 7), (0, 3), (1, 3)]);
    }
}
