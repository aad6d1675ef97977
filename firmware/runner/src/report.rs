//! The lines that hosts read, as `hrvit_log` declares them.

use hrvit_core::{ModelSource, Plan, Step, StepId};
use hrvit_format::{Spec, VARIANTS};
use hrvit_log::{Crc, Fail, Framed, Labels, Latency, Pass, Run, Runs, Size, Spread, Total};
#[cfg(feature = "fp16")]
use hrvit_log::{Drift, LogitsPpm};

use crate::{clock::Clock, job::Job};

/// Name of the plan's network.
fn variant(plan: &Plan) -> &'static str {
    VARIANTS.into_iter().find(|name| Spec::variant(name).as_ref() == Some(&plan.network().spec)).unwrap_or("custom")
}

/// The program that runs, and its machine. `probe`: one reading of the clock, in its unit.
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

/// One step: `ticks` over all frames in the clock's unit, multiply-accumulates of one frame, CRC of
/// its tensor.
pub fn step(plan: &Plan, (id, step): (StepId, Step), ticks: u64, crc: u32) {
    let macs = plan.macs(step);
    defmt::info!("{}", hrvit_log::Step { id: id.0, kind: step.kind(), name: step, ticks, macs, crc: Crc(crc) });
}

/// All steps together. `stack`: bytes, 0 if it was not measured.
pub fn total(plan: &Plan, ticks: u64, stack: usize, labels_crc: u32) {
    let macs: u64 = plan.network().steps().map(|step| plan.macs(step)).sum();
    defmt::info!("{}", Total { ticks, macs, stack, labels_crc: Crc(labels_crc) });
}

/// Ticks of a step in the frames that were measured, one by one, in the clock's unit.
pub fn spread(id: StepId, spread: &crate::spread::Spread) {
    defmt::info!("{}", Spread { id: id.0, mean: spread.mean(), deviation: spread.deviation(), least: spread.least(), most: spread.most() });
}

/// Ticks of whole frames: the first one after the start, and those that were measured.
pub fn latency(cold: u64, warm: &crate::spread::Spread) {
    defmt::info!("{}", Latency { cold, mean: warm.mean(), deviation: warm.deviation(), least: warm.least(), most: warm.most() });
}

/// Asks for a row of a frame, which is sent before this returns.
pub fn want(want: hrvit_log::Want) {
    defmt::info!("{}", want);
    defmt::flush();
}

/// A frame beside the golden one.
pub fn framed(plan: &Plan, (source, number): (&'static str, u16), ticks: u64, labels_crc: u32) {
    let size = Size { height: plan.size().height, width: plan.size().width };
    defmt::info!("{}", Framed { source, number, size, ticks, labels_crc: Crc(labels_crc) });
}

/// The label map of a frame that was sent, a part of a row at a time.
pub fn labels(plan: &Plan, frame: u16, labels: &[u8]) {
    /// Labels of a part, few enough for a line even where each is another one.
    const PART: usize = 256;
    for (row, labels) in (0..).zip(labels.chunks(plan.size().width.into())) {
        for (part, labels) in (0..).zip(labels.chunks(PART)) {
            defmt::info!("{}", Labels { frame, row, column: part * PART as u16, runs: Runs(labels) });
        }
    }
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
