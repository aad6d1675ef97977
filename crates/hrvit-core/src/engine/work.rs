//! State that the parts of the network share while a frame is at work.

use hrvit_format::{Step, StepId};
use hrvit_kernels::Kernels;

use crate::{error::RunError, observe::Observer, plan::Plan, schedule::Executor, source::ModelSource};

/// State that the steps of one frame work with.
pub struct Work<'e, M> {
    pub model: &'e mut M,
    pub plan: &'e Plan,
    pub executor: &'e dyn Executor,
    pub kernels: Kernels,
    pub observer: &'e dyn Observer,
    /// The buffer of streamed weights.
    pub weights: &'e mut [u8],
    pub arena: &'e mut [u8],
}

impl<M: ModelSource> Work<'_, M> {
    /// The step's number.
    pub fn id(&self, step: Step) -> Result<StepId, RunError<M::Error>> {
        self.model.records().id(step).ok_or(RunError::Internal(StepId(0)))
    }
}
