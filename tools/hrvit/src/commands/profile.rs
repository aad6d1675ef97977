//! `hrvit profile`: what a device's log says.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use comfy_table::Table;
use hrvit_log::{Drift, Fail, Framed, Latency, Log, LogitsPpm, Pass, SelfTest, Unit};
use serde::{Deserialize, Serialize};

use crate::output::{self, Format, grouped};
use crate::profile::compare::{Change, change_table, changes};
use crate::profile::summary::{Summary, headline};
use crate::profile::{bars, decode, serial, trace};

/// Show where a device spends its time
///
/// Reads what the firmware's programs `profile`, `selftest`, `segment`, `conformance` and `faults`
/// write: a defmt stream, decoded with the program itself. `cargo xtask qemu` does all of this for
/// an emulated machine.
#[derive(Args, Debug)]
#[command(after_help = "Examples:
  qemu-system-arm ... | hrvit profile --elf firmware/target/thumbv8m.main-none-eabihf/release/profile --log -
  hrvit profile --elf profile --log device.defmt --clock 600000000 --steps --svg profile.svg --trace trace.json
  hrvit profile --elf profile --log device.defmt --against before.json
  hrvit profile --elf profile --serial /dev/ttyACM0")]
pub struct ProfileArgs {
    /// Program that wrote the log
    #[arg(long, value_name = "ELF", required_unless_present = "decoded")]
    elf: Option<PathBuf>,
    /// The log; `-` is standard input
    #[arg(long, value_name = "FILE", default_value = "-")]
    log: PathBuf,
    /// Serial port that a board logs to: listens until the program has ended, and keeps the bytes
    /// in the file of --log, if given
    #[arg(long, value_name = "PORT", conflicts_with = "decoded")]
    serial: Option<PathBuf>,
    /// How long to listen
    #[arg(long, value_name = "SECONDS", default_value_t = 600, requires = "serial")]
    patience: u64,
    /// The log is text already, as defmt-print or probe-rs print it without time and level
    #[arg(long, conflicts_with = "elf")]
    decoded: bool,
    /// Hertz to compute times with, instead of the clock that the log states
    #[arg(long, value_name = "HZ")]
    clock: Option<f64>,
    /// Every step too, not only the kinds of block
    #[arg(long)]
    steps: bool,
    /// Write a trace for ui.perfetto.dev
    #[arg(long, value_name = "FILE")]
    trace: Option<PathBuf>,
    /// Draw one bar per step
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
    /// An earlier `--json` document to compare with
    #[arg(long, value_name = "FILE")]
    against: Option<PathBuf>,
}

/// The JSON document.
#[derive(Serialize)]
struct Document<'a> {
    log: &'a Log,
    /// Frames of the stream that could not be understood.
    malformed: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    profile: Option<&'a Summary>,
    #[serde(skip_serializing_if = "Option::is_none")]
    changes: Option<&'a [Change]>,
}

/// Part of an earlier document that is compared with.
#[derive(Deserialize)]
struct Earlier {
    log: Log,
}

/// Runs the command.
///
/// # Errors
/// If the log cannot be read, is damaged, or is no profile although a trace, picture or comparison
/// is asked for. If the device reports an error or a failed self-test, after printing what it
/// logged.
pub fn run(args: &ProfileArgs, format: Format) -> Result<()> {
    if let Some(clock) = args.clock {
        ensure!(clock.is_finite() && clock > 0.0, "--clock {clock}: expected hertz above 0");
    }
    args.trace.iter().chain(&args.svg).try_for_each(|path| output::probe(path))?;
    let (lines, malformed) = read(args)?;
    let log = Log::parse(lines.iter().map(String::as_str)).with_context(|| format!("reading {}", source(&args.log)))?;
    // A program that gave up may have left steps without their total.
    let incomplete = log.error.is_some() && log.total.is_none();
    let summary = if log.steps.is_empty() || incomplete { None } else { Some(Summary::of(&log, args.clock)?) };
    let compared = args.against.as_deref().map(|path| changes(&earlier(path)?, &log)).transpose()?;
    if let Some(path) = &args.trace {
        output::write_file(path, serde_json::to_string(&trace::trace(&log, args.clock)?)?.as_bytes())?;
    }
    if let Some(path) = &args.svg {
        output::write_file(path, bars::draw(&log, args.clock)?.as_bytes())?;
    }
    match format {
        Format::Json => output::print_json(&Document { log: &log, malformed, profile: summary.as_ref(), changes: compared.as_deref() })?,
        Format::Text => print(args, &log, summary.as_ref(), compared.as_deref())?,
    }
    if let Some(error) = &log.error {
        bail!("the device gave up with code {}: {}", error.code, error.text);
    }
    if let Some(code) = log.end.filter(|&code| code != 0 && log.selftest.is_none()) {
        bail!("the program ended with code {code}");
    }
    if let Some(SelfTest::Fail(Fail { id, name, expected, found })) = &log.selftest {
        bail!("step {id} ({name}) has CRC {found} on the device, {expected} on the host");
    }
    Ok(())
}

fn print(args: &ProfileArgs, log: &Log, summary: Option<&Summary>, compared: Option<&[Change]>) -> Result<()> {
    log.text.iter().try_for_each(output::print_text)?;
    if let Some(run) = &log.run {
        output::print_text(headline(run))?;
        if let Some(summary) = summary {
            if args.steps {
                output::print_text(summary.step_table(run.unit))?;
            }
            output::print_text(summary.kind_table(run.unit))?;
        }
        if let Some(total) = log.total.as_ref().filter(|_| summary.is_none()) {
            let ticks = if total.ticks > 0 { format!("{} {}", grouped(total.ticks), run.unit) } else { "no time taken".to_owned() };
            output::print_text(format_args!("{ticks}, {} MACs, result {}", grouped(total.macs), total.labels_crc))?;
        }
        if args.steps && !log.spreads.is_empty() {
            output::print_text(spread_table(log, run.unit))?;
        }
        if let Some(Latency { cold, mean, deviation, least, most }) = &log.latency {
            let [cold, mean, deviation, least, most] = [cold, mean, deviation, least, most].map(|ticks| grouped(*ticks));
            let unit = run.unit;
            output::print_text(format_args!(
                "first frame (cold): {cold} {unit}; then {mean}, deviation {deviation}, {least} to {most} over {} frames",
                run.frames
            ))?;
        }
        for Framed { source, number, ticks, labels_crc, .. } in &log.frames {
            output::print_text(format_args!("frame {number} ({source}): {} {}, labels {labels_crc}", grouped(*ticks), run.unit))?;
        }
        if let Some(total) = log.total.as_ref().filter(|total| total.stack > 0) {
            output::print_text(format_args!("stack of one frame: {} bytes", grouped(total.stack as u64)))?;
        }
    }
    if let Some(SelfTest::Pass(Pass { steps })) = &log.selftest {
        let half = log.drift.as_ref().map_or_else(String::new, |drift| format!(", half precision within bounds: {}", drift_text(drift)));
        output::print_text(format_args!("self-test passed: {steps} steps as on the host{half}"))?;
    }
    for kernels in &log.conformance {
        let text = format_args!("{} {}: {} of {} cases differ from the definition", kernels.machine, kernels.isa, kernels.failures, kernels.cases);
        output::print_text(text)?;
    }
    if let Some(cases) = log.faults_passed {
        output::print_text(format_args!("{cases} faults of the flash: each ended in an error, and a frame after them was right"))?;
    }
    compared.map_or(Ok(()), |changes| output::print_text(change_table(changes)))
}

/// Steps over the frames that were measured one by one.
fn spread_table(log: &Log, unit: Unit) -> Table {
    let mut table = output::table(&["step", &format!("mean {unit}"), "deviation", "least", "most"], 1);
    for (step, spread) in log.steps.iter().zip(&log.spreads) {
        let numbers = [spread.mean, spread.deviation, spread.least, spread.most].map(grouped);
        table.add_row(std::iter::once(step.name.clone()).chain(numbers));
    }
    table
}

/// How far half precision is from the definition, in words.
fn drift_text(Drift { logits_ppm, differ, labels }: &Drift) -> String {
    let logits = match logits_ppm {
        LogitsPpm(Some(ppm)) => format!("logits {:.1e} of the largest", f64::from(*ppm) / 1e6),
        LogitsPpm(None) => "logits not compared (they are streamed)".to_owned(),
    };
    if *labels > 0 { format!("{logits}, {differ} of {labels} labels differ") } else { logits }
}

fn source(log: &Path) -> String {
    if log == Path::new("-") { "the log from standard input".to_owned() } else { log.display().to_string() }
}

/// Lines of the log, and how many frames were damaged.
fn read(args: &ProfileArgs) -> Result<(Vec<String>, usize)> {
    let mut bytes = Vec::new();
    if let (Some(port), Some(elf)) = (&args.serial, &args.elf) {
        let program = std::fs::read(elf).with_context(|| format!("reading {}", elf.display()))?;
        bytes = serial::record(port, &program, Duration::from_secs(args.patience))?;
        if args.log != Path::new("-") {
            output::write_file(&args.log, &bytes)?;
        }
    } else if args.log == Path::new("-") {
        std::io::stdin().lock().read_to_end(&mut bytes).context("reading the log from standard input")?;
    } else {
        bytes = std::fs::read(&args.log).with_context(|| format!("reading {}", args.log.display()))?;
    }
    let Some(elf) = &args.elf else {
        let text = String::from_utf8(bytes).with_context(|| format!("{} is no text: give --elf instead of --decoded", source(&args.log)))?;
        return Ok((text.lines().map(str::to_owned).collect(), 0));
    };
    let program = std::fs::read(elf).with_context(|| format!("reading {}", elf.display()))?;
    ensure!(!bytes.is_empty(), "{} is empty: the program wrote nothing", source(&args.log));
    let decoded = decode::decode(&program, &bytes).with_context(|| format!("decoding {} with {}", source(&args.log), elf.display()))?;
    if decoded.malformed > 0 {
        eprintln!("warning: {} damaged message(s) in {}: did this program write it?", decoded.malformed, source(&args.log));
    }
    if decoded.truncated {
        eprintln!("warning: {} ends inside of a message", source(&args.log));
    }
    Ok((decoded.lines, decoded.malformed))
}

fn earlier(path: &Path) -> Result<Log> {
    let text = std::fs::read(path).with_context(|| format!("reading {}", path.display()))?;
    let document: Earlier = serde_json::from_slice(&text).with_context(|| format!("{} is no document of `hrvit profile --json`", path.display()))?;
    document.log.check().with_context(|| format!("the log in {}", path.display()))?;
    Ok(document.log)
}
