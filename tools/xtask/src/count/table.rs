//! The stored counts: one line per step, one column per processor, in canonical order.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use hrvit_log::{Run, Unit};
use serde_json::Value;

use crate::command;
use crate::count::processors::{PI, PROCESSORS};
use crate::hrvit::{Hrvit, path_text};
use crate::qemu::log_of;
use crate::tables::grouped;

/// The file, relative to the root.
const FILE: &str = "tests/data/counts/nano_192x256.toml";

/// A step may take this many percent more before it is a failure.
const TOLERANCE: u64 = 3;

/// The name of everything together, those instructions included that belong to no step.
pub const FRAME: &str = "frame";

/// Counts on one processor.
#[derive(Clone, Debug)]
pub struct Counts {
    /// Its name.
    pub processor: &'static str,
    /// Instructions of every step, in canonical order, and of the frame.
    pub steps: Vec<(String, u64)>,
    /// The program, and its machine.
    pub run: Run<String>,
    /// All of what `hrvit profile --json` says.
    pub document: Value,
    /// The program that ran.
    pub elf: PathBuf,
    /// Its log; the next run of the same processor overwrites it.
    pub log: PathBuf,
}

impl Counts {
    /// Reads the profile that `elf` logged.
    ///
    /// # Errors
    /// If it cannot be decoded, lacks something, or its unit is not instructions.
    pub fn read(hrvit: &Hrvit, processor: &'static str, elf: &Path, log: &Path) -> Result<Self> {
        let text = command::succeed(&mut hrvit.command(&["profile", "--json", "--elf", path_text(elf)?, "--log", path_text(log)?]))?;
        let document: Value = serde_json::from_str(&text).context("hrvit profile --json prints JSON")?;
        let run = log_of(&text)?.run.with_context(|| format!("{processor}: the log has no `hrvit run` line"))?;
        ensure!(run.unit == Unit::Instructions, "{processor}: expected a count of instructions, the profile has {}", run.unit);
        let profile = &document["profile"];
        let ticks = |cost: &Value| cost["ticks"].as_f64().map(|ticks| ticks.round() as u64).with_context(|| format!("{processor}: no ticks in {cost}"));
        let mut steps = Vec::new();
        for cost in profile["steps"].as_array().with_context(|| format!("{processor}: the profile has no steps"))? {
            steps.push((cost["name"].as_str().with_context(|| format!("{processor}: a step has no name"))?.to_owned(), ticks(cost)?));
        }
        steps.push((FRAME.to_owned(), ticks(&profile["frame"])?));
        Ok(Self { processor, steps, run, document, elf: elf.to_owned(), log: log.to_owned() })
    }
}

/// Instructions by processor, of one step.
type Row = BTreeMap<String, u64>;

/// The stored counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stored(Vec<(String, Row)>);

impl Stored {
    /// Their folder.
    pub fn path(root: &Path) -> PathBuf {
        root.join(FILE)
    }

    /// Reads them.
    ///
    /// # Errors
    /// If they are not there or damaged.
    pub fn read(root: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(Self::path(root)).with_context(|| format!("reading {FILE}: `cargo xtask count --bless` makes it"))?;
        Self::parse(&text).with_context(|| format!("reading {FILE}: `cargo xtask count --bless` makes it anew"))
    }

    /// One step per line: the parser of TOML forgets their order.
    fn parse(text: &str) -> Result<Self> {
        let mut steps = Vec::new();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let entry: toml::Table = line.parse().with_context(|| format!("the line {line}"))?;
            for (name, row) in entry {
                steps.push((name, row.try_into().with_context(|| format!("the line {line}"))?));
            }
        }
        Ok(Self(steps))
    }

    fn text(&self) -> String {
        let mut text = String::from(
            "# Executed instructions of every step of one frame of the nano network, 11 classes, 192x256, on the processors that QEMU emulates.\n\
             # Written by `cargo xtask count --bless`; `cargo xtask test` compares.\n",
        );
        let width = self.0.iter().map(|(name, _)| name.len()).max().unwrap_or(0) + 2;
        for (name, row) in &self.0 {
            let columns = PROCESSORS.iter().chain([&PI]).filter_map(|processor| Some(format!("{} = {:>10}", processor.name, row.get(processor.name)?)));
            let columns = columns.collect::<Vec<_>>().join(", ");
            let _ = writeln!(text, "{:width$} = {{ {columns} }}", format!("\"{name}\""));
        }
        text
    }

    /// Writes them.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn write(&self, root: &Path) -> Result<()> {
        let path = Self::path(root);
        let folder = path.parent().context("a file has a folder")?;
        std::fs::create_dir_all(folder).with_context(|| format!("making {}", folder.display()))?;
        std::fs::write(&path, self.text()).with_context(|| format!("writing {FILE}"))?;
        println!("{FILE} is written anew");
        Ok(())
    }

    /// Takes a processor's counts over; steps that the network no longer has go.
    pub fn put(&mut self, counts: &Counts) {
        let rows: BTreeMap<String, Row> = self.0.drain(..).collect();
        for (name, instructions) in &counts.steps {
            let mut row = rows.get(name).cloned().unwrap_or_default();
            row.insert(counts.processor.to_owned(), *instructions);
            self.0.push((name.clone(), row));
        }
    }

    /// Steps that take too many instructions, that are missing or that are not stored.
    pub fn compare(&self, measured: &[Counts]) -> Vec<String> {
        let mut complaints = Vec::new();
        let mut fewer = 0;
        for counts in measured {
            let processor = counts.processor;
            let new: BTreeMap<&str, u64> = counts.steps.iter().map(|(name, instructions)| (name.as_str(), *instructions)).collect();
            for (name, row) in &self.0 {
                match (row.get(processor).copied(), new.get(name.as_str()).copied()) {
                    (Some(old), Some(new)) if new * 100 > old * (100 + TOLERANCE) => {
                        let percent = 100.0 * (new as f64 / old as f64 - 1.0);
                        complaints.push(format!("{processor}: {name} takes {} instructions, {} before: {percent:.1} % more", grouped(new), grouped(old)));
                    }
                    (Some(old), Some(new)) => fewer += usize::from(new * (100 + TOLERANCE) < old * 100),
                    (Some(_), None) => complaints.push(format!("{processor}: {name} is in {FILE}, but was not run")),
                    (None, Some(_)) => complaints.push(format!("{processor}: {name} is not in {FILE}")),
                    (None, None) => {}
                }
            }
            let known = |name: &String| self.0.iter().any(|(stored, _)| stored == name);
            let unknown = counts.steps.iter().filter(|(name, _)| !known(name));
            complaints.extend(unknown.map(|(name, _)| format!("{processor}: {name} is not in {FILE}")));
        }
        if fewer > 0 {
            println!("{fewer} steps take fewer instructions than in {FILE} by more than {TOLERANCE} %: `cargo xtask count --bless` holds them to that");
        }
        if !complaints.is_empty() {
            complaints.push("where that is meant to be so, `cargo xtask count --bless` stores the new counts".to_owned());
        }
        complaints
    }
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// Counts that nothing ran for.
    pub fn counts(processor: &'static str, steps: &[(&str, u64)]) -> Counts {
        Counts {
            processor,
            steps: steps.iter().map(|&(name, count)| (name.to_owned(), count)).collect(),
            run: "hrvit run: machine=m unit=instructions clock_hz=0 network=nano size=32x32 steps=2 frames=1 arena=1 weights=mapped probe=0".parse().unwrap(),
            document: Value::Null,
            elf: PathBuf::new(),
            log: PathBuf::new(),
        }
    }

    fn stored() -> Stored {
        let mut stored = Stored::default();
        stored.put(&counts("m55", &[("stem", 1000), ("a step", 50), (FRAME, 1100)]));
        stored.put(&counts("max", &[("stem", 10), ("a step", 20), (FRAME, 31)]));
        stored
    }

    #[test]
    fn what_is_written_is_read_in_the_same_order() {
        assert_eq!(Stored::parse(&stored().text()).unwrap(), stored());
        assert_eq!(stored().0[0].0, "stem");
    }

    #[test]
    fn three_percent_more_pass_and_one_more_fails_with_both_numbers() {
        assert_eq!(stored().compare(&[counts("m55", &[("stem", 1030), ("a step", 1), (FRAME, 1100)])]), [] as [String; 0]);
        let complaints = stored().compare(&[counts("m55", &[("stem", 1031), ("a step", 50), (FRAME, 1100)])]);
        assert_eq!(complaints[0], "m55: stem takes 1,031 instructions, 1,000 before: 3.1 % more");
    }

    #[test]
    fn a_step_that_is_missing_or_new_is_named() {
        let complaints = stored().compare(&[counts("m55", &[("stem", 1000), ("another", 5), (FRAME, 1100)])]);
        assert!(complaints[0].starts_with("m55: a step is in ") && complaints[1].starts_with("m55: another is not in "), "{complaints:?}");
        let complaints = stored().compare(&[counts("m7", &[("stem", 1)])]);
        assert!(complaints[0].starts_with("m7: stem is not in "), "{complaints:?}");
    }

    #[test]
    fn one_processor_is_stored_beside_the_others() {
        let mut changed = stored();
        changed.put(&counts("m55", &[("stem", 7), (FRAME, 8)]));
        assert_eq!(changed.0.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["stem", FRAME]);
        assert_eq!(changed.0[0].1, Row::from([("m55".to_owned(), 7), ("max".to_owned(), 10)]));
    }
}
