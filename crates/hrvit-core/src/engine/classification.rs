//! The classification head: its bottlenecks run as a chain, so that their steps lie inside one
//! another.

use hrvit_format::{BRANCHES, Logit, OpKind, Step};

use super::{
    session::{Session, in_precision},
    work::Work,
};
use crate::{
    arithmetic::Arithmetic,
    error::RunError,
    fault::Fault,
    heads::{
        classifier,
        narrow::{self, Narrowed},
    },
    operator::StepContext,
    output::{Ranked, rank},
    plan::Plan,
    schedule::Executor,
    slices::copy_run,
    source::ModelSource,
};

/// Buffer for the logits.
pub enum Output<'o> {
    /// All of them.
    Logits(&'o mut [Logit]),
    /// The best.
    Top(&'o mut [Ranked]),
}

impl<M: ModelSource> Work<'_, M> {
    /// Runs the head.
    #[inline(never)] // its locals would lie on the stack of every step
    pub(super) fn classify(&mut self, output: Output<'_>) -> Result<(), RunError<M::Error>> {
        let last_id = self.id(Step::Classify)?;
        let internal = |_: Fault| RunError::Internal(last_id);
        let Self { model, plan, executor, kernels, observer, weights, arena } = self;
        // The groups of all steps of the head are used together, one behind the other.
        let steps = || plan.network().step_ids().filter(|(_, step)| step.in_head());
        let mapped = weights.is_empty();
        let mut at = 0;
        for (id, _) in steps() {
            let buffer = weights.get_mut(at..).ok_or(RunError::Internal(id))?;
            model.fetch(id, buffer).map_err(|error| RunError::Weights(id, error))?;
            at += if mapped { 0 } else { model.records().padded_group_len(id) };
        }
        let session = Session { plan, kernels: *kernels, records: model.records(), observer: *observer };
        let mut contexts: heapless::Vec<StepContext<'_>, { BRANCHES + 1 }> = heapless::Vec::new();
        let mut at = 0;
        for (id, step) in steps() {
            let group = weights.get(at..).and_then(|buffer| model.group(id, buffer));
            let context = session.context(id, step, group).map_err(internal)?;
            contexts.push(context).map_err(|_| RunError::Internal(id))?;
            at += if mapped { 0 } else { model.records().padded_group_len(id) };
        }
        let (classify, branches) = contexts.split_last().ok_or(RunError::Internal(last_id))?;
        let branches: &[StepContext<'_>; BRANCHES] = branches.try_into().map_err(|_| RunError::Internal(last_id))?;
        for context in &contexts {
            if observer.enter(context.info).is_break() {
                return Err(RunError::Stopped(context.info.id));
            }
        }
        run_classifier(branches, classify, *executor, plan, arena, output).map_err(internal)?;
        contexts.iter().rev().for_each(|context| observer.leave(context.info));
        Ok(())
    }
}

/// The head in its precision.
#[inline(never)]
fn run_classifier(
    branches: &[StepContext<'_>; BRANCHES],
    classify: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    arena: &mut [u8],
    output: Output<'_>,
) -> Result<(), Fault> {
    in_precision!(classify, A => classifier_in::<A>(branches, classify, executor, plan, arena, output))
}

fn classifier_in<A: Arithmetic>(
    branches: &[StepContext<'_>; BRANCHES],
    classify: &StepContext<'_>,
    executor: &dyn Executor,
    plan: &Plan,
    arena: &mut [u8],
    mut output: Output<'_>,
) -> Result<(), Fault> {
    let narrowing = |branch: usize| branches.get(branch).ok_or(Fault).and_then(|context| Ok((context.only(OpKind::IncreaseNarrow)?, context)));
    narrow::run::<A>(&classify.geometry, &plan.regions(), arena, &narrowing)?;
    let Narrowed { maps: x, rest: work } = narrow::split::<A>(&classify.geometry, arena)?;
    let mut take = |logits: &[Logit]| match &mut output {
        Output::Logits(out) => copy_run(logits, out),
        Output::Top(top) => rank(logits, |logit| A::LOGITS.key(logit), top),
    };
    classifier::run::<A>(branches, classify, executor, &x, work, &mut take)
}
