//! `cargo xtask qemu`: a program of the firmware on an emulated machine, from nothing to its
//! decoded log.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use hrvit_log::Log;
use serde::Deserialize;

use crate::command;
use crate::count::processors::parse_processor;
use crate::firmware::build::{self, Plan, PlanArgs, Precision, Weights, target_folder};
use crate::hrvit::{Hrvit, path_text};
use crate::install;
use crate::machines::{Machine, machine};

/// The longest that an emulated program may take.
const PATIENCE: Duration = Duration::from_secs(30 * 60);

/// Run a program of the firmware on an emulated machine
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask qemu m7
  cargo xtask qemu m55 --program profile --variant b1 --classes 19 --size 224x224 --svg profile.svg
  cargo xtask qemu a64 --program segment --model target/demo/nano.hrvit
  cargo xtask qemu a53 --precision fp16
  cargo xtask qemu m7 --precision int16x8 --size 64x96
  cargo xtask qemu m55 --precision mixed --program profile
  cargo xtask qemu m55 --ablation own_keys,no_des --size 64x64")]
pub struct QemuArgs {
    /// m55, m7, m33, a64 (max) or pi (a Raspberry Pi 3), or a64 with another processor: a53, a72,
    /// a55 or a76
    #[arg(value_name = "MACHINE", value_parser = parse_machine)]
    machine: Machine,
    /// segment, selftest, profile, conformance or faults
    #[arg(long, value_name = "NAME", default_value = "selftest")]
    program: String,
    /// Model image with a golden frame; default: one is made for the network and size
    #[arg(long, value_name = "FILE")]
    model: Option<PathBuf>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Count instructions exactly; `profile` always does
    #[arg(long)]
    icount: bool,
    /// Keep the profile as the JSON document of `hrvit profile --json`
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Handed to `hrvit profile`: every step too
    #[arg(long)]
    steps: bool,
    /// Handed to `hrvit profile`: draw one bar per step
    #[arg(long, value_name = "FILE")]
    svg: Option<PathBuf>,
}

fn parse_machine(name: &str) -> Result<Machine> {
    machine(name).map_or_else(|| parse_processor(name)?.machine(), |machine| Ok(*machine))
}

/// Builds, runs, decodes and prints; returns the program's exit code.
///
/// # Errors
/// If something is missing or does not build, the program does not end, or its log cannot be
/// decoded.
pub fn run(root: &Path, args: &QemuArgs) -> Result<u8> {
    let QemuArgs { machine, program, .. } = args;
    let weights = if program == build::FAULTS { Weights::Streamed } else { Weights::Mapped };
    let plan = Plan { weights, ..args.plan.plan() };
    let hrvit = Hrvit::build(root)?;
    let icount = args.icount || program == "profile";
    let (elf, ended) = execute(root, &hrvit, machine, program, &plan, args.model.as_deref(), icount)?;
    let elf = elf.as_path();
    let mut words = vec!["profile", "--elf", path_text(elf)?, "--log", path_text(&ended.log)?];
    if args.steps {
        words.push("--steps");
    }
    if let Some(svg) = &args.svg {
        words.extend(["--svg", path_text(svg)?]);
    }
    let printed = hrvit.command(&words).status().context("starting hrvit")?;
    if let Some(json) = &args.json {
        let document = command::succeed(&mut hrvit.command(&["profile", "--json", "--elf", path_text(elf)?, "--log", path_text(&ended.log)?]))?;
        std::fs::write(json, document).with_context(|| format!("writing {}", json.display()))?;
    }
    if ended.code == 0 {
        ensure!(printed.success(), "the program ended well, but its log in {} did not", ended.log.display());
    }
    Ok(ended.code)
}

/// Builds `program` for `plan` and runs it with `model`, or with one made for the plan; returns the
/// program and how it ended.
///
/// # Errors
/// As [`run`].
pub fn execute(root: &Path, hrvit: &Hrvit, machine: &Machine, program: &str, plan: &Plan, model: Option<&Path>, icount: bool) -> Result<(PathBuf, Ended)> {
    let model = match model {
        Some(model) => std::path::absolute(model)?,
        None => hrvit.model(plan, machine.layout)?,
    };
    let room_for = (plan.precision != Precision::Int8).then(|| model.clone());
    let plan = &Plan { room_for, ..plan.clone() };
    install(root, &[machine])?;
    let programs = build::build(root, machine.package, machine.target, plan, Some(program))?;
    let elf = programs.into_iter().next().with_context(|| format!("{} has no program {program}", machine.package))?.elf;
    let ended = emulate(root, machine, &elf, &[(machine.image_at, &model)], icount)?;
    Ok((elf, ended))
}

/// Installs what is needed to build for `machines` and to emulate them.
///
/// # Errors
/// If something is missing and cannot be installed.
pub fn install(root: &Path, machines: &[&Machine]) -> Result<()> {
    let targets: Vec<&str> = machines.iter().map(|machine| machine.target).collect();
    install::targets(root, &targets)?;
    install::programs(&[("qemu-system-arm", "qemu-system-arm"), ("qemu-system-aarch64", "qemu-system-arm")])
}

/// How an emulated program ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit code.
    pub code: u8,
    /// The file with what it logged.
    pub log: PathBuf,
}

/// Runs so far. Two of one program on one machine may overlap: each has a log of its own.
static RUNS: AtomicUsize = AtomicUsize::new(0);

/// Runs `elf` on `machine`, whose memory holds every one of `images` at its address.
///
/// # Errors
/// If QEMU cannot be started or the program does not end in half an hour.
pub fn emulate(root: &Path, machine: &Machine, elf: &Path, images: &[(u32, &Path)], icount: bool) -> Result<Ended> {
    emulate_with(root, machine, elf, images, icount, &[])
}

/// [`emulate`] with further arguments for QEMU.
///
/// # Errors
/// As [`emulate`].
pub fn emulate_with(root: &Path, machine: &Machine, elf: &Path, images: &[(u32, &Path)], icount: bool, more: &[&str]) -> Result<Ended> {
    let folder = target_folder(root).join("qemu");
    std::fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let program = elf.file_name().context("a program has a name")?.to_string_lossy();
    let run = RUNS.fetch_add(1, Ordering::Relaxed);
    let log = folder.join(format!("{}-{program}-{run}.defmt", machine.name));
    let (name, arguments) = machine.emulator.split_first().context("a machine has an emulator")?;
    let mut qemu = Command::new(name);
    qemu.args(arguments).arg("-kernel").arg(elf);
    qemu.args(["-nic", "none", "-display", "none", "-monitor", "none", "-serial", "none", "-semihosting-config", "enable=on,target=native"]);
    for (address, image) in images {
        ensure!(image.is_file(), "no model image {}", image.display());
        qemu.arg("-device").arg(format!("loader,file={},addr={address:#x},force-raw=on", path_text(image)?));
    }
    qemu.args(more);
    if icount {
        qemu.arg("-icount").arg(format!("shift={}", machine.icount));
    }
    eprintln!("running {program} on {}", machine.emulator.join(" "));
    let file = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
    let mut child = qemu.stdin(Stdio::null()).stdout(file).spawn().with_context(|| format!("starting {name}"))?;
    let start = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for QEMU")? {
            break status;
        }
        if start.elapsed() > PATIENCE {
            child.kill().context("ending QEMU")?;
            child.wait().context("ending QEMU")?;
            bail!("{program} on {} did not end in {} minutes", machine.name, PATIENCE.as_secs() / 60);
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    let code = status.code().with_context(|| format!("QEMU was ended by a signal: {status}"))?;
    Ok(Ended { code: u8::try_from(code).with_context(|| format!("exit code {code}"))?, log })
}

/// The part of the document of `hrvit profile --json` that is the log.
#[derive(Deserialize)]
struct Document {
    log: Log,
}

/// Log of a program, as `hrvit profile --json` says it, however it ended.
///
/// # Errors
/// If the log cannot be decoded.
pub fn said(hrvit: &Hrvit, elf: &Path, ended: &Ended) -> Result<Log> {
    let mut decode = hrvit.command(&["profile", "--json", "--elf", path_text(elf)?, "--log", path_text(&ended.log)?]);
    let output = command::output(&mut decode)?;
    let text = String::from_utf8_lossy(&output.stderr);
    let document: Document = serde_json::from_slice(&output.stdout).with_context(|| format!("$ {}\n{}", command::line(&decode), text.trim_end()))?;
    Ok(document.log)
}

/// The log in what `hrvit profile --json` printed.
///
/// # Errors
/// If there is none.
pub fn log_of(document: &str) -> Result<Log> {
    let document: Document = serde_json::from_str(document).context("hrvit profile --json prints a log")?;
    Ok(document.log)
}

/// Log of a program, as `hrvit profile --json` says it.
///
/// # Errors
/// If the log cannot be decoded, or says that the program failed.
pub fn log(hrvit: &Hrvit, elf: &Path, ended: &Ended) -> Result<Log> {
    let mut decode = hrvit.command(&["profile", "--json", "--elf", path_text(elf)?, "--log", path_text(&ended.log)?]);
    let log = log_of(&command::succeed(&mut decode)?)?;
    ensure!(ended.code == 0, "{} ended with code {}", elf.display(), ended.code);
    Ok(log)
}
