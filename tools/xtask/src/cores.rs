//! `cargo xtask cores`: two cores of a microcontroller share the steps of a frame.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use hrvit_log::{Pass, SelfTest};

use crate::firmware::build::{self, Plan};
use crate::hrvit::Hrvit;
use crate::machines::{Machine, TWO_M33, machine};
use crate::qemu;
use crate::tables::grouped;

/// The machine with one core that shares steps out too, to count what a second one would save.
const ONE: &str = "m33";

/// The self-test on two cores; returns what is wrong.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or a log cannot be decoded.
pub fn check(root: &Path) -> Result<Vec<String>> {
    let (two, hrvit) = (&TWO_M33, Hrvit::build(root)?);
    qemu::install(root, &[two])?;
    let elf = program(root, two, two.features, "selftest")?;
    let ended = qemu::emulate(root, two, &elf, &[(two.image_at, &hrvit.model(&Plan::default(), two.layout)?)], false)?;
    let log = qemu::said(&hrvit, &elf, &ended)?;
    let steps = log.run.as_ref().map_or(0, |run| run.steps);
    let passed = matches!(log.selftest, Some(SelfTest::Pass(Pass { steps: compared })) if compared == steps && steps > 0) && ended.code == 0;
    // A lone core says so.
    let alone = log.text.iter().any(|line| line.contains("one core"));
    println!("two Cortex-M33: {steps} steps, exit code {}", ended.code);
    let wrong = (!passed || alone).then(|| format!("two Cortex-M33: exit code {}, {:?}, attended: {}", ended.code, log.selftest, !alone));
    Ok(wrong.into_iter().collect())
}

/// [`check`], then what a second core would save: both shares of every step on one core, counted,
/// beside the program for one.
///
/// # Errors
/// As [`check`].
pub fn run(root: &Path) -> Result<Vec<String>> {
    let wrong = check(root)?;
    let (one, hrvit) = (machine(ONE).with_context(|| format!("no machine {ONE}"))?, Hrvit::build(root)?);
    qemu::install(root, &[one])?;
    let image = hrvit.model(&Plan::default(), one.layout)?;
    let mut totals = Vec::new();
    let mut saved = 0;
    for features in [one.features, TWO_M33.features] {
        let elf = program(root, one, features, "profile")?;
        let ended = qemu::emulate(root, one, &elf, &[(one.image_at, &image)], true)?;
        let log = qemu::log(&hrvit, &elf, &ended)?;
        totals.push(log.total.as_ref().map_or(0, |total| total.ticks));
        let words = log.text.iter().find_map(|line| line.strip_prefix("one core has done the work of two: a second one would save "));
        saved = words.and_then(|words| words.split(' ').next()?.parse().ok()).unwrap_or(saved);
    }
    let [alone, shared] = totals[..] else { return Ok(wrong) };
    let both = shared - saved;
    println!(
        "instructions of a frame: {} for one core, {} shared out, of which the longer shares take {}: {:.2} times as fast, were memory no limit",
        grouped(alone),
        grouped(shared),
        grouped(both),
        alone as f64 / both as f64
    );
    Ok(wrong)
}

fn program(root: &Path, machine: &Machine, features: &'static [&'static str], name: &str) -> Result<PathBuf> {
    let plan = Plan { features, ..Plan::default() };
    let programs = build::build(root, machine.package, machine.target, &plan, Some(name))?;
    Ok(programs.into_iter().next().with_context(|| format!("{} has no program {name}", machine.package))?.elf)
}
