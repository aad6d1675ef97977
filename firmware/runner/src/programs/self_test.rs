//! `selftest`: is every step what the host got?

use defmt::Format;
#[cfg(feature = "fp16")]
use hrvit_core::drift_f16::{LogitsDrift, StepMagnitudes, first_half_step};
use hrvit_core::{ModelSource, Observer, StepCrcs};
#[cfg(feature = "fp16")]
use hrvit_core::{StepInfo, Tile};

#[cfg(feature = "fp16")]
use crate::job::MAGNITUDES;
use crate::{
    STACK_BOUND,
    clock::Clock,
    code::Code,
    golden::Golden,
    job::{CRCS, Job, found_crc, result_crc},
    marker::Marker,
    programs::Program,
    reason::Reason,
    report, stack,
};

/// Runs the golden frame, compares the CRC of every step with the host's, and the stack with
/// [`STACK_BOUND`].
///
/// For an image with half-precision steps, the CRCs of the steps before the first of them are
/// compared. The tensors of the other steps and the label map are compared with the definition's,
/// within the bounds of the image. So are the logits if the image can be addressed.
#[derive(Clone, Copy, Debug)]
pub struct SelfTest;

impl Program for SelfTest {
    fn run<S, G, C, M>(&self, job: &mut Job<'_, S, G>, clock: &C, _marker: &M) -> Result<(), Code>
    where
        S: ModelSource<Error: Format>,
        G: Golden,
        C: Clock,
        M: Marker,
    {
        report::run(job, clock, 1, 0);
        if cfg!(feature = "two-cores") && !crate::pair::is_attended() {
            defmt::warn!("one core does the work of two: the second one did not start");
        }
        #[cfg(feature = "fp16")]
        if let Some(half) = first_half_step(job.model) {
            let bound = job.bound()?;
            let logits = job.logits.map(|logits| LogitsDrift::new(job.model, logits, bound));
            let stack = measured(job, &Watched { crcs: StepCrcs(&CRCS), magnitudes: StepMagnitudes(&MAGNITUDES), logits: logits.as_ref() })?;
            same_steps(job, half.0.into())?;
            let drift = job.drift(logits.as_ref().map(LogitsDrift::found))?;
            report::drift(&drift);
            if !drift.is_within(bound) {
                return Err(Code::Differs.because(Reason::Drift { drift, bound, first: drift.first(job.model, bound) }));
            }
            return end(stack, half.0.into());
        }
        let steps = job.model.steps().len();
        let stack = measured(job, &StepCrcs(&CRCS))?;
        same_steps(job, steps)?;
        end(stack, steps)
    }
}

/// Runs the golden frame, watched by `observer`, and reports the bytes of stack that it took.
fn measured<S: ModelSource<Error: Format>, G: Golden>(job: &mut Job<'_, S, G>, observer: &dyn Observer) -> Result<usize, Code> {
    // SAFETY: the machine says where its free stack begins, and only the stack lies above.
    let (result, stack) = unsafe { stack::measure(job.stack_lowest, || job.frame(observer)) };
    result?;
    report::total(job.plan(), 0, stack, result_crc(job.model));
    Ok(stack)
}

/// Compares the CRCs of the first `steps` steps.
fn same_steps<S: ModelSource<Error: Format>, G: Golden>(job: &mut Job<'_, S, G>, steps: usize) -> Result<(), Code> {
    for at in job.model.step_ids().take(steps) {
        let (expected, found) = (job.expected(at.0), found_crc(at.0));
        let expected = expected.ok_or_else(|| Code::NoGoldenFrame.because("the golden frame has no CRC for a step"))?;
        if expected != found {
            report::fail(at, expected, found);
            return Err(Code::Differs.because("a step differs from the host's"));
        }
    }
    Ok(())
}

fn end(stack: usize, steps: usize) -> Result<(), Code> {
    if stack > STACK_BOUND {
        return Err(Code::Stack.because(Reason::Stack(stack)));
    }
    report::pass(steps);
    Ok(())
}

/// CRCs of all steps, magnitudes of those in half precision, and the logits' drift.
#[cfg(feature = "fp16")]
struct Watched<'w> {
    crcs: StepCrcs<'w>,
    magnitudes: StepMagnitudes<'w>,
    logits: Option<&'w LogitsDrift<'w>>,
}

#[cfg(feature = "fp16")]
impl Observer for Watched<'_> {
    fn enter(&self, step: StepInfo) -> core::ops::ControlFlow<()> {
        self.magnitudes.enter(step)?;
        self.crcs.enter(step)
    }

    fn tile(&self, tile: Tile<'_>) {
        self.crcs.tile(tile);
        self.magnitudes.tile(tile);
        if let Some(logits) = self.logits {
            logits.tile(tile);
        }
    }
}
