//! `cargo xtask count`: how many instructions every step takes on emulated ARM processors, and
//! whether that has become more.

mod excused;
pub mod processors;
mod table;

use std::path::Path;

use anyhow::{Context, Result, ensure};
use clap::Args;

use crate::firmware::build::{self, Plan, PlanArgs};
use crate::hrvit::Hrvit;
use crate::machines::MACHINES;
use crate::overlap::overlapped;
use crate::qemu;
use crate::tables::{grouped, table as rows};
use processors::{PI, PROCESSORS, Processor, parse_processor};
pub use table::{Counts, Stored};

/// Count the instructions of every step on emulated processors: m55, m7, m33, a53, a72 (no dot
/// products), a55, a76 (dot products), max (matrix multiplication), pi (Raspberry Pi 3)
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask count                           # compare nano 192x256 on all processors with tests/data/counts
  cargo xtask count m55 --steps
  cargo xtask count m55 max --variant b1 --classes 19 --size 224x224
  cargo xtask count --bless                   # after a change that is meant to cost what it costs")]
pub struct CountArgs {
    /// Processors [default: all]
    #[arg(value_name = "PROCESSOR", value_parser = parse_processor)]
    processors: Vec<&'static Processor>,
    #[command(flatten)]
    plan: PlanArgs,
    /// Every step too, not only the kinds of block
    #[arg(long)]
    steps: bool,
    /// Write what is counted to tests/data/counts, which later counts are compared with
    #[arg(long, conflicts_with = "PlanArgs")]
    bless: bool,
}

/// Counts and prints. Without another network, size or `--bless`, compares with the stored counts
/// and returns what has become worse.
///
/// # Errors
/// If something is missing or does not build, or a program fails.
pub fn run(root: &Path, args: &CountArgs) -> Result<Vec<String>> {
    let measured = measure(root, &Hrvit::build(root)?, &args.processors, &args.plan.plan())?;
    for counts in &measured {
        show(counts, args.steps);
    }
    let excess = excused::check(&measured);
    if args.bless {
        ensure!(excess.is_empty(), "more than is excused is not stored:\n{}", excess.join("\n"));
        bless(root, &measured)?;
    } else if args.plan.is_default() {
        return Ok([excess, Stored::read(root)?.compare(&measured)].concat());
    }
    Ok(Vec::new())
}

/// Counts the nano network everywhere and returns what has become worse.
///
/// # Errors
/// As [`run`].
pub fn check(root: &Path) -> Result<Vec<String>> {
    let measured = measure(root, &Hrvit::build(root)?, &[], &Plan::default())?;
    Ok([excused::check(&measured), Stored::read(root)?.compare(&measured)].concat())
}

/// Stores what was counted; other processors' counts stay.
///
/// # Errors
/// If the stored counts cannot be read or written.
pub fn bless(root: &Path, measured: &[Counts]) -> Result<()> {
    let mut stored = if Stored::path(root).is_file() { Stored::read(root)? } else { Stored::default() };
    measured.iter().for_each(|counts| stored.put(counts));
    stored.write(root)
}

/// Builds, and runs on `processors`; on all, if there are none.
///
/// # Errors
/// As [`run`].
pub fn measure(root: &Path, hrvit: &Hrvit, processors: &[&Processor], plan: &Plan) -> Result<Vec<Counts>> {
    qemu::install(root, &MACHINES.iter().collect::<Vec<_>>())?;
    let all: Vec<&Processor> = PROCESSORS.iter().chain([&PI]).collect();
    let built = |processor: &&Processor| {
        let machine = processor.machine()?;
        let model = hrvit.model(plan, machine.layout)?;
        let programs = build::build(root, machine.package, machine.target, plan, Some("profile"))?;
        let elf = programs.into_iter().next().with_context(|| format!("{} has no program profile", machine.package))?.elf;
        Ok((machine, model, elf))
    };
    overlapped(if processors.is_empty() { &all } else { processors }, built, |(machine, model, elf)| {
        let ended = qemu::emulate(root, &machine, &elf, &[(machine.image_at, &model)], true)?;
        Counts::read(hrvit, machine.name, &elf, &ended.log)
    })
}

/// Prints the kinds of block and, if wanted, the steps.
fn show(counts: &Counts, steps: bool) {
    println!("{}: {} {}, executed instructions of one frame", counts.processor, counts.run.network, counts.run.size);
    let mut table = rows(&["", "steps", "instructions", "share", "MACs", "MACs per instruction"]);
    let profile = &counts.document["profile"];
    let of = |key: &str| profile[key].as_array().map(Vec::as_slice).unwrap_or_default();
    let shown = if steps { of("steps") } else { &[] };
    for cost in shown.iter().chain(of("kinds")).chain([&profile["frame"]]) {
        let number = |key: &str| cost[key].as_f64().unwrap_or(0.0);
        let rate = cost["macs_per_tick"].as_f64().map_or_else(String::new, |rate| format!("{rate:.3}"));
        table.add_row([
            cost["name"].as_str().unwrap_or("?").to_owned(),
            number("steps").to_string(),
            grouped(number("ticks").round() as u64),
            format!("{:.1} %", 100.0 * number("share")),
            grouped(number("macs") as u64),
            rate,
        ]);
    }
    println!("{table}");
}
