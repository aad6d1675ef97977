//! The lines of one program together.

use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::{
    Conformance, DeviceError, Drift, End, Fail, Fault, FaultsPassed, Framed, Kernel, Labels, Latency, LineError, LogError, Pass, Run, Spread, Step, Total, Want,
};

/// How a self-test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum SelfTest {
    /// As on the host.
    Pass(Pass),
    /// Otherwise.
    Fail(Fail<String>),
}

impl FromStr for SelfTest {
    type Err = LineError;

    fn from_str(line: &str) -> Result<Self, LineError> {
        if line.contains("selftest: FAIL") { line.parse().map(Self::Fail) } else { line.parse().map(Self::Pass) }
    }
}

/// A fault that was made on purpose, and the error that it ended in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MadeFault {
    /// The fault.
    #[serde(flatten)]
    pub fault: Fault<String>,
    /// The error.
    pub error: Option<DeviceError<String>>,
}

/// Everything that one program wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// The program, and its machine.
    pub run: Option<Run<String>>,
    /// Steps in canonical order: all, or none if the program does not measure them.
    pub steps: Vec<Step<String, String>>,
    /// All steps together.
    pub total: Option<Total>,
    /// Steps in the frames that were measured one by one; all, or none if that was one frame.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub spreads: Vec<Spread>,
    /// A whole frame, as [`Log::spreads`] its steps.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latency: Option<Latency>,
    /// Frames beside the golden one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub frames: Vec<Framed<String>>,
    /// How far half precision is from the definition, if that was measured.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// How the self-test ended, if it was one.
    pub selftest: Option<SelfTest>,
    /// Kernels against their definition, one for each instruction set.
    pub conformance: Vec<Conformance<String>>,
    /// Faults that were made on purpose.
    #[serde(default)]
    pub faults: Vec<MadeFault>,
    /// How many of them ended in an error, with the right result afterwards, if all did.
    #[serde(default)]
    pub faults_passed: Option<u32>,
    /// Why the program gave up, if it did.
    pub error: Option<DeviceError<String>>,
    /// The exit code, if the program said that it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub end: Option<u8>,
    /// Other lines, in order; those that name kernels too.
    pub text: Vec<String>,
}

impl Log {
    /// Reads decoded lines.
    ///
    /// After an injected fault, `error` is the expected outcome. A log in which the program gave up
    /// may be incomplete, not contradictory.
    ///
    /// # Errors
    /// If a line of the protocol cannot be understood, comes twice or out of order, or the whole is
    /// as [`Log::check`] refuses it.
    pub fn parse<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self, LogError> {
        let mut log = Self::default();
        let mut lines = (1..).zip(lines).peekable();
        while let Some((number, line)) = lines.next() {
            log.take(number, line, lines.peek().is_none())?;
        }
        log.check()?;
        Ok(log)
    }

    fn take(&mut self, number: usize, line: &str, last: bool) -> Result<(), LogError> {
        let Some((what, _)) = line.trim_start().strip_prefix("hrvit ").and_then(|line| line.split_once(':')) else {
            self.text.push(line.to_owned());
            return Ok(());
        };
        let damaged = |error| LogError::Line { number, line: line.to_owned(), error, last };
        match what {
            "run" => once(&mut self.run, line.parse().map_err(damaged)?, number, "run"),
            "step" => self.step(number, line.parse().map_err(damaged)?),
            "total" => {
                let total = line.parse().map_err(damaged)?;
                if self.run.is_none() {
                    return Err(LogError::NoRun { number, what: "total" });
                }
                once(&mut self.total, total, number, "total")
            }
            "spread" => {
                let spread: Spread = line.parse().map_err(damaged)?;
                if usize::from(spread.id) != self.spreads.len() {
                    return Err(LogError::StepsMissing { number, expected: self.spreads.len(), found: spread.id });
                }
                self.spreads.push(spread);
                Ok(())
            }
            "latency" => once(&mut self.latency, line.parse::<Latency>().map_err(damaged)?, number, "latency"),
            "frame" => {
                self.frames.push(line.parse().map_err(damaged)?);
                Ok(())
            }
            // Questions and answers between the program and whoever sends frames.
            "want" => line.parse().map(|Want { .. }| ()).map_err(damaged),
            "labels" => line.parse().map(|Labels::<String> { .. }| ()).map_err(damaged),
            "drift" => once(&mut self.drift, line.parse().map_err(damaged)?, number, "drift"),
            "selftest" => once(&mut self.selftest, line.parse().map_err(damaged)?, number, "selftest"),
            "conformance" => {
                self.conformance.push(line.parse().map_err(damaged)?);
                Ok(())
            }
            "kernel" => {
                let _: Kernel<String> = line.parse().map_err(damaged)?;
                self.text.push(line.to_owned());
                Ok(())
            }
            "fault" => {
                self.faults.push(MadeFault { fault: line.parse().map_err(damaged)?, error: None });
                Ok(())
            }
            "faults" => {
                let FaultsPassed { cases } = line.parse().map_err(damaged)?;
                once(&mut self.faults_passed, cases, number, "faults")
            }
            "error" => {
                let awaited = self.faults.last_mut().map(|fault| &mut fault.error).filter(|error| error.is_none());
                once(awaited.unwrap_or(&mut self.error), line.parse().map_err(damaged)?, number, "error")
            }
            "end" => {
                let End { code } = line.parse().map_err(damaged)?;
                once(&mut self.end, code, number, "end")
            }
            _ => Err(LogError::Unknown { number, line: line.to_owned() }),
        }
    }

    /// Takes the step that follows those before.
    fn step(&mut self, number: usize, step: Step<String, String>) -> Result<(), LogError> {
        let (id, expected) = (step.id, self.steps.len());
        let Some(run) = &self.run else { return Err(LogError::NoRun { number, what: "step" }) };
        if self.total.is_some() {
            return Err(LogError::StepAfterTotal { number, id });
        }
        if usize::from(id) >= run.steps {
            return Err(LogError::StepBeyond { number, id, steps: run.steps });
        }
        match usize::from(id).cmp(&expected) {
            std::cmp::Ordering::Less => Err(LogError::StepAgain { number, id, name: step.name, last: expected.saturating_sub(1) }),
            std::cmp::Ordering::Greater => Err(LogError::StepsMissing { number, expected, found: id }),
            std::cmp::Ordering::Equal => {
                self.steps.push(step);
                Ok(())
            }
        }
    }

    /// Steps are all there or none is, and nothing contradicts another line. For a log that was
    /// read from elsewhere than [`Log::parse`].
    ///
    /// # Errors
    /// If sums do not agree; and, unless the program gave up, if something is missing.
    pub fn check(&self) -> Result<(), LogError> {
        self.check_sums()?;
        if self.error.is_some() {
            return Ok(());
        }
        if let Some(passed) = self.faults_passed {
            let found = self.faults.len();
            return if u32::try_from(found) == Ok(passed) { Ok(()) } else { Err(LogError::Faults { found, passed }) };
        }
        if let Some(MadeFault { fault: Fault { kind, read, .. }, .. }) = self.faults.last() {
            return Err(LogError::NoFaultsPassed { kind: kind.clone(), read: *read });
        }
        let Some(run) = &self.run else {
            return if self.selftest.is_some() || !self.conformance.is_empty() { Ok(()) } else { Err(LogError::Empty { lines: self.text.len() }) };
        };
        let (found, expected) = (self.steps.len(), run.steps);
        if self.total.is_none() {
            return Err(LogError::NoTotal { found, expected });
        }
        if found != 0 && found != expected {
            return Err(LogError::Incomplete { found, expected });
        }
        if run.frames == 0 {
            return Err(LogError::NoFrames);
        }
        if !self.spreads.is_empty() && self.spreads.len() != expected {
            return Err(LogError::Incomplete { found: self.spreads.len(), expected });
        }
        match self.selftest {
            // With half precision the steps before the first of those are compared.
            Some(SelfTest::Pass(Pass { steps: compared })) if compared > expected || (self.drift.is_none() && compared != expected) => {
                Err(LogError::Compared { compared, steps: expected })
            }
            _ => Ok(()),
        }
    }

    /// The sum over all steps must be the total, or of ticks a part of it: the rest lies between
    /// steps. Some of the steps have no more.
    fn check_sums(&self) -> Result<(), LogError> {
        let (Some(run), Some(total)) = (&self.run, &self.total) else { return Ok(()) };
        let Some(longest) = self.steps.iter().max_by_key(|step| step.ticks) else { return Ok(()) };
        if run.frames == 0 {
            return Err(LogError::NoFrames);
        }
        let sum = |of: fn(&Step<String, String>) -> u64| self.steps.iter().map(|step| u128::from(of(step))).sum::<u128>();
        let (ticks, macs) = (sum(|step| step.ticks), sum(|step| step.macs));
        if ticks > total.ticks.into() {
            let (unit, name) = (run.unit, longest.name.clone());
            return Err(LogError::Ticks { steps: ticks, total: total.ticks, unit, id: longest.id, name, most: longest.ticks });
        }
        if total.ticks == 0 {
            return Err(LogError::NoTicks { unit: run.unit, steps: self.steps.len() });
        }
        let whole = u128::from(total.macs);
        if macs > whole || (self.steps.len() == run.steps && macs != whole) {
            return Err(LogError::Macs { steps: macs, total: total.macs });
        }
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T, number: usize, what: &'static str) -> Result<(), LogError> {
    if slot.is_some() {
        return Err(LogError::Twice { number, what });
    }
    *slot = Some(value);
    Ok(())
}
