//! Every instruction set that Linux programs have kernels for, against the definition: on this processor, and on AArch64 processors that QEMU emulates.
//!
//! Cortex-M instruction sets are compared by the firmware's program `conformance`. What the emulated processors have is required there; what this processor lacks is
//! reported as skipped, and is a failure where the environment variable `REQUIRE_ISA` names it (`REQUIRE_ISA=avx2 cargo xtask test`).

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::checks::Made;
use crate::firmware::grouped;
use crate::parity::LINUX;
use crate::{command, install};

/// The environment variable with the names, separated by commas, of instruction sets that may not be skipped. The tests of `hrvit-kernels` read it too.
pub const REQUIRE: &str = "REQUIRE_ISA";

/// Instruction sets of this machine's architecture.
#[cfg(target_arch = "x86_64")]
const HOST: &[&str] = &["scalar", "avx2"];
#[cfg(target_arch = "aarch64")]
const HOST: &[&str] = &["scalar", "neon", "neon_dotprod", "neon_i8mm"];
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const HOST: &[&str] = &["scalar"];

/// Instruction sets that emulated machines run: Cortex-M ones in the firmware's conformance program, the others here.
const EMULATED: [&str; 6] = ["scalar", "dsp", "mve", "neon", "neon_dotprod", "neon_i8mm"];

/// Processors that QEMU emulates for a Linux program, and what each has: no dot products; these; matrix multiplication too.
pub const PROCESSORS: [(&str, &[&str]); 3] =
    [("cortex-a53", &["scalar", "neon"]), ("cortex-a76", &["scalar", "neon", "neon_dotprod"]), ("max", &["scalar", "neon", "neon_dotprod", "neon_i8mm"])];

/// Runs the tests of `hrvit-kernels` on every processor.
///
/// # Errors
/// If a test fails, an instruction set that an emulated processor has was not run, or one that `REQUIRE_ISA` names cannot be run on this machine.
pub fn run(root: &Path) -> Result<Made> {
    let required = required(&std::env::var(REQUIRE).unwrap_or_default())?;
    install::targets(root, &[LINUX])?;
    install::programs(&[("qemu-aarch64", "qemu-user")])?;
    let mut host = cargo(root);
    // The test as `cargo test --workspace` has built it.
    host.args(["--workspace", "--test", "conformance"]).env(REQUIRE, of_host(&required));
    let printed = command::succeed(host.args(["--", "--nocapture"]))?;
    let here = ran("this processor", &printed)?;
    for (processor, has) in PROCESSORS {
        let mut emulated = cargo(root);
        emulated.args(["--package", "hrvit-kernels", "--features", "std", "--lib", "--tests", "--target", LINUX]);
        // Static, and linked without a foreign C compiler.
        emulated.arg("--config").arg(format!("target.{LINUX}.linker=\"rust-lld\""));
        emulated.arg("--config").arg(format!("target.{LINUX}.runner=[\"qemu-aarch64\", \"-cpu\", \"{processor}\"]"));
        let printed = command::succeed(emulated.env(REQUIRE, has.join(",")).args(["--", "--nocapture"]))?;
        let there = ran(processor, &printed)?;
        ensure!(has.iter().all(|isa| there.contains(*isa)), "{processor} has the kernels {}, compared were {there:?}", has.join(", "));
    }
    let skipped = skipped(&here, &required)?;
    Ok(if skipped.is_empty() { Made::All } else { Made::Part(skipped) })
}

/// Names in `REQUIRE_ISA`.
fn required(text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = text.split(',').filter(|name| !name.is_empty()).map(str::to_owned).collect();
    let known = |name: &String| name == "avx2" || EMULATED.contains(&name.as_str());
    for name in &names {
        ensure!(known(name), "{REQUIRE}={text}: {name} is not an instruction set; expected some of avx2, {}", EMULATED.join(", "));
    }
    Ok(names)
}

/// What of the required a test on this processor is to require: the rest runs elsewhere.
pub fn of_host(required: &[String]) -> String {
    let names = required.iter().filter(|name| HOST.contains(&name.as_str()));
    names.cloned().collect::<Vec<_>>().join(",")
}

/// [`of_host`] of what the environment requires.
///
/// # Errors
/// If it names something that is no instruction set.
pub fn environment_of_host() -> Result<String> {
    Ok(of_host(&required(&std::env::var(REQUIRE).unwrap_or_default())?))
}

/// What was not run although kernels exist, with the reason.
fn skipped(here: &BTreeSet<String>, required: &[String]) -> Result<Vec<String>> {
    let everywhere = HOST.iter().chain(&["avx2"]).filter(|isa| !EMULATED.contains(isa) && !here.contains(**isa));
    let skipped: BTreeSet<&str> = everywhere.copied().collect();
    for isa in &skipped {
        ensure!(!required.iter().any(|name| name == isa), "{REQUIRE}: {isa} was not run, this processor does not have it");
    }
    Ok(skipped.into_iter().map(|isa| format!("{isa}: this processor does not have it")).collect())
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
    fn unknown_names_are_refused() {
        assert_eq!(required("mve,avx2").unwrap(), ["mve", "avx2"]);
        assert!(required("avx").unwrap_err().to_string().contains("avx is not an instruction set"));
    }

    #[test]
    fn what_this_processor_lacks_is_skipped_aloud_or_fails_if_required() {
        let scalar = BTreeSet::from(["scalar".to_owned()]);
        assert_eq!(skipped(&scalar, &[]).unwrap(), ["avx2: this processor does not have it"]);
        assert!(skipped(&scalar, &["avx2".to_owned()]).unwrap_err().to_string().contains("avx2 was not run"));
        assert_eq!(skipped(&BTreeSet::from(["avx2".to_owned()]), &["avx2".to_owned()]).unwrap(), [] as [String; 0]);
    }

    #[test]
    fn only_instruction_sets_of_this_architecture_are_required_of_this_processor() {
        assert_eq!(of_host(&["mve".to_owned(), "scalar".to_owned()]), "scalar");
    }
}
