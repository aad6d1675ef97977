//! The lines that hosts read, as `hrvit_log` declares them.

use hrvit_core::{ModelSource, Plan, Step, StepId};
use hrvit_format::{Spec, VARIANTS};
use hrvit_log::{Crc, Fail, Pass, Run, Size, Total};
#[cfg(feature = "fp16")]
use hrvit_log::{Drift, LogitsPpm};

use crate::{clock::Clock, job::Job};

/// Name of the plan's network.
fn variant(plan: &Plan) -> &'static str {
    VARIANTS.into_iter().find(|name| Spec::variant(name).as_ref() == Some(&plan.network().spec)).unwrap_or("custom")
}

/// What runs where. `probe`: one reading of the clock, in its unit.
pub fn run<S: ModelSource, G>(job: &Job<'_, S, G>, clock: &impl Clock, frames: u32, probe: u64) {
    let (plan, size) = (job.plan(), job.plan().size());
    let run = Run {
        machine: job.machine,
        unit: clock.unit(),
        clock_hz: clock.hertz(),
        network: variant(plan),
        size: Size { height: size.height, width: size.width },
        steps: job.model.steps().len(),
        frames,
        arena: plan.arena_bytes(),
        weights: job.placement.name(),
        probe,
    };
    defmt::info!("{}", run);
}

/// One step: `ticks` over all frames in the clock's unit, multiply-accumulates of one frame, CRC of its tensor.
pub fn step(plan: &Plan, (id, step): (StepId, Step), ticks: u64, crc: u32) {
    let macs = plan.macs(step);
    defmt::info!("{}", hrvit_log::Step { id: id.0, kind: step.kind(), name: step, ticks, macs, crc: Crc(crc) });
}

/// All steps together. `stack`: bytes, 0 if it was not measured.
pub fn total(plan: &Plan, ticks: u64, stack: usize, labels_crc: u32) {
    let macs: u64 = plan.network().steps().map(|step| plan.macs(step)).sum();
    defmt::info!("{}", Total { ticks, macs, stack, labels_crc: Crc(labels_crc) });
}

/// How far the frame of an image with half-precision steps is from the definition.
#[cfg(feature = "fp16")]
pub fn drift(drift: &hrvit_core::drift_f16::Drift) {
    let logits_ppm = LogitsPpm(drift.logits.map(|logits| crate::reason::millionths(logits.of_largest)));
    defmt::info!("{}", Drift { logits_ppm, differ: drift.differ, labels: drift.labels });
}

/// These many steps are the host's: all, or those before the first in half precision.
pub fn pass(steps: usize) {
    defmt::info!("{}", Pass { steps });
}

/// The first step that is not.
pub fn fail((id, step): (StepId, Step), expected: u32, found: u32) {
    defmt::info!("{}", Fail { id: id.0, name: step, expected: Crc(expected), found: Crc(found) });
}
