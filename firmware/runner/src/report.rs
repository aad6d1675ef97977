//! The lines that hosts read. One message each, keys and order as here:
//!
//! ```text
//! hrvit run: machine= unit= clock_hz= network= size=HxW steps= frames= arena= weights= probe=
//! hrvit step: id= kind= name="" ticks= macs= crc=
//! hrvit total: ticks= macs= stack= labels_crc=
//! hrvit drift: logits_ppm= differ= labels=
//! hrvit selftest: PASS steps=
//! hrvit selftest: FAIL id= name="" expected= found=
//! hrvit fault: kind= read= of=
//! hrvit faults: PASS cases=
//! hrvit error: code= text
//! ```

use hrvit_core::{ModelSource, Plan, Step, StepId};
use hrvit_format::{Spec, VARIANTS};

use crate::{clock::Clock, job::Job};

/// Name of the plan's network.
fn variant(plan: &Plan) -> &'static str {
    VARIANTS.into_iter().find(|name| Spec::variant(name).as_ref() == Some(&plan.network().spec)).unwrap_or("custom")
}

/// What runs where. `probe`: one reading of the clock, in its unit.
pub fn run<S: ModelSource, G>(job: &Job<'_, S, G>, clock: &impl Clock, frames: u32, probe: u64) {
    let (plan, size) = (job.plan(), job.plan().size());
    defmt::info!(
        "hrvit run: machine={=str} unit={=str} clock_hz={=u32} network={=str} size={=u16}x{=u16} steps={=usize} frames={=u32} arena={=usize} weights={=str} probe={=u64}",
        job.machine,
        clock.unit().name(),
        clock.hertz(),
        variant(plan),
        size.height,
        size.width,
        job.model.steps().len(),
        frames,
        plan.arena_bytes(),
        job.placement.name(),
        probe,
    );
}

/// One step: `ticks` over all frames in the clock's unit, multiply-accumulates of one frame, CRC of its tensor.
pub fn step(plan: &Plan, (id, step): (StepId, Step), ticks: u64, crc: u32) {
    defmt::info!("hrvit step: id={=u16} kind={=str} name=\"{}\" ticks={=u64} macs={=u64} crc={=u32:08x}", id.0, step.kind(), step, ticks, plan.macs(step), crc,);
}

/// All steps together. `stack`: bytes, 0 if it was not measured.
pub fn total(plan: &Plan, ticks: u64, stack: usize, labels_crc: u32) {
    let macs: u64 = plan.network().steps().map(|step| plan.macs(step)).sum();
    defmt::info!("hrvit total: ticks={=u64} macs={=u64} stack={=usize} labels_crc={=u32:08x}", ticks, macs, stack, labels_crc);
}

/// How far the frame of an image with half-precision steps is from the definition: the largest difference of logits in millionths of the largest logit, `-` where they
/// were not compared; labels that differ, all labels.
#[cfg(feature = "fp16")]
pub fn drift(drift: &hrvit_core::drift_f16::Drift) {
    let (differ, labels) = (drift.differ, drift.labels);
    match drift.logits {
        // Saturates: an infinite drift is the largest number.
        Some(logits) => defmt::info!("hrvit drift: logits_ppm={=u32} differ={=usize} labels={=usize}", (logits * 1e6) as u32, differ, labels),
        None => defmt::info!("hrvit drift: logits_ppm=- differ={=usize} labels={=usize}", differ, labels),
    }
}

/// These many steps are the host's: all, or those before the first in half precision.
pub fn pass(steps: usize) {
    defmt::info!("hrvit selftest: PASS steps={=usize}", steps);
}

/// The first step that is not.
pub fn fail((id, step): (StepId, Step), expected: u32, found: u32) {
    defmt::info!("hrvit selftest: FAIL id={=u16} name=\"{}\" expected={=u32:08x} found={=u32:08x}", id.0, step, expected, found);
}
