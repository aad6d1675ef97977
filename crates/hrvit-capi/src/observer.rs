//! The step callback as an observer of the engine.

use core::ffi::c_void;
use core::ops::ControlFlow;
use core::sync::atomic::{AtomicBool, Ordering};

use hrvit_core::{Observer, StepInfo};

use crate::sized::SizedStruct;
use crate::structs::*;

/// Calls the step callback, if there is one.
pub(crate) struct Steps {
    step: hrvit_step_fn,
    context: *mut c_void,
    count: u32,
    /// The callback has asked to stop.
    stop: AtomicBool,
}

// SAFETY: the engine calls `enter` and `leave` from the thread that runs the frame, which is the
// caller's where there is a callback: its context stays on that thread. `tile` is not overridden.
unsafe impl Sync for Steps {}

impl Steps {
    /// For a frame of `count` steps.
    pub fn new(options: &hrvit_run_options, count: usize) -> Self {
        Self { step: options.step, context: options.step_context, count: u32::try_from(count).unwrap_or(u32::MAX), stop: AtomicBool::new(false) }
    }

    /// Whether there is a callback.
    pub fn is_called(&self) -> bool {
        self.step.is_some()
    }

    fn call(&self, event: u32, info: StepInfo) {
        let Some(call) = self.step else { return };
        let mut step = hrvit_step::new();
        (step.event, step.index, step.count, step.macs) = (event, info.id.0.into(), self.count, info.macs);
        // SAFETY: the caller's own function, with the caller's own context.
        if unsafe { call(self.context, &raw const step) } != 0 {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}

impl Observer for Steps {
    fn enter(&self, info: StepInfo) -> ControlFlow<()> {
        if !self.stop.load(Ordering::Relaxed) {
            self.call(HRVIT_STEP_BEGINS, info);
        }
        if self.stop.load(Ordering::Relaxed) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    fn leave(&self, info: StepInfo) {
        self.call(HRVIT_STEP_ENDED, info);
    }
}
