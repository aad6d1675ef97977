//! Every instruction set that Linux programs have kernels for, against the definition: on this
//! processor, and on AArch64 processors that QEMU emulates.
//!
//! Cortex-M instruction sets are compared by the firmware's program `conformance`. Instruction sets
//! of the emulated processors are required there. A set that this processor lacks is reported as
//! skipped. It is a failure if the environment variable `REQUIRE_ISA` names it
//! (`REQUIRE_ISA=avx2 cargo xtask test`).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::made::Made;
use crate::tables::grouped;
use crate::{command, install};

/// The environment variable with the names, separated by commas, of instruction sets that may not
/// be skipped. The tests of `hrvit-kernels` read it too.
pub const REQUIRE: &str = "REQUIRE_ISA";

/// Instruction sets that emulated machines run: Cortex-M ones in the firmware's conformance
/// program, the others here.
const EMULATED: [&str; 6] = ["scalar", "dsp", "mve", "neon", "neon_dotprod", "neon_i8mm"];

/// Compiler target of the program for Linux.
pub const LINUX: &str = "aarch64-unknown-linux-musl";

/// A processor that QEMU emulates for a Linux program.
pub struct Processor {
    /// QEMU's name for it.
    pub name: &'static str,
    /// The instruction sets that it has.
    has: &'static [&'static str],
    /// Whether it executes in order, so that its kernels have other loops.
    in_order: bool,
}

/// Every one: without dot products, with them, with matrix multiplication too. The second is a
/// Cortex-A55 but for its name: QEMU has none, and kernels ask the identification register.
pub const PROCESSORS: [Processor; 4] = [
    Processor { name: "cortex-a53", has: &["scalar", "neon"], in_order: true },
    Processor { name: "cortex-a76,midr=0x412fd050", has: &["scalar", "neon", "neon_dotprod"], in_order: true },
    Processor { name: "cortex-a76", has: &["scalar", "neon", "neon_dotprod"], in_order: false },
    Processor { name: "max", has: &["scalar", "neon", "neon_dotprod", "neon_i8mm"], in_order: false },
];

/// Runs the tests of `hrvit-kernels` on every processor.
///
/// # Errors
/// If a test fails, an emulated processor's instruction set was not run, or one that `REQUIRE_ISA`
/// names cannot run on this machine.
pub fn run(root: &Path) -> Result<Made> {
    install::targets(root, &[LINUX])?;
    install::programs(&[("qemu-aarch64", "qemu-user")])?;
    let mut host = cargo(root);
    // The test as `cargo test --workspace` has built it.
    host.args(["--workspace", "--test", "conformance"]).env(REQUIRE, of_host());
    let printed = command::succeed(host.args(["--", "--nocapture"]))?;
    ran("this processor", &printed)?;
    let skipped = skipped(&printed);
    for Processor { name: processor, has, in_order } in PROCESSORS {
        let test = |features: &str, tests: &[&str], only: &[&str]| {
            let mut emulated = cargo(root);
            emulated.args(["--package", "hrvit-kernels", "--features", features, "--target", LINUX]).args(tests);
            // Static, and linked without a foreign C compiler.
            emulated.arg("--config").arg(format!("target.{LINUX}.linker=\"rust-lld\""));
            emulated.arg("--config").arg(format!("target.{LINUX}.runner=[\"qemu-aarch64\", \"-cpu\", \"{processor}\"]"));
            command::succeed(emulated.env(REQUIRE, has.join(",")).env("REQUIRE_IN_ORDER", in_order.to_string()).args(["--", "--nocapture"]).args(only))
        };
        let there = ran(processor, &test("std,fp16,int16x8,orders", &["--lib", "--tests"], &[])?)?;
        // Without the standard library Linux is asked too.
        test("fp16,int16x8", &["--test", "conformance"], &["required_"])?;
        ensure!(has.iter().all(|isa| there.contains(*isa)), "{processor} has the kernels {}, compared were {there:?}", has.join(", "));
    }
    Ok(if skipped.is_empty() { Made::All } else { Made::Part(skipped) })
}

/// Part of the required that a test on this processor is to require: the rest runs on emulated
/// machines, which fail where they lack it.
pub fn of_host() -> String {
    without_emulated(&std::env::var(REQUIRE).unwrap_or_default())
}

fn without_emulated(names: &str) -> String {
    names.split(',').filter(|name| !EMULATED.contains(name)).collect::<Vec<_>>().join(",")
}

/// Cases that the conformance test `printed` as skipped, but for those that emulated machines run.
fn skipped(printed: &str) -> Vec<String> {
    let lines = printed.lines().filter_map(|line| line.strip_prefix("conformance ")?.split_once(": SKIPPED, "));
    lines.filter(|(isa, _)| !EMULATED.contains(isa)).map(|(isa, reason)| format!("{isa}: {reason}")).collect()
}

fn cargo(root: &Path) -> Command {
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["test", "--locked", "--release", "--quiet"]);
    cargo
}

/// Instruction sets in what the conformance test `printed`; shows how much each was tried.
fn ran(place: &str, printed: &str) -> Result<BTreeSet<String>> {
    let mut ran = BTreeSet::new();
    for line in printed.lines() {
        let Some((isa, cases)) = line.strip_prefix("conformance ").and_then(|rest| rest.strip_suffix(" cases")?.split_once(": ")) else { continue };
        let cases: u64 = cases.parse().with_context(|| format!("{place}: the line {line}"))?;
        ensure!(cases > 0, "{place}: no case of the {isa} kernels was tried");
        println!("{place}: {} cases of the {isa} kernels equal their definition", grouped(cases));
        ran.insert(isa.to_owned());
    }
    ensure!(ran.contains("scalar"), "{place}: the conformance test did not say what it compared");
    Ok(ran)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_test_prints_is_read() {
        let names = ran("here", "running 4 tests\nconformance scalar: 10 cases\n.conformance x\nconformance avx2: 20 cases\n....\n").unwrap();
        assert_eq!(names, BTreeSet::from(["avx2".to_owned(), "scalar".to_owned()]));
        assert!(ran("here", "....\n").is_err() && ran("here", "conformance scalar: 0 cases\n").is_err());
    }

    #[test]
    fn what_this_processor_lacks_is_named_unless_an_emulated_one_has_it() {
        let printed = "conformance scalar: 10 cases\nconformance mve: SKIPPED, not built\nconformance avx2: SKIPPED, this processor does not have avx2\n";
        assert_eq!(skipped(printed), ["avx2: this processor does not have avx2"]);
        assert_eq!(skipped("conformance avx2: 10 cases\n"), [] as [String; 0]);
    }

    #[test]
    fn what_emulated_processors_have_is_not_required_of_this_one() {
        assert_eq!(without_emulated("mve,avx2,neon_i8mm,avx"), "avx2,avx");
        assert_eq!(without_emulated(""), "");
    }
}
