//! `cargo xtask fuzz`: one target of `fuzz/` under libFuzzer and AddressSanitizer, for as many
//! minutes of a core as asked.

mod build;
mod coverage;
mod seeds;
mod session;
mod watch;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, anyhow, ensure};
use clap::Args;
use comfy_table::Table;
use serde::Serialize;

use crate::command;
use crate::firmware::build::target_folder;
use crate::tables::{grouped, table};
use coverage::Coverage;
use session::Outcome;
use watch::Tally;

/// The manifest of the fuzz targets, a workspace of its own.
const MANIFEST: &str = "fuzz/Cargo.toml";

/// The most memory that a target may take, in MiB: AddressSanitizer's own share is most of it.
const MEMORY: usize = 2000;

/// The longest that one input may take, in seconds.
const PATIENCE: usize = 20;

/// Seeds of a short round.
const SHORT: u64 = 100_000;

/// Targets that need the `hrvit` command, which takes minutes to build.
const OF_THE_TOOL: [&str; 2] = ["spec", "log"];

/// Settings of a target.
#[derive(Debug)]
pub struct Target {
    /// Its name in `fuzz/Cargo.toml`.
    name: &'static str,
    /// The longest input, in bytes.
    longest: usize,
    /// The largest single allocation, in MiB.
    allocation: usize,
    /// Further options of libFuzzer.
    options: &'static [&'static str],
    /// Folders with inputs to start from, besides the corpus and `fuzz/seeds`.
    seeds: &'static [&'static str],
    /// The longest input of a seed, in bytes.
    seeded: u32,
}

/// Every target.
///
/// Short inputs never reach backbones of many steps, nor calls after which much is open: those of
/// `spec` and `capi` are long from the start.
const TARGETS: [Target; 7] = [
    Target { name: "load", longest: 128 << 10, allocation: 256, options: &[], seeds: &["crates/hrvit-core/tests/data"], seeded: 200 },
    Target { name: "run_image", longest: 4 << 10, allocation: 256, options: &[], seeds: &[], seeded: 120 },
    Target { name: "kernels", longest: 4 << 10, allocation: 256, options: &[], seeds: &[], seeded: 160 },
    Target { name: "checkpoint", longest: 8 << 10, allocation: 16, options: &[], seeds: &[], seeded: 400 },
    Target { name: "spec", longest: 512, allocation: 256, options: &["-len_control=0"], seeds: &[], seeded: 200 },
    Target { name: "log", longest: 2 << 10, allocation: 256, options: &[], seeds: &[], seeded: 300 },
    Target { name: "capi", longest: 1 << 10, allocation: 256, options: &["-len_control=0"], seeds: &[], seeded: 64 },
];

/// Feed mutated inputs to one of the project's readers, its engine or its kernels until something
/// breaks or the time is up
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask fuzz load --minutes 10                     # new inputs stay in target/fuzz-corpus/load and are where the next run starts
  cargo xtask fuzz load --minutes 60 --jobs 2 --json     # both processes together use 60 minutes of processor time
  cargo xtask fuzz load --minutes 0 --coverage           # which lines of the readers the corpus reaches
  cargo xtask fuzz capi --seeds 10000000                 # the same random inputs every time, without libFuzzer: what short inputs reach, many times
  cargo xtask fuzz load --replay target/fuzz-findings/load/crash-0a1b

Exit code 1: an input was found; its path and the replay are printed. Installs a nightly compiler, cargo-fuzz and a C++ compiler where they are missing.")]
pub struct FuzzArgs {
    /// load, run_image, kernels, checkpoint, spec, log or capi
    #[arg(value_name = "TARGET", value_parser = parse_target)]
    target: &'static Target,
    /// Minutes of processor time that all processes take together; on a busy machine the clock
    /// shows more
    #[arg(long, value_name = "N", default_value_t = 10.0, value_parser = parse_minutes)]
    minutes: f64,
    /// Processes that share the corpus
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u8).range(1..))]
    jobs: u8,
    /// Then say which lines and regions the corpus reaches
    #[arg(long)]
    coverage: bool,
    /// Run on this input only, and show all that the target prints
    #[arg(long, value_name = "FILE", conflicts_with_all = ["minutes", "jobs", "coverage", "json"])]
    replay: Option<PathBuf>,
    /// Run on the inputs of so many seeds instead of searching: random bytes, the same every time
    #[arg(long, value_name = "N", conflicts_with_all = ["minutes", "jobs", "coverage", "replay"])]
    seeds: Option<u64>,
    /// The first seed
    #[arg(long, value_name = "SEED", default_value_t = 0, requires = "seeds")]
    first: u64,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
}

/// The target of that name; the error lists all.
fn parse_target(name: &str) -> Result<&'static Target> {
    let names = || TARGETS.iter().map(|target| target.name).collect::<Vec<_>>().join(", ");
    TARGETS.iter().find(|target| target.name == name).ok_or_else(|| anyhow!("no such target: expected one of {}", names()))
}

fn parse_minutes(text: &str) -> Result<f64> {
    let minutes: f64 = text.parse().context("expected a number of minutes, as 10 or 0.5")?;
    ensure!((0.0..=1e5).contains(&minutes), "expected 0 to 100000 minutes");
    Ok(minutes)
}

/// Folders of a target's files.
struct Folders {
    /// The repository.
    root: PathBuf,
    /// Inputs that each reached something new.
    corpus: PathBuf,
    /// Inputs that broke something.
    findings: PathBuf,
    /// Folders with inputs to start from.
    seeds: Vec<PathBuf>,
    /// Words that libFuzzer puts into inputs.
    dictionary: Option<PathBuf>,
}

impl Folders {
    /// Makes those that are written to.
    fn of(root: &Path, target: &Target) -> Result<Self> {
        let within = |name: &str| target_folder(root).join(name).join(target.name);
        let seeds = target.seeds.iter().map(|seeds| root.join(seeds)).chain([root.join("fuzz/seeds").join(target.name)]);
        let dictionary = root.join("fuzz/dictionaries").join(format!("{}.dict", target.name));
        let folders = Self {
            root: root.to_path_buf(),
            corpus: within("fuzz-corpus"),
            findings: within("fuzz-findings"),
            seeds: seeds.filter(|folder| folder.is_dir()).collect(),
            dictionary: dictionary.is_file().then_some(dictionary),
        };
        for folder in [&folders.corpus, &folders.findings] {
            std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        }
        Ok(folders)
    }

    /// A path as people type it in the repository's root.
    fn short<'a>(&self, path: &'a Path) -> &'a Path {
        path.strip_prefix(&self.root).unwrap_or(path)
    }
}

/// All that a run came to.
#[derive(Serialize)]
struct Report {
    target: &'static str,
    #[serde(flatten)]
    outcome: Option<Outcome>,
    #[serde(skip_serializing_if = "Option::is_none")]
    coverage: Option<Coverage>,
}

/// Runs, replays or reports coverage; `true` if nothing was found.
///
/// # Errors
/// If something is missing and cannot be installed, the target does not build, or the run ends
/// before its time without a finding.
pub fn run(root: &Path, args: &FuzzArgs) -> Result<bool> {
    let FuzzArgs { target, .. } = args;
    if let Some(count) = args.seeds {
        return run_seeds(root, target, args.first, count, args.json);
    }
    let folders = Folders::of(root, target)?;
    let cargo_fuzz = build::install(root, args.coverage)?;
    if let Some(input) = &args.replay {
        ensure!(input.is_file(), "no input {}", input.display());
        return session::replay(&build::fuzzer(root, &cargo_fuzz, target.name)?, target, input);
    }
    ensure!(args.minutes > 0.0 || args.coverage, "--minutes 0 runs nothing: give more, or --coverage");
    let outcome = match args.minutes {
        0.0 => None,
        minutes => Some(session::run(&build::fuzzer(root, &cargo_fuzz, target.name)?, target, &folders, minutes, args.jobs)?),
    };
    if let Some(outcome) = &outcome {
        outcome.findings.iter().for_each(|finding| eprintln!("{}", finding.text(target.name)));
    }
    let coverage = args.coverage.then(|| coverage::measure(&cargo_fuzz, target, &folders)).transpose()?;
    let in_order = outcome.as_ref().is_none_or(|outcome| outcome.findings.is_empty());
    let report = Report { target: target.name, outcome, coverage };
    if args.json {
        println!("{}", serde_json::to_string_pretty(&report)?);
    } else {
        print(&report);
    }
    Ok(in_order)
}

/// Runs the inputs of seeds; `true` if nothing was found.
fn run_seeds(root: &Path, target: &Target, first: u64, count: u64, json: bool) -> Result<bool> {
    let seeds = seeds::run(root, target, first, count)?;
    if json {
        println!("{}", serde_json::to_string_pretty(&seeds)?);
    } else {
        println!("{}", drawn(target.name, &seeds.tally, usize::from(seeds.broken.is_some())));
    }
    Ok(seeds.broken.is_none())
}

/// A short round of [`run`] by seeds: calls of the C interface in any order.
///
/// # Errors
/// If it does not build, or a sequence of calls breaks something.
pub fn short(root: &Path) -> Result<Vec<String>> {
    let target = parse_target("capi")?;
    let seeds = seeds::run(root, target, 0, SHORT)?;
    Ok(seeds.broken.map(|seed| format!("calls of the C interface: seed {seed} breaks something")).into_iter().collect())
}

/// The targets must compile with the repository's own toolchain too: `fuzz/` is outside the
/// workspace, and nothing else builds it.
///
/// # Errors
/// If they do not, or there is no C++ compiler for libFuzzer.
pub fn check(root: &Path) -> Result<Vec<String>> {
    build::compiler()?;
    let mut cargo = Command::new("cargo");
    cargo.current_dir(root).args(["check", "--locked", "--quiet", "--manifest-path", MANIFEST]);
    command::succeed(cargo.arg("--target-dir").arg(target_folder(root).join("fuzz-check"))).map(|_| Vec::new())
}

/// Prints the tables.
fn print(report: &Report) {
    if let Some(Outcome { tally, findings, .. }) = &report.outcome {
        println!("{}", drawn(report.target, tally, findings.len()));
    }
    if let Some(coverage) = &report.coverage {
        println!("{}", coverage.table());
    }
}

fn drawn(target: &str, tally: &Tally, findings: usize) -> Table {
    let mut rows = table(&["target", "executions", "accepted", "share", "core minutes", "exec/s of a core", "findings"]);
    rows.add_row([
        target.to_owned(),
        grouped(tally.executions),
        grouped(tally.accepted),
        format!("{:.1} %", 100.0 * tally.share()),
        format!("{:.2}", tally.core_seconds / 60.0),
        format!("{:.0}", tally.rate()),
        findings.to_string(),
    ]);
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_target_of_the_manifest_has_limits() {
        let manifest = std::fs::read_to_string(crate::root().unwrap().join(MANIFEST)).unwrap();
        let manifest: toml::Table = manifest.parse().unwrap();
        let mut built: Vec<&str> = manifest["bin"].as_array().unwrap().iter().map(|bin| bin["name"].as_str().unwrap()).collect();
        let mut known = TARGETS.map(|target| target.name);
        built.sort_unstable();
        known.sort_unstable();
        assert_eq!(built, known);
    }

    #[test]
    fn folders_with_seeds_are_there() {
        let root = crate::root().unwrap();
        for seeds in TARGETS.iter().flat_map(|target| target.seeds) {
            assert!(root.join(seeds).is_dir(), "{seeds}");
        }
    }

    #[test]
    fn names_and_minutes_that_cannot_be_are_refused() {
        assert!(parse_target("loads").unwrap_err().to_string().contains("load, run_image"));
        assert_eq!(parse_minutes("0.5").unwrap(), 0.5);
        for text in ["-1", "NaN", "inf", "ten"] {
            assert!(parse_minutes(text).is_err(), "{text}");
        }
    }
}
