//! From a machine with its memory to a job.

use hrvit_core::{Engine, Model, Plan, Serial, WeightPlacement, plan};
use hrvit_format::Head;

use crate::{MAX_STEPS, clock::Clock, code::Code, job::Job, marker::Marker, programs::Program};

/// How the weights are reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Placement {
    /// The image lies at an address of its own.
    Mapped,
    /// The image is part of the firmware.
    Embedded,
    /// The image lies on a flash that cannot be addressed; groups are paged in.
    Streamed,
}

impl Placement {
    /// As in the log.
    pub fn name(self) -> &'static str {
        match self {
            Self::Mapped => "mapped",
            Self::Embedded => "embedded",
            Self::Streamed => "streamed",
        }
    }
}

/// What a machine brings.
pub struct Machine<'m, C, M> {
    /// Name, as in the log.
    pub name: &'static str,
    /// What steps are timed with.
    pub clock: C,
    /// What shows steps outside.
    pub marker: M,
    /// Memory for the engine, planned when the program was built.
    pub arena: &'m mut [u8],
    /// Memory for the label map; empty with a classifier.
    pub labels: &'m mut [u8],
    /// Lowest address of the stack, above which nothing but the stack lies.
    pub stack_lowest: usize,
    /// Frames that a profile measures.
    pub frames: u32,
}

/// Writes zeros from `start` up to `end`: the memory of statics that start-up code does not initialise. Both are addresses.
///
/// # Safety
/// In between lies memory of statics whose initial value is all zeros and that nothing has used yet.
pub unsafe fn clear(start: *mut u32, end: *mut u32) {
    let words = (end.addr().saturating_sub(start.addr())) / 4;
    // SAFETY: the caller vouches for the memory.
    unsafe { core::ptr::write_bytes(start, 0, words) }
}

/// Loads the image, sets the engine up and runs `program`. The result is the exit code.
pub fn run_mapped<P: Program, C: Clock, M: Marker>(program: P, machine: Machine<'_, C, M>, image: &[u8], placement: Placement) -> i32 {
    let result = Model::load(image).map_err(|error| Code::of_load(error).because(error)).and_then(|model| run_model(&program, machine, &model, placement));
    result.err().map_or(0, |code| code as i32)
}

fn run_model<P: Program, C: Clock, M: Marker>(program: &P, machine: Machine<'_, C, M>, model: &Model<'_>, placement: Placement) -> Result<(), Code> {
    let plan = plan(&model.meta().network, model.meta().size, 1, WeightPlacement::Mapped).map_err(|error| Code::Setup.because(error))?;
    let Machine { name, clock, marker, arena, labels, stack_lowest, frames } = machine;
    let labels = check_memory(model, &plan, arena, labels)?;
    let golden = model.golden().ok_or_else(|| Code::NoGoldenFrame.because("the model image has no golden frame; quantise with one"))?;
    let engine = Engine::new(model, &plan, Serial, arena).map_err(|error| Code::Setup.because(error))?;
    let mut job = Job { machine: name, placement, model, plan: &plan, frames, stack_lowest, engine, golden, labels };
    program.run(&mut job, &clock, &marker)
}

/// Whether arena, label map and tables are large enough for the image; returns the label map cut to size.
fn check_memory<'l>(model: &Model<'_>, plan: &Plan, arena: &[u8], labels: &'l mut [u8]) -> Result<&'l mut [u8], Code> {
    let (needed, found) = (plan.arena_bytes(), arena.len());
    if needed > found {
        return Err(Code::ArenaTooSmall.because(format_args!("the image needs an arena of {needed} bytes, this program was planned with {found}")));
    }
    if model.steps().len() > MAX_STEPS {
        return Err(Code::Setup.because(format_args!("{} steps, this program knows {MAX_STEPS}", model.steps().len())));
    }
    let (needed, found) = (if plan.network().head == Head::Segformer { plan.size().pixels() } else { 0 }, labels.len());
    labels
        .get_mut(..needed)
        .ok_or_else(|| Code::ArenaTooSmall.because(format_args!("the image needs a label map of {needed} bytes, this program was planned with {found}")))
}
