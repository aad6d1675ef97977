//! Why a log is refused.

use thiserror::Error;

use crate::{LineError, Unit};

/// Fault of a log, and what to do.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum LogError {
    /// A line of the protocol is damaged.
    #[error("line {number} of the log, {line:?}: {error}; {}", if *.last { "the log may end inside of it: read it to its end" } else { "read the log from the device again" })]
    Line {
        /// From 1.
        number: usize,
        /// The line.
        line: String,
        /// The fault.
        error: LineError,
        /// Whether no line follows.
        last: bool,
    },
    /// A line begins with `hrvit` and is none of the protocol.
    #[error("line {number} of the log, {line:?}: unknown: is this hrvit older than the firmware?")]
    Unknown {
        /// From 1.
        number: usize,
        /// The line.
        line: String,
    },
    /// A line that a run has once.
    #[error("line {number} of the log: `hrvit {what}` comes twice: two logs are mixed; give one run at a time")]
    Twice {
        /// From 1.
        number: usize,
        /// Which.
        what: &'static str,
    },
    /// Steps or their total before the run.
    #[error("line {number} of the log: the log has no `hrvit run` line before `hrvit {what}`: its beginning is missing; read the log from the program's start")]
    NoRun {
        /// From 1.
        number: usize,
        /// Which line came first.
        what: &'static str,
    },
    /// A step that was there before.
    #[error("line {number} of the log: step {id} ({name}) comes again after step {last}: another frame or another log is mixed in; give one run at a time")]
    StepAgain {
        /// From 1.
        number: usize,
        /// The step.
        id: u16,
        /// Its name.
        name: String,
        /// The step before it.
        last: usize,
    },
    /// Steps are left out.
    #[error("line {number} of the log: expected step {expected}, found {found}: lines are missing; read the log from the device again")]
    StepsMissing {
        /// From 1.
        number: usize,
        /// The step that should follow.
        expected: usize,
        /// The one that does.
        found: u16,
    },
    /// A step that the run does not have.
    #[error("line {number} of the log: step {id}, but `hrvit run` says steps={steps}: two logs are mixed; give one run at a time")]
    StepBeyond {
        /// From 1.
        number: usize,
        /// The step.
        id: u16,
        /// Steps of the run.
        steps: usize,
    },
    /// A step after the end of the steps.
    #[error("line {number} of the log: step {id} comes after `hrvit total`: another run begins or two logs are mixed; give one run at a time")]
    StepAfterTotal {
        /// From 1.
        number: usize,
        /// The step.
        id: u16,
    },
    /// The steps take longer than the whole.
    #[error(
        "the steps have ticks={steps} together, more than ticks={total} of `hrvit total` (in {unit}; most has step {id}, {name}, with {most}): \
         the clock wrapped or a digit is wrong; measure again"
    )]
    Ticks {
        /// Sum of the steps.
        steps: u128,
        /// The total's number.
        total: u64,
        /// Unit of both.
        unit: Unit,
        /// The step that takes longest.
        id: u16,
        /// Its name.
        name: String,
        /// Its ticks.
        most: u64,
    },
    /// Steps whose clock stood still.
    #[error("`hrvit total` has ticks=0 (in {unit}) after {steps} steps: nothing was measured; check that the machine's clock runs")]
    NoTicks {
        /// Unit.
        unit: Unit,
        /// Steps of the log.
        steps: usize,
    },
    /// Multiply-accumulates do not add up.
    #[error("the steps have macs={steps} (multiply-accumulates) together, `hrvit total` says macs={total}: a digit is wrong or logs are mixed; measure again")]
    Macs {
        /// Sum of the steps.
        steps: u128,
        /// The total's number.
        total: u64,
    },
    /// No total.
    #[error("the log ends before `hrvit total`, after {found} of {expected} steps: was the program stopped? Run it to its end")]
    NoTotal {
        /// Steps of the log.
        found: usize,
        /// Steps of the run.
        expected: usize,
    },
    /// A total with some steps only.
    #[error("the log has {found} of {expected} steps: lines are missing; read the log from the device again")]
    Incomplete {
        /// Steps of the log.
        found: usize,
        /// Steps of the run.
        expected: usize,
    },
    /// A run of no frames.
    #[error("`hrvit run` has frames=0: nothing was run; expected 1 or more")]
    NoFrames,
    /// A verdict over another number of steps.
    #[error("`hrvit selftest` compared {compared} steps, `hrvit run` says steps={steps}: two logs are mixed or a line is cut; run the self-test again")]
    Compared {
        /// Steps of the verdict.
        compared: usize,
        /// Steps of the run.
        steps: usize,
    },
    /// Faults that were made and those that passed.
    #[error("the log has {found} faults, `hrvit faults` says cases={passed}: lines are missing; run the program again")]
    Faults {
        /// Faults of the log.
        found: usize,
        /// The last line's number.
        passed: u32,
    },
    /// The log ends among faults.
    #[error("the log ends before `hrvit faults`, after the fault {kind} at read {read}: was the program stopped? Run it to its end")]
    NoFaultsPassed {
        /// Kind of the last fault.
        kind: String,
        /// Its read.
        read: usize,
    },
    /// No line of the protocol.
    #[error("the log has no `hrvit` line at all ({lines} other lines): is it of one of the firmware's programs?")]
    Empty {
        /// Other lines.
        lines: usize,
    },
}
