//! The lines that firmware writes, one message each:
//!
//! ```text
//! hrvit run: machine= unit= clock_hz= network= size=HxW steps= frames= arena= weights= probe=
//! hrvit step: id= kind= name="" ticks= macs= crc=
//! hrvit total: ticks= macs= stack= labels_crc=
//! hrvit drift: logits_ppm= differ= labels=
//! hrvit selftest: PASS steps=
//! hrvit selftest: FAIL id= name="" expected= found=
//! hrvit conformance: machine= isa= cases= failures=
//! hrvit fault: kind= read= of=
//! hrvit faults: PASS cases=
//! hrvit error: code= text
//! ```
//! An error after a fault that was made on purpose is what it should end in. `hrvit kernel:` says which file serves a family of kernels; it stays text.

use std::fmt;

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};

use super::fields::Fields;

/// What a device's clock counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Unit {
    /// Executed instructions.
    Instructions,
    /// Clock cycles of the processor.
    Cycles,
    /// Ticks of a timer.
    Ticks,
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Instructions => "instructions",
            Self::Cycles => "cycles",
            Self::Ticks => "ticks",
        })
    }
}

impl Unit {
    fn parse(text: &str) -> Result<Self> {
        [Self::Instructions, Self::Cycles, Self::Ticks]
            .into_iter()
            .find(|unit| unit.to_string() == text)
            .with_context(|| format!("unit={text}: expected instructions, cycles or ticks"))
    }
}

/// What ran where.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// Name of the machine or board.
    pub machine: String,
    /// What `ticks` counts.
    pub unit: Unit,
    /// Units per second, 0 if unknown.
    pub clock_hz: u64,
    /// Name of the network.
    pub network: String,
    /// Height x width of a frame.
    pub size: String,
    /// Steps of the network.
    pub steps: usize,
    /// Frames that were measured.
    pub frames: u64,
    /// Bytes of the arena.
    pub arena: u64,
    /// Where the weights are read from: `mapped`, `embedded` or `streamed`.
    pub weights: String,
    /// Units that one reading of the clock takes.
    pub probe: u64,
}

/// One step.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StepLine {
    /// Position in canonical order.
    pub id: usize,
    /// Kind of block: `Stem`, `Attention` and so on.
    pub kind: String,
    /// Name, as in the graph.
    pub name: String,
    /// Units of all frames together.
    pub ticks: u64,
    /// Multiply-accumulates of one frame.
    pub macs: u64,
    /// CRC32 of the tensor that the step leaves behind.
    pub crc: u32,
}

/// All steps together, and what lies between them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Total {
    /// Units of all frames together; 0 if no time was taken.
    pub ticks: u64,
    /// Multiply-accumulates of one frame.
    pub macs: u64,
    /// Bytes of stack that one frame took; 0 if that was not measured.
    pub stack: u64,
    /// CRC32 of the result: label map or logits.
    pub labels_crc: u32,
}

/// How far the frame of an image with half-precision steps is from the definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Drift {
    /// Largest difference of logits in millionths of the largest logit; none where they were not compared.
    pub logits_ppm: Option<u32>,
    /// Labels that differ.
    pub differ: usize,
    /// All labels.
    pub labels: usize,
}

impl fmt::Display for Drift {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.logits_ppm {
            Some(ppm) => write!(f, "logits {:.1e} of the largest", f64::from(ppm) / 1e6)?,
            None => write!(f, "logits not compared (they are streamed)")?,
        }
        if self.labels > 0 { write!(f, ", {} of {} labels differ", self.differ, self.labels) } else { Ok(()) }
    }
}

/// How a self-test ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "result", rename_all = "lowercase")]
pub enum SelfTest {
    /// Every step is what the host got; with half precision every step before the first of those, and the result within bounds.
    Pass {
        /// How many steps were compared.
        steps: usize,
    },
    /// The first step that is not.
    Fail {
        /// Position in canonical order.
        id: usize,
        /// Name, as in the graph.
        name: String,
        /// CRC32 on the host.
        expected: u32,
        /// CRC32 on the device.
        found: u32,
    },
}

/// The kernels of one instruction set against their definition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Conformance {
    /// Name of the machine or board.
    pub machine: String,
    /// Instruction set.
    pub isa: String,
    /// Operands tried.
    pub cases: u64,
    /// Those with another result.
    pub failures: u64,
}

/// A fault of the flash that was made on purpose.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fault {
    /// `error`, `short` or `flip`.
    pub kind: String,
    /// The read of the flash that it happened at, from 0.
    pub read: usize,
    /// The last read of a frame without faults.
    pub of: usize,
    /// The error that it ended in.
    pub error: Option<DeviceError>,
}

/// Why a program gave up.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DeviceError {
    /// The program's exit code.
    pub code: i32,
    /// In words.
    pub text: String,
}

/// Everything that one program wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Log {
    /// What ran where.
    pub run: Option<Run>,
    /// Steps in canonical order: all, or none if the program does not measure them.
    pub steps: Vec<StepLine>,
    /// All steps together.
    pub total: Option<Total>,
    /// How far half precision is from the definition, if that was measured.
    #[serde(default)]
    pub drift: Option<Drift>,
    /// How the self-test ended, if it was one.
    pub selftest: Option<SelfTest>,
    /// Kernels against their definition, one for each instruction set.
    pub conformance: Vec<Conformance>,
    /// Faults that were made on purpose.
    #[serde(default)]
    pub faults: Vec<Fault>,
    /// How many of them ended in an error, with the right result afterwards, if all did.
    #[serde(default)]
    pub faults_passed: Option<usize>,
    /// Why the program gave up, if it did.
    pub error: Option<DeviceError>,
    /// Other lines, in order.
    pub text: Vec<String>,
}

impl Log {
    /// Reads decoded lines.
    ///
    /// # Errors
    /// If a protocol line cannot be understood, comes twice, or steps are missing or out of order; names the line.
    pub fn parse<'l>(lines: impl IntoIterator<Item = &'l str>) -> Result<Self> {
        let mut log = Self::default();
        for (number, line) in (1..).zip(lines) {
            log.take(line).with_context(|| format!("line {number} of the log, {line:?}"))?;
        }
        log.check()?;
        Ok(log)
    }

    fn take(&mut self, line: &str) -> Result<()> {
        let Some((what, rest)) = line.trim_start().strip_prefix("hrvit ").and_then(|line| line.split_once(':')) else {
            self.text.push(line.to_owned());
            return Ok(());
        };
        match what {
            "run" => once(&mut self.run, run(&Fields::parse(rest)?)?),
            "step" => {
                let step = step(&Fields::parse(rest)?)?;
                ensure!(step.id == self.steps.len(), "expected step {}, found {}: lines are missing or another run begins", self.steps.len(), step.id);
                self.steps.push(step);
                Ok(())
            }
            "total" => once(&mut self.total, total(&Fields::parse(rest)?)?),
            "drift" => once(&mut self.drift, drift(&Fields::parse(rest)?)?),
            "selftest" => once(&mut self.selftest, selftest(rest.trim())?),
            "conformance" => {
                self.conformance.push(conformance(&Fields::parse(rest)?)?);
                Ok(())
            }
            "kernel" => {
                self.text.push(line.to_owned());
                Ok(())
            }
            "fault" => {
                self.faults.push(fault(&Fields::parse(rest)?)?);
                Ok(())
            }
            "faults" => once(&mut self.faults_passed, faults_passed(rest.trim())?),
            "error" => {
                let awaited = self.faults.last_mut().map(|fault| &mut fault.error).filter(|error| error.is_none());
                once(awaited.unwrap_or(&mut self.error), device_error(rest.trim())?)
            }
            _ => bail!("unknown: is this hrvit older than the firmware?"),
        }
    }

    /// Steps are all there or none is, and their sums agree.
    fn check(&self) -> Result<()> {
        if self.error.is_some() {
            return Ok(());
        }
        if let Some(passed) = self.faults_passed {
            ensure!(passed == self.faults.len(), "the log has {} faults, `hrvit faults` says {passed}", self.faults.len());
            return Ok(());
        }
        if let Some(Fault { kind, read, .. }) = self.faults.last() {
            bail!("the log ends before `hrvit faults`, after the fault {kind} at read {read}");
        }
        let Some(run) = &self.run else {
            ensure!(self.steps.is_empty() && self.total.is_none(), "the log has no `hrvit run` line: its beginning is missing");
            ensure!(self.selftest.is_some() || !self.conformance.is_empty(), "the log has no `hrvit` line at all ({} other lines)", self.text.len());
            return Ok(());
        };
        let (found, expected) = (self.steps.len(), run.steps);
        let total =
            self.total.as_ref().with_context(|| format!("the log ends before `hrvit total`, after {found} of {expected} steps: was the program stopped?"))?;
        ensure!(found == 0 || found == expected, "the log has {found} of {expected} steps");
        let macs: u64 = self.steps.iter().map(|step| step.macs).sum();
        ensure!(found == 0 || macs == total.macs, "the steps have {macs} multiply-accumulates together, `hrvit total` says {}", total.macs);
        ensure!(run.frames > 0, "the run has no frames");
        Ok(())
    }
}

fn once<T>(slot: &mut Option<T>, value: T) -> Result<()> {
    ensure!(slot.is_none(), "comes twice: give one run at a time");
    *slot = Some(value);
    Ok(())
}

fn run(fields: &Fields<'_>) -> Result<Run> {
    Ok(Run {
        machine: fields.text("machine")?.to_owned(),
        unit: Unit::parse(fields.text("unit")?)?,
        clock_hz: fields.get("clock_hz")?,
        network: fields.text("network")?.to_owned(),
        size: fields.text("size")?.to_owned(),
        steps: fields.get("steps")?,
        frames: fields.get("frames")?,
        arena: fields.get("arena")?,
        weights: fields.text("weights")?.to_owned(),
        probe: fields.get("probe")?,
    })
}

fn step(fields: &Fields<'_>) -> Result<StepLine> {
    Ok(StepLine {
        id: fields.get("id")?,
        kind: fields.text("kind")?.to_owned(),
        name: fields.text("name")?.to_owned(),
        ticks: fields.get("ticks")?,
        macs: fields.get("macs")?,
        crc: fields.crc("crc")?,
    })
}

fn total(fields: &Fields<'_>) -> Result<Total> {
    Ok(Total { ticks: fields.get("ticks")?, macs: fields.get("macs")?, stack: fields.get("stack")?, labels_crc: fields.crc("labels_crc")? })
}

fn drift(fields: &Fields<'_>) -> Result<Drift> {
    let logits_ppm = if fields.text("logits_ppm")? == "-" { None } else { Some(fields.get("logits_ppm")?) };
    Ok(Drift { logits_ppm, differ: fields.get("differ")?, labels: fields.get("labels")? })
}

fn selftest(text: &str) -> Result<SelfTest> {
    let (verdict, rest) = text.split_once(' ').unwrap_or((text, ""));
    let fields = Fields::parse(rest)?;
    match verdict {
        "PASS" => Ok(SelfTest::Pass { steps: fields.get("steps")? }),
        "FAIL" => {
            Ok(SelfTest::Fail { id: fields.get("id")?, name: fields.text("name")?.to_owned(), expected: fields.crc("expected")?, found: fields.crc("found")? })
        }
        _ => bail!("expected PASS or FAIL, found {verdict:?}"),
    }
}

fn conformance(fields: &Fields<'_>) -> Result<Conformance> {
    Ok(Conformance {
        machine: fields.text("machine")?.to_owned(),
        isa: fields.text("isa")?.to_owned(),
        cases: fields.get("cases")?,
        failures: fields.get("failures")?,
    })
}

fn fault(fields: &Fields<'_>) -> Result<Fault> {
    Ok(Fault { kind: fields.text("kind")?.to_owned(), read: fields.get("read")?, of: fields.get("of")?, error: None })
}

fn faults_passed(text: &str) -> Result<usize> {
    let rest = text.strip_prefix("PASS ").with_context(|| format!("expected PASS, found {text:?}"))?;
    Fields::parse(rest)?.get("cases")
}

fn device_error(text: &str) -> Result<DeviceError> {
    let (code, text) = text.split_once(' ').unwrap_or((text, ""));
    let code = code.strip_prefix("code=").with_context(|| format!("expected code=, found {code:?}"))?;
    Ok(DeviceError { code: code.parse().with_context(|| format!("code={code}"))?, text: text.to_owned() })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A profile of two steps with a line that is none of the protocol.
    pub const PROFILE: &str = "\
hrvit run: machine=qemu-m7 unit=instructions clock_hz=0 network=nano size=192x256 steps=2 frames=2 arena=216960 weights=mapped probe=9
hello
hrvit step: id=0 kind=Stem name=\"stem\" ticks=3000 macs=6000 crc=0000beef
hrvit step: id=1 kind=MixCfn name=\"module 0 branch 0 block 0 ffn\" ticks=1000 macs=500 crc=12345678
hrvit total: ticks=4100 macs=6500 stack=0 labels_crc=deadbeef";

    /// Reads [`PROFILE`] after replacing text in it.
    pub fn edited(from: &str, to: &str) -> Result<Log> {
        assert!(PROFILE.contains(from), "{from:?} is to be replaced");
        Log::parse(PROFILE.replace(from, to).lines())
    }

    fn refusal(from: &str, to: &str) -> String {
        format!("{:#}", edited(from, to).expect_err("the edit makes it invalid"))
    }

    #[test]
    fn a_profile_is_read_with_its_quoted_names_and_other_lines() {
        let log = Log::parse(PROFILE.lines()).unwrap();
        assert_eq!(log.steps[1].name, "module 0 branch 0 block 0 ffn");
        assert_eq!((log.steps[0].crc, log.steps[0].ticks, log.steps[1].macs), (0xbeef, 3000, 500));
        assert_eq!((log.run.unwrap().unit, log.total.unwrap().labels_crc), (Unit::Instructions, 0xdead_beef));
        assert_eq!(log.text, ["hello"]);
    }

    #[test]
    fn what_is_missing_or_wrong_is_named() {
        assert!(refusal("hrvit step: id=0", "hello: id=0").contains("expected step 0, found 1"));
        assert!(refusal("hrvit total", "hello total").contains("before `hrvit total`, after 2 of 2 steps"));
        assert!(refusal("hrvit run", "hello run").contains("beginning is missing"));
        assert!(refusal("hello", "hrvit total: ticks=1 macs=2 stack=0 labels_crc=00000000").contains("comes twice"));
        assert!(refusal("steps=2", "steps=3").contains("2 of 3 steps"));
        assert!(refusal("macs=6500", "macs=6501").contains("6500 multiply-accumulates"));
        assert!(refusal("crc=12345678", "crc=1234567").contains("8 hexadecimal digits"));
        assert!(refusal("ticks=3000", "ticks=3x").contains("ticks=3x"));
        assert!(refusal("unit=instructions", "unit=fathoms").contains("fathoms"));
        assert!(refusal("ffn\"", "ffn").contains("quote of name does not end"));
        assert!(refusal("frames=2 ", "").contains("frames= is missing"));
    }

    #[test]
    fn verdicts_and_errors_are_read() {
        let fail = Log::parse(["hrvit selftest: FAIL id=3 name=\"norm 1\" expected=00000001 found=00000002"]).unwrap();
        assert_eq!(fail.selftest, Some(SelfTest::Fail { id: 3, name: "norm 1".to_owned(), expected: 1, found: 2 }));
        let half = Log::parse(["hrvit drift: logits_ppm=312 differ=4 labels=49152", "hrvit selftest: PASS steps=0"]).unwrap();
        assert_eq!(half.drift, Some(Drift { logits_ppm: Some(312), differ: 4, labels: 49152 }));
        let streamed = Log::parse(["hrvit drift: logits_ppm=- differ=0 labels=4096", "hrvit selftest: PASS steps=9"]).unwrap();
        assert_eq!(streamed.drift.unwrap().logits_ppm, None);
        let pass = Log::parse(["hrvit selftest: PASS steps=41"]).unwrap();
        assert_eq!(pass.selftest, Some(SelfTest::Pass { steps: 41 }));
        let error = Log::parse(["hrvit error: code=3 the arena is too small"]).unwrap().error.unwrap();
        assert_eq!((error.code, error.text.as_str()), (3, "the arena is too small"));
        let kernels = Log::parse(["hrvit kernel: isa=dsp", "hrvit conformance: machine=m7 isa=dsp cases=12 failures=1"]).unwrap();
        assert_eq!((kernels.conformance[0].cases, kernels.conformance[0].failures, kernels.text.len()), (12, 1, 1));
        let faults = ["hrvit fault: kind=flip read=4 of=9", "hrvit error: code=12 read failed", "hrvit faults: PASS cases=1"];
        let log = Log::parse(faults).unwrap();
        assert_eq!((log.faults[0].read, log.faults[0].error.as_ref().unwrap().code, log.faults_passed, log.error), (4, 12, Some(1), None));
        assert!(Log::parse(faults[..2].iter().copied()).unwrap_err().to_string().contains("before `hrvit faults`"));
        assert!(Log::parse(["hello"]).unwrap_err().to_string().contains("no `hrvit` line"));
    }
}
