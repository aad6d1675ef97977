//! `faults`: streams weights from a flash that fails on purpose. Every fault must end in an error,
//! and a frame after them must be right again.

use core::cell::Cell;

use defmt::Format;
use hrvit_core::ModelSource;
use hrvit_log::FaultsPassed;

use crate::{
    clock::Clock,
    code::Code,
    fake_nor::{FakeNor, Fault},
    golden::Golden,
    job::Job,
    marker::{Marker, NoMarker},
    nor::Nor,
    programs::Program,
    start::{Machine, try_streamed},
};

/// Runs a frame and compares its labels with those that were seen first.
struct SameLabels<'c>(&'c Cell<Option<u32>>);

impl Program for SameLabels<'_> {
    fn run<S, G, C, M>(&self, job: &mut Job<'_, S, G>, _clock: &C, _marker: &M) -> Result<(), Code>
    where
        S: ModelSource<Error: Format>,
        G: Golden,
        C: Clock,
        M: Marker,
    {
        job.frame(&hrvit_core::NoObserver)?;
        let labels = hrvit_format::crc32(job.labels());
        match self.0.get() {
            Some(expected) if expected != labels => Err(Code::Differs.because("a frame went through with other labels")),
            _ => {
                self.0.set(Some(labels));
                Ok(())
            }
        }
    }
}

/// Puts every kind of fault at reads from the first to the last, with the image at the beginning of
/// a flash of 2^`log` bytes. The result is the exit code.
pub fn run_faults<C: Clock>(mut machine: Machine<C, NoMarker>, image: &[u8], log: u8, head: &mut [u8]) -> i32 {
    let (labels, reads) = (Cell::new(None), Cell::new(0));
    let mut run = |fault: Option<(usize, Fault)>| {
        reads.set(0);
        let fake = FakeNor { reads: Some(&reads), fault, ..FakeNor::new(image, log) };
        let nor = Nor::new(fake, 0).map_err(|error| Code::Stream.because(error))?;
        try_streamed(&SameLabels(&labels), &mut machine, nor, head)
    };
    if let Err(code) = run(None) {
        return code as i32;
    }
    let last = reads.get().saturating_sub(1);
    let mut cases = 0;
    // The start, the head, groups while the image is checked, rows of the frame, groups of the
    // frame, the last read.
    for fault in [Fault::Error, Fault::Short, Fault::Flip] {
        for at in [0, 1, last / 4, last / 2, last.saturating_sub(40), last] {
            defmt::info!("{}", hrvit_log::Fault { kind: name(fault), read: at, of: last });
            match run(Some((at, fault))) {
                Err(Code::Differs) => return Code::Differs as i32,
                Err(_) => cases += 1,
                Ok(()) => return Code::Stream.because("the fault went unnoticed") as i32,
            }
        }
    }
    match run(None) {
        Ok(()) => {
            defmt::info!("{}", FaultsPassed { cases });
            0
        }
        Err(code) => code as i32,
    }
}

fn name(fault: Fault) -> &'static str {
    match fault {
        Fault::Error => "error",
        Fault::Short => "short",
        Fault::Flip => "flip",
    }
}
