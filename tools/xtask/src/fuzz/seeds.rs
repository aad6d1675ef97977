//! A target on the inputs of consecutive seeds, under AddressSanitizer. The inputs are the same
//! every time, and far more than a search has time for.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use serde::Serialize;

use super::watch::Tally;
use super::{MEMORY, OF_THE_TOOL, Target};
use crate::command;
use crate::firmware::build::target_folder;
use crate::tables::grouped;

/// The program's package, which needs nothing of the `hrvit` command for most targets.
const PACKAGE: &str = "hrvit-fuzz";
/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(10);

/// Result of the inputs.
#[derive(Debug, Serialize)]
pub struct Seeds {
    /// The first seed.
    pub first: u64,
    /// Of all inputs that ended in order.
    #[serde(flatten)]
    pub tally: Tally,
    /// The seed whose input broke something.
    pub broken: Option<u64>,
}

/// Runs `count` inputs from the seed `first` on; a finding is narrowed down to its seed.
///
/// # Errors
/// If the program does not build, or ends early and no seed can be blamed.
pub fn run(root: &Path, target: &Target, first: u64, count: u64) -> Result<Seeds> {
    let program = build(root, target)?;
    let tally_file = program.with_file_name(format!("{}-{first}.tally", target.name));
    if tally_file.exists() {
        std::fs::remove_file(&tally_file).with_context(|| format!("removing {}", tally_file.display()))?;
    }
    let counted = || std::fs::read_to_string(&tally_file).ok().and_then(|text| Tally::parse(&text)).unwrap_or_default();
    let mut seeds = start(&program, target, first, count, &tally_file);
    // Its own counts are for people.
    seeds.stdout(std::io::stderr());
    let mut child = seeds.spawn().with_context(|| format!("starting {}", command::line(&seeds)))?;
    let mut said = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().context("waiting for the seeds")? {
            break status;
        }
        std::thread::sleep(Duration::from_millis(100));
        if said.elapsed() >= PAUSE {
            said = Instant::now();
            eprintln!("{}", progress(target.name, &counted(), count));
        }
    };
    let tally = counted();
    if status.success() {
        ensure!(tally.executions == count, "{} inputs of {count} were counted", tally.executions);
        return Ok(Seeds { first, tally, broken: None });
    }
    // Again from the last number that was written: now every seed is told before its input runs.
    let output = command::output(start(&program, target, first + tally.executions, count - tally.executions, &tally_file).arg("each").stdout(Stdio::piped()))?;
    ensure!(!output.status.success(), "{} broke after {} inputs, {status}, and not again from there", target.name, tally.executions);
    let broken = last_seed(&String::from_utf8_lossy(&output.stdout)).with_context(|| format!("{} ended before its first input, {status}", target.name))?;
    eprintln!("FOUND by {name}: seed {broken}\nreplay: cargo xtask fuzz {name} --seeds 1 --first {broken}", name = target.name);
    Ok(Seeds { first, tally, broken: Some(broken) })
}

/// The program with its limits.
fn start(program: &Path, target: &Target, first: u64, count: u64, tally: &Path) -> Command {
    let mut seeds = Command::new(program);
    seeds.args([target.name, &first.to_string(), &count.to_string(), &target.seeded.to_string()]).stdin(Stdio::null());
    // Freed memory stays poisoned for longer than any sequence lasts, and the processor's caches
    // hold it.
    seeds.env("ASAN_OPTIONS", format!("quarantine_size_mb=16:hard_rss_limit_mb={MEMORY}")).env("RUST_BACKTRACE", "1");
    seeds.env("HRVIT_FUZZ_TALLY", tally);
    seeds
}

/// Builds the program with AddressSanitizer, by the repository's own compiler; returns its path.
fn build(root: &Path, target: &Target) -> Result<PathBuf> {
    eprintln!("building the seeds with AddressSanitizer");
    let (folder, host) = (target_folder(root).join("fuzz-seeds"), host(root)?);
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).env("CARGO_TARGET_DIR", &folder).env_remove("CARGO_ENCODED_RUSTFLAGS");
    // Sanitizers are part of every compiler, and unstable in it.
    cargo.env("RUSTC_BOOTSTRAP", "1").env("RUSTFLAGS", "-Zsanitizer=address");
    cargo.args(["build", "--release", "--locked", "--package", PACKAGE, "--bin", "seeds", "--target", &host]);
    if !OF_THE_TOOL.contains(&target.name) {
        cargo.arg("--no-default-features");
    }
    // Checks that release builds leave out are made too.
    cargo.args(["--config", "profile.release.debug-assertions=true", "--config", "profile.release.overflow-checks=true"]);
    command::succeed(&mut cargo)?;
    Ok(folder.join(host).join("release/seeds"))
}

/// The target of this machine.
fn host(root: &Path) -> Result<String> {
    let said = command::succeed(Command::new("rustc").current_dir(root).arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names the host")?;
    Ok(host.to_owned())
}

/// The seed that was told last.
fn last_seed(printed: &str) -> Option<u64> {
    printed.lines().rev().find_map(|line| line.strip_prefix("seed ")?.parse().ok())
}

fn progress(target: &str, tally: &Tally, count: u64) -> String {
    let (executions, rate, share) = (grouped(tally.executions), tally.rate(), 100.0 * tally.share());
    format!("{target}: {executions} of {} seeds, {rate:.0}/s of a core, {share:.1} % accepted", grouped(count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seed_that_was_told_last_is_blamed() {
        assert_eq!(last_seed("seed 7\nseed 8\n   12  calls\n"), Some(8));
        assert_eq!(last_seed("thread 'main' panicked\n"), None);
    }

    #[test]
    fn progress_says_how_many_of_how_many() {
        let tally = Tally { executions: 500_000, accepted: 10_000, skipped: 0, refused: 490_000, core_seconds: 50.0 };
        assert_eq!(progress("capi", &tally, 10_000_000), "capi: 500,000 of 10,000,000 seeds, 10000/s of a core, 2.0 % accepted");
    }
}
