//! A running target's report: its tally, and libFuzzer's own lines.

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::Serialize;

/// Inputs so far, as `fuzz/src/lib.rs` writes them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Tally {
    /// All inputs.
    pub executions: u64,
    /// Valid ones for which everything held.
    pub accepted: u64,
    /// Valid ones that the target does not compare.
    pub skipped: u64,
    /// Refused ones.
    pub refused: u64,
    /// Processor time.
    pub core_seconds: f64,
}

impl Tally {
    /// Reads a whole line; none while it is being written.
    pub fn parse(text: &str) -> Option<Self> {
        let mut words = text.strip_suffix('\n')?.split(' ');
        let mut count = || words.next()?.parse().ok();
        let (executions, accepted, skipped, refused) = (count()?, count()?, count()?, count()?);
        let core_seconds = words.next()?.parse().ok().filter(|seconds: &f64| seconds.is_finite())?;
        words.next().is_none().then_some(Self { executions, accepted, skipped, refused, core_seconds })
    }

    /// Both together.
    pub fn plus(self, other: Self) -> Self {
        Self {
            executions: self.executions + other.executions,
            accepted: self.accepted + other.accepted,
            skipped: self.skipped + other.skipped,
            refused: self.refused + other.refused,
            core_seconds: self.core_seconds + other.core_seconds,
        }
    }

    /// Accepted inputs among all; 0 before the first.
    pub fn share(&self) -> f64 {
        self.accepted as f64 / self.executions.max(1) as f64
    }

    /// Inputs in a second of a core; 0 before the first second.
    pub fn rate(&self) -> f64 {
        if self.core_seconds > 0.0 { self.executions as f64 / self.core_seconds } else { 0.0 }
    }
}

/// LibFuzzer's report of its search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Reached {
    /// Edges of the program's control flow that an input has passed.
    pub edges: u64,
    /// Inputs that the process keeps.
    pub corpus: u64,
}

impl Reached {
    /// Reads a line such as
    /// `#65536 pulse  cov: 812 ft: 2345 corp: 301/12Kb lim: 4096 exec/s: 1200 rss: 90Mb`.
    pub fn parse(line: &str) -> Option<Self> {
        let mut words = line.strip_prefix('#')?.split_whitespace();
        words.next()?.parse::<u64>().ok()?;
        let after = |key: &str| line.split_whitespace().skip_while(|word| *word != key).nth(1);
        Some(Self { edges: after("cov:")?.parse().ok()?, corpus: after("corp:")?.split('/').next()?.parse().ok()? })
    }
}

/// A log that grows, read piece by piece.
pub struct Log {
    path: PathBuf,
    file: File,
    unfinished: Vec<u8>,
    /// From libFuzzer's last line with numbers.
    pub reached: Reached,
    /// The input that libFuzzer wrote last.
    pub input: Option<PathBuf>,
}

impl Log {
    /// Begins at the file's start.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).with_context(|| format!("reading {}", path.display()))?;
        Ok(Self { path: path.to_path_buf(), file, unfinished: Vec::new(), reached: Reached::default(), input: None })
    }

    /// Takes note of the lines that have come since.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn read(&mut self) -> Result<()> {
        self.file.read_to_end(&mut self.unfinished).with_context(|| format!("reading {}", self.path.display()))?;
        let Some(end) = self.unfinished.iter().rposition(|byte| *byte == b'\n') else { return Ok(()) };
        let lines: Vec<u8> = self.unfinished.drain(..=end).collect();
        for line in String::from_utf8_lossy(&lines).lines() {
            self.reached = Reached::parse(line).unwrap_or(self.reached);
            if let Some((_, path)) = line.split_once("Test unit written to ") {
                self.input = Some(PathBuf::from(path));
            }
        }
        Ok(())
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The report of what went wrong: from the panic or the sanitizer's first line on, at most
    /// `most` lines of it.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn complaint(&self, most: usize) -> Result<String> {
        let bytes = std::fs::read(&self.path).with_context(|| format!("reading {}", self.path.display()))?;
        Ok(complaint(&String::from_utf8_lossy(&bytes), most))
    }
}

fn complaint(log: &str, most: usize) -> String {
    let lines: Vec<&str> = log.lines().collect();
    let begins = |line: &&str| (line.starts_with("thread ") && line.contains("panicked at")) || line.contains("ERROR: ");
    let from = lines.iter().position(begins).unwrap_or(lines.len().saturating_sub(most));
    lines.iter().skip(from).take(most).copied().collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    #[test]
    fn tallies_are_read_whole_or_not_at_all() {
        let tally = Tally { executions: 10, accepted: 4, skipped: 1, refused: 5, core_seconds: 2.5 };
        assert_eq!(Tally::parse("10 4 1 5 2.5\n"), Some(tally));
        for text in ["", "10 4 1", "10 4 1 5 2", "10 4 1 5 2.5 7\n", "10 4 1 5 NaN\n", "10 4 1 -5 2.5\n"] {
            assert_eq!(Tally::parse(text), None, "{text:?}");
        }
        assert_eq!(tally.plus(tally), Tally { executions: 20, accepted: 8, skipped: 2, refused: 10, core_seconds: 5.0 });
        assert_eq!((tally.share(), tally.rate()), (0.4, 4.0));
        assert_eq!((Tally::default().share(), Tally::default().rate()), (0.0, 0.0));
    }

    #[test]
    fn numbers_are_found_in_a_log_that_is_being_written() {
        let path = std::env::temp_dir().join(format!("hrvit-fuzz-log-{}", std::process::id()));
        let mut file = File::create(&path).unwrap();
        let mut log = Log::open(&path).unwrap();
        let mut add = |text: &str| {
            file.write_all(text.as_bytes()).unwrap();
            log.read().unwrap();
            (log.reached, log.input.clone())
        };
        let first = Reached { edges: 812, corpus: 301 };
        assert_eq!(add("INFO: Seed: 1\n#7 NEW    cov: 812 ft: 2345 corp: 301/12Kb lim: 4 exec/s: 0 rss: 90Mb\n#9 NEW  cov: 8"), (first, None));
        let second = Reached { edges: 813, corpus: 302 };
        assert_eq!(add("13 ft: 9 corp: 302/12Kb lim: 4 exec/s: 0 rss: 90Mb\n").0, second);
        assert_eq!(add("artifact_prefix='f/'; Test unit written to f/crash-0a\n"), (second, Some(PathBuf::from("f/crash-0a"))));
        std::fs::remove_file(&path).unwrap();
    }

    #[test]
    fn a_complaint_begins_with_the_panic_or_the_sanitizer() {
        let panic = "INFO\n#1 INITED\nthread '<unnamed>' (1) panicked at a.rs:1:2:\nboom\n==9== ERROR: libFuzzer: deadly signal\n";
        assert_eq!(complaint(panic, 2), "thread '<unnamed>' (1) panicked at a.rs:1:2:\nboom");
        assert_eq!(complaint("INFO\n==9==ERROR: AddressSanitizer: x\n#0 f\n", 9), "==9==ERROR: AddressSanitizer: x\n#0 f");
        assert_eq!(complaint("a\nb\nc\n", 2), "b\nc");
    }
}
