//! `cargo xtask parity`: one frame, the same bytes after every step, on the host and on every
//! emulated machine, in 8 bits and with 16-bit activations; so too of networks that go without a
//! technique. In half precision results stay within bounds.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use hrvit_log::{Log, Pass, SelfTest};

use crate::drift::{self, Extent};
use crate::firmware::build::{self, Plan, Precision, target_folder};
use crate::hrvit::{Hrvit, path_text};
use crate::isa::{LINUX, PROCESSORS, Processor};
use crate::machines::{MACHINES, Machine, PI};
use crate::overlap::overlapped;
use crate::tables::table;
use crate::{command, install, qemu};

/// CRCs of every step and of the result, somewhere.
struct Column {
    place: String,
    /// Name and CRC of every step.
    steps: Vec<(String, u32)>,
    result: u32,
}

/// Runs the golden frame of the nano network for 192x256 everywhere and prints one table. Then runs
/// it with 16-bit activations and in half precision, on smaller frames unless `extent` says all.
/// Returns what differs.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or a program fails.
pub fn run(root: &Path, extent: Extent) -> Result<Vec<String>> {
    let machines: Vec<_> = MACHINES.iter().collect();
    qemu::install(root, &machines)?;
    install::targets(root, &[LINUX])?;
    install::programs(&[("qemu-aarch64", "qemu-user")])?;
    let hrvit = Hrvit::build(root)?;
    let model = hrvit.model(&Plan::default(), "rows")?;
    let mut columns = Vec::new();
    let native = golden(root, None)?;
    for isa in ["scalar", "fastest"] {
        columns.push(run_golden(&hrvit, &mut Command::new(&native), &format!("host {isa}"), &model, isa)?);
    }
    let foreign = golden(root, Some(LINUX))?;
    for Processor { name: processor, .. } in PROCESSORS {
        let mut emulator = Command::new("qemu-aarch64");
        emulator.args(["-cpu", processor]).arg(&foreign);
        columns.push(run_golden(&hrvit, &mut emulator, processor, &model, "fastest")?);
    }
    let built = |machine: &'static Machine| {
        let programs = build::build(root, machine.package, machine.target, &Plan::default(), Some("profile"))?;
        let program = programs.into_iter().next().with_context(|| format!("{} has no program profile", machine.package))?;
        Ok((machine, program.elf, hrvit.model(&Plan::default(), machine.layout)?))
    };
    columns.extend(overlapped(machines.iter().copied().chain([&PI]), built, |(machine, elf, packed)| {
        let ended = qemu::emulate(root, machine, &elf, &[(machine.image_at, &packed)], false)?;
        column(machine.package, &qemu::log(&hrvit, &elf, &ended)?)
    })?);
    let mut differences = compare(&columns);
    differences.extend(in_16_bits(root, &hrvit, &machines, extent)?);
    differences.extend(without_techniques(root, &hrvit)?);
    differences.extend(drift::run(root, &hrvit, extent)?);
    Ok(differences)
}

/// Runs the self-tests of an image with 16-bit activations. Returns where a step differs.
fn in_16_bits(root: &Path, hrvit: &Hrvit, machines: &[&'static Machine], extent: Extent) -> Result<Vec<String>> {
    let size = if extent == Extent::Full { "192x256" } else { "64x96" };
    let plan = Plan { size: Some(size.to_owned()), precision: Precision::Int16x8, ..Plan::default() };
    self_tests(root, hrvit, machines, (&plan, &plan), &format!("int16x8 at {size}"))
}

/// Techniques that networks go without, the largest arena first, and the machines that run them.
const WITHOUT: [&str; 2] = ["own_keys", "no_des"];
const WITHOUT_ON: [&str; 3] = ["m55", "m7", "a64"];

/// [`run`], of networks that go without a technique alone.
///
/// # Errors
/// As [`run`].
pub fn ablations(root: &Path) -> Result<Vec<String>> {
    qemu::install(root, &MACHINES.iter().collect::<Vec<_>>())?;
    without_techniques(root, &Hrvit::build(root)?)
}

/// The same for networks that go without a technique, in 8 bits: one program for all of them.
fn without_techniques(root: &Path, hrvit: &Hrvit) -> Result<Vec<String>> {
    let machines: Vec<_> = MACHINES.iter().filter(|machine| WITHOUT_ON.contains(&machine.name)).collect();
    let plans = WITHOUT.map(|names| Plan { size: Some("64x64".to_owned()), ablation: Some(names.to_owned()), ..Plan::default() });
    let [program, _] = &plans;
    let differences = WITHOUT.iter().zip(&plans).map(|(names, plan)| self_tests(root, hrvit, &machines, (program, plan), &format!("{names} at 64x64")));
    Ok(differences.collect::<Result<Vec<_>>>()?.concat())
}

/// Runs the self-tests of one network by the definition on the host and on `machines`, in a program
/// that is planned for `program`. The image's CRCs come from the host's fastest kernels. Returns
/// where a step differs.
fn self_tests(root: &Path, hrvit: &Hrvit, machines: &[&'static Machine], (program, plan): (&Plan, &Plan), title: &str) -> Result<Vec<String>> {
    let rows = hrvit.model(plan, "rows")?;
    let inspected = command::output(hrvit.command(&["inspect", path_text(&rows)?]).env("HRVIT_ISA", "scalar"))?;
    let complaint = String::from_utf8_lossy(&inspected.stderr).trim_end().to_owned();
    let mut differences: Vec<String> = (!inspected.status.success()).then(|| format!("{title}, host scalar: {complaint}")).into_iter().collect();
    let built = |machine: &&'static Machine| {
        let programs = build::build(root, machine.package, machine.target, program, Some("selftest"))?;
        let program = programs.into_iter().next().with_context(|| format!("{} has no program selftest", machine.package))?;
        Ok((*machine, program.elf, hrvit.model(plan, machine.layout)?))
    };
    let ended = overlapped(machines, built, |(machine, elf, model)| {
        let ended = qemu::emulate(root, machine, &elf, &[(machine.image_at, &model)], false)?;
        Ok((machine.package, equal_steps(&qemu::said(hrvit, &elf, &ended)?, ended.code)))
    })?;
    for (package, steps) in ended {
        match steps {
            Ok(steps) => println!("{title}: {package} has the host's bytes after all {steps} steps"),
            Err(wrong) => differences.push(format!("{title}, {package}: {wrong}")),
        }
    }
    Ok(differences)
}

/// How many steps a self-test found equal to the host's: all, or what is wrong.
fn equal_steps(log: &Log, code: u8) -> Result<usize, String> {
    let all = log.run.as_ref().map_or(0, |run| run.steps);
    match &log.selftest {
        _ if code != 0 => Err(log.error.as_ref().map_or_else(|| format!("exit code {code}"), |error| error.text.clone())),
        Some(SelfTest::Pass(Pass { steps })) if *steps == all && all > 0 => Ok(all),
        Some(SelfTest::Pass(Pass { steps })) => Err(format!("{steps} of {all} steps were compared")),
        _ => Err("the self-test says neither PASS nor FAIL".to_owned()),
    }
}

/// Builds the example `golden` for `target`, or for the host.
///
/// # Errors
/// If it does not build.
pub fn golden(root: &Path, target: Option<&str>) -> Result<PathBuf> {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["build", "--release", "--locked", "--package", "hrvit-core", "--features", "std", "--example", "golden"]);
    if let Some(target) = target {
        // Static, and linked without a foreign C compiler.
        cargo.args(["--target", target, "--config", &format!("target.{target}.linker=\"rust-lld\"")]);
    }
    command::succeed(&mut cargo)?;
    let folder = target_folder(root);
    Ok(target.map_or_else(|| folder.clone(), |target| folder.join(target)).join("release/examples/golden"))
}

fn run_golden(hrvit: &Hrvit, program: &mut Command, place: &str, model: &Path, isa: &str) -> Result<Column> {
    eprintln!("running {place}");
    let printed = command::succeed(program.arg(model).arg(isa))?;
    let file = model.with_extension("log");
    std::fs::write(&file, printed).with_context(|| format!("writing {}", file.display()))?;
    let document = command::succeed(&mut hrvit.command(&["profile", "--json", "--decoded", "--log", path_text(&file)?]))?;
    let log = qemu::log_of(&document)?;
    let isa = log.run.as_ref().map_or("?", |run| run.machine.as_str());
    column(&format!("{place} ({isa})"), &log)
}

/// The instruction set and the CRC of the result of the example `golden` with the fastest kernels.
///
/// # Errors
/// If it fails, or its log cannot be read.
pub fn golden_result(hrvit: &Hrvit, program: &mut Command, place: &str, model: &Path) -> Result<(String, u32)> {
    let column = run_golden(hrvit, program, place, model, "fastest")?;
    let isa = column.place.rsplit_once('(').map_or("", |(_, isa)| isa.trim_end_matches(')'));
    Ok((isa.to_owned(), column.result))
}

/// The CRCs in a log.
fn column(place: &str, log: &Log) -> Result<Column> {
    let steps: Vec<(String, u32)> = log.steps.iter().map(|step| (step.name.clone(), step.crc.0)).collect();
    ensure!(!steps.is_empty(), "{place}: its log has no steps");
    let total = log.total.with_context(|| format!("{place}: its log has no total"))?;
    Ok(Column { place: place.to_owned(), steps, result: total.labels_crc.0 })
}

/// Prints the table; returns where a column differs from the first.
fn compare(columns: &[Column]) -> Vec<String> {
    let mut header = vec!["step"];
    header.extend(columns.iter().map(|column| column.place.as_str()));
    let mut table = table(&header);
    let mut differences = Vec::new();
    let Some(host) = columns.first() else { return vec!["nothing was run".to_owned()] };
    let mut row = |name: &str, crc: &dyn Fn(&Column) -> Option<u32>| {
        let expected = crc(host);
        let cell = |column: &Column| match crc(column) {
            Some(found) if Some(found) == expected => format!("{found:08x}"),
            Some(found) => format!("{found:08x} !"),
            None => "missing".to_owned(),
        };
        table.add_row(std::iter::once(name.to_owned()).chain(columns.iter().map(cell)));
        let differing = columns.iter().filter(|column| crc(column) != expected);
        differences.extend(differing.map(|column| format!("{name}: {} differs from {}", column.place, host.place)));
    };
    for (at, (name, _)) in host.steps.iter().enumerate() {
        row(name, &|column| column.steps.get(at).filter(|(found, _)| found == name).map(|(_, crc)| *crc));
    }
    row("result", &|column| Some(column.result));
    for column in columns.iter().filter(|column| column.steps.len() != host.steps.len()) {
        differences.push(format!("{}: {} steps, {} on {}", column.place, column.steps.len(), host.steps.len(), host.place));
    }
    println!("{table}");
    differences
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(place: &str, crcs: &[u32], result: u32) -> Column {
        Column { place: place.to_owned(), steps: crcs.iter().enumerate().map(|(at, &crc)| (format!("step {at}"), crc)).collect(), result }
    }

    #[test]
    fn equal_columns_have_no_differences() {
        assert_eq!(compare(&[of("host", &[1, 2], 3), of("m7", &[1, 2], 3)]), [] as [String; 0]);
    }

    #[test]
    fn every_other_crc_and_every_missing_step_is_named() {
        let differences = compare(&[of("host", &[1, 2], 3), of("m7", &[1, 9], 3), of("m55", &[1], 4)]);
        assert_eq!(differences, ["step 1: m7 differs from host", "step 1: m55 differs from host", "result: m55 differs from host", "m55: 1 steps, 2 on host"]);
    }

    #[test]
    fn a_self_test_that_compared_fewer_steps_is_no_parity() {
        use hrvit_log::{Run, Size};
        let run = |steps| Run {
            machine: "m7".to_owned(),
            unit: hrvit_log::Unit::Ticks,
            clock_hz: 1,
            network: "nano".to_owned(),
            size: Size { height: 64, width: 96 },
            steps,
            frames: 1,
            arena: 1,
            weights: "mapped".to_owned(),
            probe: 0,
        };
        let log = |steps, passed| Log { run: Some(run(steps)), selftest: Some(SelfTest::Pass(Pass { steps: passed })), ..Log::default() };
        assert_eq!(equal_steps(&log(102, 102), 0), Ok(102));
        assert!(equal_steps(&log(102, 9), 0).unwrap_err().contains("9 of 102"));
        assert_eq!(equal_steps(&log(102, 102), 10), Err("exit code 10".to_owned()));
        assert!(equal_steps(&Log::default(), 0).is_err());
    }
}
