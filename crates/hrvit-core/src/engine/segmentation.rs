//! The SegFormer head.

use core::ops::ControlFlow;

use hrvit_format::{Logit, OpKind, Step};

use super::{
    session::{Session, in_precision},
    work::Work,
};
use crate::{
    arithmetic::Arithmetic,
    error::RunError,
    fault::Fault,
    heads::{
        labels::LabelMap,
        narrow::{self, Narrowed},
        segformer,
    },
    observe::StepInfo,
    operator::StepContext,
    plan::Plan,
    schedule::Executor,
    source::ModelSource,
};

impl<M: ModelSource> Work<'_, M> {
    /// Logits, and inside that step the label map.
    #[inline(never)] // its locals would lie on the stack of every step
    pub(super) fn segment(&mut self, map: Option<LabelMap<'_>>, logits: Option<&mut [Logit]>) -> Result<(), RunError<M::Error>> {
        let id = self.id(Step::Logits)?;
        let internal = |_: Fault| RunError::Internal(id);
        let Self { model, plan, executor, kernels, observer, weights, arena } = self;
        model.fetch(id, weights).map_err(|error| RunError::Weights(id, error))?;
        let session = Session { plan, kernels: *kernels, records: model.records(), observer: *observer };
        let context = session.context(id, Step::Logits, model.group(id, weights)).map_err(internal)?;
        if observer.enter(context.info).is_break() {
            return Err(RunError::Stopped(id));
        }
        let labelled = StepInfo { id: model.records().id(Step::LabelMap).ok_or(RunError::Internal(id))?, step: Step::LabelMap, macs: 0 };
        if run_segformer(&context, *executor, plan, arena, Results { map, labelled, logits }).map_err(internal)?.is_break() {
            return Err(RunError::Stopped(labelled.id));
        }
        observer.leave(context.info);
        Ok(())
    }
}

/// Results of the head: the label map, a step of its own, and the logits.
struct Results<'o> {
    map: Option<LabelMap<'o>>,
    labelled: StepInfo,
    logits: Option<&'o mut [Logit]>,
}

/// The head in its precision; `Break` if the observer stopped the frame before the label map.
#[inline(never)]
fn run_segformer(context: &StepContext<'_>, executor: &dyn Executor, plan: &Plan, arena: &mut [u8], results: Results<'_>) -> Result<ControlFlow<()>, Fault> {
    in_precision!(context, A => segformer_in::<A>(context, executor, plan, arena, results))
}

fn segformer_in<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    arena: &mut [u8],
    Results { map, labelled, logits }: Results<'_>,
) -> Result<ControlFlow<()>, Fault> {
    let observer = context.observer;
    let narrowing = |branch: usize| Ok((context.reading(OpKind::HeadNarrow, branch as u8)?, context));
    narrow::run::<A>(&context.geometry, &plan.regions(), arena, &narrowing)?;
    let Narrowed { maps: x, rest: work } = narrow::split::<A>(&context.geometry, arena)?;
    let Some(map) = map else {
        segformer::run::<A>(context, executor, &x, work, &mut segformer::Output { logits, labels: None })?;
        return Ok(ControlFlow::Continue(()));
    };
    if observer.enter(labelled).is_break() {
        return Ok(ControlFlow::Break(()));
    }
    let watched = StepContext { info: labelled, shapes: Default::default(), stream_scale: None, ..*context };
    segformer::run::<A>(context, executor, &x, work, &mut segformer::Output { logits, labels: Some((map, &watched)) })?;
    observer.leave(labelled);
    Ok(ControlFlow::Continue(()))
}
