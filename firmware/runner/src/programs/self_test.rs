//! `selftest`: is every step what the host got?

use core::fmt::Display;

use hrvit_core::{StepCrcs, WeightSource};

use crate::{
    STACK_BOUND,
    clock::Clock,
    code::Code,
    job::{CRCS, Golden, Job, found_crc, result_crc},
    marker::Marker,
    programs::Program,
    report, stack,
};

/// Runs the golden frame, compares the CRC of every step with the host's, and the stack with [`STACK_BOUND`].
#[derive(Clone, Copy, Debug)]
pub struct SelfTest;

impl Program for SelfTest {
    fn run<W, G, C, M>(&self, job: &mut Job<'_, W, G>, clock: &C, _marker: &M) -> Result<(), Code>
    where
        W: WeightSource<Error: Display>,
        G: Golden,
        C: Clock,
        M: Marker,
    {
        report::run(job, clock, 1, 0);
        // SAFETY: the machine says where its free stack begins, and only the stack lies above.
        let (result, stack) = unsafe { stack::measure(job.stack_lowest, || job.frame(&StepCrcs(&CRCS))) };
        result?;
        report::total(job.plan, 0, stack, result_crc(job.model));
        for at in job.model.step_ids() {
            let (expected, found) = (job.expected(at.0), found_crc(at.0));
            let expected = expected.ok_or_else(|| Code::NoGoldenFrame.because("the golden frame has no CRC for a step"))?;
            if expected != found {
                report::fail(at, expected, found);
                return Err(Code::Differs.because("a step differs from the host's"));
            }
        }
        if stack > STACK_BOUND {
            return Err(Code::Stack.because(format_args!("one frame took {stack} bytes of stack, the bound is {STACK_BOUND}")));
        }
        report::pass(job.model.steps().len());
        Ok(())
    }
}
