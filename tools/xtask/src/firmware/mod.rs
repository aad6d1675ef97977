//! `cargo xtask firmware`: builds the programs for machines and boards and shows what they take;
//! fails where they take too much or could panic.

pub mod build;
pub mod elf;
mod owner;
pub mod panics;
pub mod sizes;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Result, ensure};
use comfy_table::Table;
use hrvit_log::{Pass, SelfTest};

use crate::hrvit::Hrvit;
use crate::machines::{Board, MACHINES, Machine, boards};
use crate::overlap::overlapped;
use crate::tables::{grouped, table};
use crate::{faults, install, qemu};
use build::{Plan, Program};
use elf::Elf;
use owner::Owner;
use sizes::{RUNTIME_GOAL, RUNTIME_LIMIT, Sizes};

/// Analysis of one program.
struct Analysis {
    /// Package and program.
    name: String,
    sizes: Sizes,
    ways: Vec<panics::Way>,
    microcontroller: bool,
}

/// Builds the programs of every emulated machine and checks the boards' programs (`everything`:
/// builds them). Prints their sizes. Runs the self-tests and the cases that must fail. Returns what
/// is wrong.
///
/// # Errors
/// If something needed is missing and cannot be installed, a program does not build, or an ELF
/// cannot be read.
pub fn run(root: &Path, everything: bool) -> Result<Vec<String>> {
    let boards = boards(root)?;
    qemu::install(root, &MACHINES.iter().collect::<Vec<_>>())?;
    install::targets(root, &boards.iter().map(|board| board.target.as_str()).collect::<Vec<_>>())?;
    let (mut analyses, mut selftests, mut kernel_tests) = (Vec::new(), Vec::new(), Vec::new());
    for machine in &MACHINES {
        eprintln!("building {}", machine.package);
        for program in build::build(root, machine.package, machine.target, &Plan::default(), None)? {
            analyses.push(analyse(machine.package, &program, machine.microcontroller)?);
            if program.name == "selftest" {
                selftests.push((machine, program.elf));
            }
        }
        // A test may panic and be as large as it likes: it is not analysed. Kernels of larger
        // machines are compared under Linux.
        if machine.microcontroller {
            for program in build::build(root, machine.package, machine.target, &Plan::default(), Some(build::CONFORMANCE))? {
                kernel_tests.push((machine, program.elf));
            }
        }
    }
    for Board { package, target } in &boards {
        eprintln!("{} {package}", if everything { "building" } else { "checking" });
        if everything {
            for program in build::build(root, package, target, &Plan::default(), None)? {
                analyses.push(analyse(package, &program, true)?);
            }
        } else {
            build::check(root, package, target)?;
        }
    }
    println!("{}\n{}", memory_table(&analyses), share_table(&analyses));
    let largest = analyses.iter().filter(|analysis| analysis.microcontroller).map(|analysis| analysis.sizes.runtime()).max().unwrap_or(0);
    if largest > RUNTIME_GOAL {
        println!("the runtime takes up to {} bytes on microcontrollers; the goal is {}", grouped(largest), grouped(RUNTIME_GOAL));
    }
    let elsewhere = ways_to_a_panic(&analyses, false);
    if !elsewhere.is_empty() {
        println!("64-bit machines, where a panic ends the program with an exit code, have {} ways to one:\n{}", elsewhere.len(), elsewhere.join("\n"));
    }
    let mut complaints = complaints(&analyses);
    ensure!(selftests.len() == MACHINES.len(), "expected a program selftest on every machine, found {}", selftests.len());
    let hrvit = Hrvit::build(root)?;
    let packed = |(machine, elf): (&'static Machine, PathBuf)| Ok((machine, elf, hrvit.model(&Plan::default(), machine.layout)?));
    complaints.extend(overlapped(selftests, packed, |(machine, elf, model)| self_test(root, machine, &elf, &hrvit, &model))?.concat());
    complaints.extend(overlapped(kernel_tests, Ok, |(machine, elf)| kernel_test(root, machine, &elf, &hrvit))?.concat());
    complaints.extend(faults::check(root, &hrvit)?);
    Ok(complaints)
}

/// Compares the kernels of a machine's processor with their definition; returns what is wrong.
fn kernel_test(root: &Path, machine: &Machine, elf: &Path, hrvit: &Hrvit) -> Result<Vec<String>> {
    let ended = qemu::emulate(root, machine, elf, &[], false)?;
    let log = match qemu::log(hrvit, elf, &ended) {
        Ok(log) => log,
        Err(error) => return Ok(vec![format!("{}: kernels: {error:#}", machine.package)]),
    };
    let of_each = &log.conformance;
    for kernels in of_each {
        println!("{}: {} cases of the {} kernels equal their definition", machine.package, kernels.cases, kernels.isa);
    }
    let tried = |isa: &str| of_each.iter().any(|kernels| kernels.isa == isa && kernels.cases > 0);
    let fine = machine.isas.iter().all(|isa| tried(isa)) && of_each.iter().all(|kernels| kernels.failures == 0);
    let expected = machine.isas.join(", ");
    Ok(if fine {
        Vec::new()
    } else {
        let said: Vec<String> = of_each.iter().map(ToString::to_string).collect();
        vec![format!("{}: expected cases of the kernels {expected} without a failure, the log says {said:?}", machine.package)]
    })
}

/// Runs a machine's self-test; returns what is wrong.
fn self_test(root: &Path, machine: &Machine, elf: &Path, hrvit: &Hrvit, model: &Path) -> Result<Vec<String>> {
    let ended = qemu::emulate(root, machine, elf, &[(machine.image_at, model)], false)?;
    let log = match qemu::log(hrvit, elf, &ended) {
        Ok(log) => log,
        Err(error) => return Ok(vec![format!("{}: self-test: {error:#}", machine.package)]),
    };
    let Some(SelfTest::Pass(Pass { steps })) = log.selftest else {
        return Ok(vec![format!("{}: the self-test says neither PASS nor FAIL", machine.package)]);
    };
    let stack = log.total.map_or(0, |total| total.stack as u64);
    println!("{}: self-test passed, {steps} steps as on the host; stack of one frame {} bytes", machine.package, grouped(stack));
    let wrong = match stack {
        0 => Some("did not measure its stack".to_owned()),
        _ if stack > machine.stack_bound => Some(format!("one frame took {stack} bytes of stack, more than {}", machine.stack_bound)),
        _ => None,
    };
    Ok(wrong.map(|text| format!("{}: {text}", machine.package)).into_iter().collect())
}

fn analyse(package: &str, program: &Program, microcontroller: bool) -> Result<Analysis> {
    let elf = Elf::read(&program.elf)?;
    Ok(Analysis { name: format!("{package} {}", program.name), sizes: Sizes::of(&elf), ways: panics::ways(&elf), microcontroller })
}

/// Ways to a panic, each with the programs that it is in; those of microcontrollers, or those of
/// larger machines.
fn ways_to_a_panic(analyses: &[Analysis], microcontroller: bool) -> Vec<String> {
    let mut ways: BTreeMap<String, Vec<&str>> = BTreeMap::new();
    for analysis in analyses.iter().filter(|analysis| analysis.microcontroller == microcontroller) {
        for way in &analysis.ways {
            ways.entry(format!("{} reaches {}", way.from, way.through.join(" -> "))).or_default().push(&analysis.name);
        }
    }
    ways.into_iter().map(|(way, programs)| format!("{way} ({})", programs.join(", "))).collect()
}

/// Microcontrollers' programs that have become too large or that can panic.
fn complaints(analyses: &[Analysis]) -> Vec<String> {
    let too_large = analyses.iter().filter(|analysis| analysis.microcontroller && analysis.sizes.runtime() > RUNTIME_LIMIT);
    let mut complaints: Vec<String> = too_large
        .map(|analysis| format!("{}: the runtime's own code and constants take {} bytes, more than {RUNTIME_LIMIT}", analysis.name, analysis.sizes.runtime()))
        .collect();
    complaints.extend(ways_to_a_panic(analyses, true));
    complaints
}

fn memory_table(analyses: &[Analysis]) -> Table {
    let mut table = table(&["program", "text", "data", "bss", "arena", "model", "stack room", "runtime", "ways to a panic"]);
    for Analysis { name, sizes, ways, .. } in analyses {
        let stack = sizes.stack_room.map_or_else(|| "?".to_owned(), grouped);
        let numbers = [sizes.text, sizes.data, sizes.bss, sizes.arena, sizes.model].map(grouped);
        table.add_row([vec![name.clone()], numbers.to_vec(), vec![stack, grouped(sizes.runtime()), ways.len().to_string()]].concat());
    }
    table
}

/// Code and constants of every crate in every program.
fn share_table(analyses: &[Analysis]) -> Table {
    let mut owners: Vec<&Owner> = analyses.iter().flat_map(|analysis| analysis.sizes.shares.keys()).collect();
    owners.sort_unstable();
    owners.dedup();
    let mut header = vec!["code + constants of"];
    header.extend(analyses.iter().map(|analysis| analysis.name.as_str()));
    let mut table = table(&header);
    for owner in owners {
        let cells = analyses.iter().map(|analysis| {
            let share = analysis.sizes.shares.get(owner).copied().unwrap_or_default();
            format!("{} + {}", grouped(share.code), grouped(share.constants))
        });
        table.add_row(std::iter::once(owner.to_string()).chain(cells));
    }
    table
}
