//! Running a built target until its time is up or it finds something.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Serialize;

use super::watch::{Log, Reached, Tally};
use super::{Folders, MEMORY, PATIENCE, Target};
use crate::command;
use crate::firmware::build::target_folder;
use crate::tables::grouped;

/// File that a target writes its tally to.
const TALLY: &str = "HRVIT_FUZZ_TALLY";
/// libFuzzer's exit code after SIGINT.
const INTERRUPTED: i32 = 72;
/// Bound of the clock, in multiples of the given minutes. A busier machine cannot tell a slow
/// target from one that hangs.
const BUSIEST: f64 = 20.0;
/// Between two lines of progress.
const PAUSE: Duration = Duration::from_secs(5);
/// Lines of a finding that are printed.
const LINES: usize = 40;

/// Result of a run.
#[derive(Serialize)]
pub struct Outcome {
    /// Of all processes.
    #[serde(flatten)]
    pub tally: Tally,
    /// Accepted inputs among all.
    pub accepted_share: f64,
    /// Files in the corpus, and the most edges that one process has seen passed.
    #[serde(flatten)]
    pub reached: Reached,
    /// Inputs that broke something.
    pub findings: Vec<Finding>,
}

/// An input that broke something.
#[derive(Serialize)]
pub struct Finding {
    /// Its path.
    pub input: PathBuf,
    /// Output of the target.
    pub complaint: String,
}

impl Finding {
    /// The event, and how to see it again.
    pub fn text(&self, target: &str) -> String {
        let input = self.input.display();
        format!("{}\nFOUND by {target}: {input}\nreplay: cargo xtask fuzz {target} --replay {input}", self.complaint)
    }
}

/// A process of libFuzzer; dropped, it is ended.
struct Process {
    child: Child,
    tally: PathBuf,
    counted: Tally,
    log: Log,
    status: Option<ExitStatus>,
}

impl Process {
    fn start(program: &Path, target: &Target, folders: &Folders, seconds: u64, number: u8) -> Result<Self> {
        let own = target_folder(&folders.root).join("fuzz").join("runs");
        std::fs::create_dir_all(&own).with_context(|| format!("making {}", own.display()))?;
        let file = |extension: &str| own.join(format!("{}-{number}.{extension}", target.name));
        let (tally, log) = (file("tally"), file("log"));
        if tally.exists() {
            std::fs::remove_file(&tally).with_context(|| format!("removing {}", tally.display()))?;
        }
        let errors = File::create(&log).with_context(|| format!("writing {}", log.display()))?;
        let mut fuzzer = fuzzer(program, target);
        fuzzer.current_dir(&folders.root).env(TALLY, &tally);
        fuzzer.arg(format!("-max_total_time={seconds}")).arg("-print_final_stats=1");
        // A path that libFuzzer puts a name after.
        fuzzer.arg(format!("-artifact_prefix={}/", folders.short(&folders.findings).display()));
        fuzzer.args(folders.dictionary.iter().map(|words| format!("-dict={}", words.display())));
        fuzzer.arg(&folders.corpus).args(&folders.seeds);
        let child = fuzzer.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors).spawn();
        let child = child.with_context(|| format!("starting {}", command::line(&fuzzer)))?;
        Ok(Self { child, tally, counted: Tally::default(), log: Log::open(&log)?, status: None })
    }

    /// Takes note of what it has written, and of its end.
    fn look(&mut self) -> Result<()> {
        self.status = self.child.try_wait().context("waiting for libFuzzer")?;
        let said = std::fs::read_to_string(&self.tally).ok();
        self.counted = said.and_then(|text| Tally::parse(&text)).unwrap_or(self.counted);
        self.log.read()
    }

    /// Lets libFuzzer end in order.
    fn interrupt(&self) -> Result<()> {
        // A shell has this command built in, whatever else a machine lacks. One that has ended
        // meanwhile is as good.
        command::output(Command::new("sh").args(["-c", "kill -s INT \"$0\"", &self.child.id().to_string()])).map(drop)
    }

    /// Its finding; none if it ended in order.
    fn finding(&self, folders: &Folders) -> Result<Option<Finding>> {
        let status = self.status.context("a process that has ended has a status")?;
        if matches!(status.code(), Some(0 | INTERRUPTED)) {
            return Ok(None);
        }
        let complaint = self.log.complaint(LINES)?;
        match &self.log.input {
            Some(input) => Ok(Some(Finding { input: folders.short(input).to_path_buf(), complaint })),
            None => bail!("the target ended without an input to blame, {status}:\n{complaint}"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.status.is_none() {
            // Nobody is left to tell that it would not end.
            self.child.kill().and_then(|()| self.child.wait().map(drop)).unwrap_or_default();
        }
    }
}

/// libFuzzer with the limits of a target.
fn fuzzer(program: &Path, target: &Target) -> Command {
    let mut fuzzer = Command::new(program);
    fuzzer.args([format!("-max_len={}", target.longest), format!("-malloc_limit_mb={}", target.allocation)]);
    fuzzer.args([format!("-rss_limit_mb={MEMORY}"), format!("-timeout={PATIENCE}")]);
    fuzzer.args(target.options);
    // As cargo-fuzz has it: Rust's own crates define some symbols twice.
    fuzzer.env("ASAN_OPTIONS", "detect_odr_violation=0").env("RUST_BACKTRACE", "1");
    fuzzer
}

/// Runs `program` on one input, its output shown; `true` if it ends in order.
///
/// # Errors
/// If it cannot be started.
pub fn replay(program: &Path, target: &Target, input: &Path) -> Result<bool> {
    let status = fuzzer(program, target).arg(input).status().with_context(|| format!("starting {}", program.display()))?;
    if !status.success() {
        println!("{} still breaks {}: {status}", input.display(), target.name);
    }
    Ok(status.success())
}

/// Runs `jobs` processes until they have used `minutes` of processor time together, or one has
/// found something.
///
/// # Errors
/// If a process cannot be started or watched, or all end before the time is used up and without a
/// finding.
pub fn run(program: &Path, target: &Target, folders: &Folders, minutes: f64, jobs: u8) -> Result<Outcome> {
    let wanted = minutes * 60.0;
    let longest = Duration::from_secs_f64(60.0 + BUSIEST * wanted / f64::from(jobs));
    let start = |number| Process::start(program, target, folders, longest.as_secs(), number);
    let mut processes = (1..=jobs).map(start).collect::<Result<Vec<_>>>()?;
    let mut said = Instant::now();
    let total = |processes: &[Process]| processes.iter().map(|process| process.counted).fold(Tally::default(), Tally::plus);
    loop {
        std::thread::sleep(Duration::from_millis(100));
        processes.iter_mut().try_for_each(Process::look)?;
        let tally = total(&processes);
        if tally.core_seconds >= wanted || processes.iter().any(|process| process.status.is_some()) {
            break;
        }
        if said.elapsed() >= PAUSE {
            said = Instant::now();
            eprintln!("{}", progress(target.name, &tally, reached(&processes, folders)?, wanted));
        }
    }
    processes.iter().filter(|process| process.status.is_none()).try_for_each(Process::interrupt)?;
    let interrupted = Instant::now();
    while processes.iter().any(|process| process.status.is_none()) {
        ensure!(interrupted.elapsed() < Duration::from_secs(60), "{} did not end within a minute of SIGINT", target.name);
        std::thread::sleep(Duration::from_millis(20));
        processes.iter_mut().try_for_each(Process::look)?;
    }
    processes.iter_mut().try_for_each(Process::look)?;
    let found = processes.iter().map(|process| process.finding(folders)).collect::<Result<Vec<_>>>()?;
    let (tally, findings): (_, Vec<Finding>) = (total(&processes), found.into_iter().flatten().collect());
    if findings.is_empty() {
        let used = tally.core_seconds / 60.0;
        ensure!(tally.core_seconds >= wanted, "{} ended after {used:.2} of {minutes} core minutes; see {}", target.name, processes[0].log.path().display());
    }
    Ok(Outcome { accepted_share: tally.share(), tally, reached: reached(&processes, folders)?, findings })
}

/// The files of the corpus, and the most edges that one process has seen.
fn reached(processes: &[Process], folders: &Folders) -> Result<Reached> {
    let files = std::fs::read_dir(&folders.corpus).with_context(|| format!("reading {}", folders.corpus.display()))?;
    let edges = processes.iter().map(|process| process.log.reached.edges).max().unwrap_or(0);
    Ok(Reached { edges, corpus: files.count() as u64 })
}

fn progress(target: &str, tally: &Tally, reached: Reached, wanted: f64) -> String {
    let Reached { edges, corpus } = reached;
    let (executions, rate, share) = (grouped(tally.executions), tally.rate(), 100.0 * tally.share());
    let seconds = tally.core_seconds;
    format!("{target}: {executions} executions, {rate:.0}/s, {share:.1} % accepted, {seconds:.0} of {wanted:.0} core seconds, corpus {corpus}, {edges} edges")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_names_every_number() {
        let tally = Tally { executions: 123_456, accepted: 61_728, skipped: 0, refused: 61_728, core_seconds: 12.0 };
        let line = progress("load", &tally, Reached { edges: 812, corpus: 301 }, 60.0);
        assert_eq!(line, "load: 123,456 executions, 10288/s, 50.0 % accepted, 12 of 60 core seconds, corpus 301, 812 edges");
    }
}
