//! The steps before the head.

use hrvit_format::Step;

use super::{
    maps::Maps,
    session::{Session, in_precision},
    work::Work,
};
use crate::{
    arena::ArenaSlicer,
    arithmetic::Arithmetic,
    blocks::{attention, fusion, mix_cfn, patch_embed, stage_norm, stem, stem::Frame},
    error::RunError,
    fault::Fault,
    geometry::Place,
    operator::StepContext,
    plan::{KeptHalf, Plan},
    schedule::Executor,
    slices::{Slices, cast_mut},
    source::ModelSource,
};

impl<M: ModelSource> Work<'_, M> {
    /// Runs the steps before the head.
    #[inline(never)] // its locals would lie on the stack of the head
    pub(super) fn backbone(&mut self, frame: &mut Frame<'_>) -> Result<(), RunError<M::Error>> {
        let Self { model, plan, executor, kernels, observer, weights, arena } = self;
        for (id, step) in plan.network().step_ids().take_while(|(_, step)| !step.in_head()) {
            model.fetch(id, weights).map_err(|error| RunError::Weights(id, error))?;
            let session = Session { plan, kernels: *kernels, records: model.records(), observer: *observer };
            let context = session.context(id, step, model.group(id, weights)).map_err(|_| RunError::Internal(id))?;
            if observer.enter(context.info).is_break() {
                return Err(RunError::Stopped(id));
            }
            run_step(&context, *executor, plan, arena, frame).map_err(|_| RunError::Internal(id))?;
            observer.leave(context.info);
        }
        Ok(())
    }
}

// Functions that are generic over a program's model source are compiled with the program. From here
// on all code belongs to this crate, which firmware builds for size.

/// A step before the head in its precision.
#[inline(never)]
fn run_step(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], frame: &mut Frame<'_>) -> Result<(), Fault> {
    in_precision!(context, A => backbone_step::<A>(context, executor, plan, arena, frame))
}

fn backbone_step<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], frame: &mut Frame<'_>) -> Result<(), Fault> {
    let step = context.info.step;
    let mut slicer = ArenaSlicer::new(arena);
    let mut maps = Maps::<A>::cut(plan, step, &mut slicer)?;
    let work = slicer.rest();
    if let (Step::Attention { branch, .. } | Step::MixCfn { branch, .. } | Step::StageNorm { branch, .. }, Some(scale)) = (step, context.stream_scale) {
        A::convert_stream(context.kernels, maps.of(branch)?, scale)?;
    }
    match step {
        Step::Stem => stem::run::<A>(context, executor, frame, maps.of(0)?, work),
        Step::Fusion { module, branch } => {
            let fused = maps.fused.get_mut(usize::from(branch)).ok_or(Fault)?;
            fusion::run::<A>(context, executor, Place { module, branch }, &mut maps.x, fused, work)
        }
        Step::PatchEmbed { branch, .. } => {
            let fused = core::mem::take(maps.fused_of(branch)?);
            patch_embed::run::<A>(context, executor, branch.into(), maps.of(branch)?, cast_mut(fused)?, work)
        }
        Step::Attention { module, branch, .. } => attend::<A>(context, executor, plan, Place { module, branch }, &mut maps, work),
        Step::MixCfn { branch, .. } => mix_cfn::run::<A>(context, executor, branch.into(), maps.of(branch)?, work),
        Step::StageNorm { branch, .. } => stage_norm::run::<A>(context, executor, branch.into(), maps.of(branch)?),
        Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => Err(Fault),
    }
}

/// The attention block, its kept half where the plan says.
#[inline(never)] // its locals would lie on the stack of every other step
fn attend<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    Place { module, branch }: Place,
    maps: &mut Maps<'_, A>,
    work: &mut [u8],
) -> Result<(), Fault> {
    let (geometry, at) = (&context.geometry, usize::from(branch));
    let kept_len = attention::kept_len(geometry, at);
    let (ours, later) = maps.x.split_front(at + 1)?;
    let stream = ours.last_mut().ok_or(Fault)?;
    match plan.kept(module, branch) {
        KeptHalf::Scratch => {
            let mut slicer = ArenaSlicer::new(work);
            let kept = attention::kept::<A>(geometry, at, &mut slicer)?;
            attention::run::<A>(context, executor, at, stream, kept, slicer.rest())
        }
        KeptHalf::OwnRegion => {
            let own: &mut [A::Code] = cast_mut(maps.fused.get_mut(at).ok_or(Fault)?)?;
            attention::run::<A>(context, executor, at, stream, own.part_mut(..kept_len)?, work)
        }
        KeptHalf::NextBranch => {
            let (pairs, row_len): (&mut [A::Code], _) = (cast_mut(later.first_mut().ok_or(Fault)?)?, geometry.row_len(at + 1));
            fusion::gather_outputs(pairs, row_len)?;
            attention::run::<A>(context, executor, at, stream, pairs.part_mut(..kept_len)?, work)?;
            fusion::spread_outputs(pairs, row_len)
        }
    }
}
