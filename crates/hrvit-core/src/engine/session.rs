//! From a step's records to its context.

use hrvit_format::{Records, Step, StepId};
use hrvit_kernels::Kernels;

use crate::{
    fault::Fault,
    observe::{Observer, StepInfo},
    operator::StepContext,
    plan::Plan,
};

/// State that the contexts of all steps share.
pub struct Session<'c> {
    pub plan: &'c Plan,
    pub kernels: Kernels,
    pub records: Records<'c>,
    pub observer: &'c dyn Observer,
}

impl<'c> Session<'c> {
    /// The context of a step over its weight group.
    #[inline(never)] // one for all sources
    pub fn context(&self, id: StepId, step: Step, group: Option<&'c [u8]>) -> Result<StepContext<'c>, Fault> {
        let Self { plan, kernels, records, observer } = *self;
        Ok(StepContext {
            info: StepInfo { id, step, macs: plan.macs(step) },
            geometry: plan.geometry_of(step),
            shapes: plan.network().ops(step),
            params: records.params(id, group.ok_or(Fault)?).ok_or(Fault)?,
            kernels,
            exp: records.exp,
            stream_scale: records.stream_scale(id, step),
            observer,
        })
    }
}

/// Runs an expression in the precision of a step, where `$arithmetic` names its type.
macro_rules! in_precision {
    ($context:expr, $arithmetic:ident => $run:expr) => {
        match $context.params.precision() {
            #[cfg(feature = "int16x8")]
            hrvit_format::Precision::Int16x8 => {
                type $arithmetic = crate::arithmetic::Int16x8;
                $run
            }
            #[cfg(feature = "fp16")]
            hrvit_format::Precision::Fp16 => {
                type $arithmetic = crate::arithmetic::Fp16;
                $run
            }
            _ => {
                type $arithmetic = crate::arithmetic::Int8;
                $run
            }
        }
    };
}

pub(super) use in_precision;
