//! Which lines and regions of the project a target's corpus reaches.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use comfy_table::Table;
use serde::{Deserialize, Serialize};

use super::{Folders, MEMORY, PATIENCE, Target, build};
use crate::command;
use crate::firmware::build::target_folder;
use crate::hrvit::path_text;
use crate::tables::table;

/// Shown file by file: what reads bytes that nobody vouches for.
const IN_DETAIL: &str = "crates/hrvit-format";

/// Reached among all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Count {
    covered: u64,
    count: u64,
}

impl Count {
    fn plus(self, other: Self) -> Self {
        Self { covered: self.covered + other.covered, count: self.count + other.count }
    }

    fn percent(self) -> f64 {
        100.0 * self.covered as f64 / self.count.max(1) as f64
    }
}

/// Lines and regions of a file or package.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
struct Counts {
    lines: Count,
    regions: Count,
}

/// Code that a corpus reaches.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Coverage {
    /// By file of the package shown in detail, by package elsewhere.
    parts: BTreeMap<String, Counts>,
}

impl Coverage {
    /// One row a part.
    pub fn table(&self) -> Table {
        let mut rows = table(&["reached", "lines", "of", "%", "regions", "of", "%"]);
        for (name, Counts { lines, regions }) in &self.parts {
            let cells = |count: &Count| [count.covered.to_string(), count.count.to_string(), format!("{:.1}", count.percent())];
            rows.add_row([name.clone()].into_iter().chain(cells(lines)).chain(cells(regions)));
        }
        rows
    }
}

/// `llvm-cov export --summary-only`.
#[derive(Deserialize)]
struct Export {
    data: Vec<Unit>,
}

#[derive(Deserialize)]
struct Unit {
    files: Vec<Source>,
}

#[derive(Deserialize)]
struct Source {
    filename: PathBuf,
    summary: Counts,
}

/// Runs a target that counts on every input of its corpus, once.
///
/// # Errors
/// If there is no corpus, the target does not build, or an input breaks it.
pub fn measure(cargo_fuzz: &Path, target: &Target, folders: &Folders) -> Result<Coverage> {
    let empty = std::fs::read_dir(&folders.corpus).with_context(|| format!("reading {}", folders.corpus.display()))?.next().is_none();
    ensure!(!empty, "{} is empty: run with --minutes first", folders.corpus.display());
    let program = build::counting(&folders.root, cargo_fuzz, target.name)?;
    let counters = target_folder(&folders.root).join("fuzz-coverage").join(format!("{}.profraw", target.name));
    let merged = counters.with_extension("profdata");
    if counters.exists() {
        std::fs::remove_file(&counters).with_context(|| format!("removing {}", counters.display()))?;
    }
    let mut fuzzer = std::process::Command::new(&program);
    // No new inputs: those of the folders, each once.
    fuzzer.arg("-runs=0").arg(format!("-max_len={}", target.longest)).arg(format!("-timeout={PATIENCE}")).arg(format!("-rss_limit_mb={MEMORY}"));
    fuzzer.arg(&folders.corpus).args(&folders.seeds);
    command::succeed(fuzzer.current_dir(&folders.root).env("LLVM_PROFILE_FILE", &counters))?;
    let tools = tools()?;
    let tool = |name: &str| std::process::Command::new(tools.join(name));
    command::succeed(tool("llvm-profdata").args(["merge", "--sparse", "--output", path_text(&merged)?, path_text(&counters)?]))?;
    let mut export = tool("llvm-cov");
    export.args(["export", "--summary-only", "--instr-profile", path_text(&merged)?, path_text(&program)?]);
    let export = serde_json::from_str(&command::succeed(&mut export)?).context("reading what llvm-cov exports")?;
    let coverage = sum(&folders.root, &export);
    ensure!(!coverage.parts.is_empty(), "llvm-cov names no file of {}", folders.root.display());
    Ok(coverage)
}

/// The folder with the nightly toolchain's LLVM tools.
fn tools() -> Result<PathBuf> {
    let libraries = command::succeed(build::nightly("rustc").args(["--print", "target-libdir"]))?;
    let folder = Path::new(libraries.trim()).parent().context("the target's libraries lie in a folder")?.join("bin");
    ensure!(folder.join("llvm-cov").is_file(), "no llvm-cov in {}: install the component llvm-tools", folder.display());
    Ok(folder)
}

/// Adds up files of the repository; others are not the project's.
fn sum(root: &Path, export: &Export) -> Coverage {
    let mut parts: BTreeMap<String, Counts> = BTreeMap::new();
    for Source { filename, summary } in export.data.iter().flat_map(|unit| &unit.files) {
        let Ok(path) = filename.strip_prefix(root) else { continue };
        let part = parts.entry(part(path)).or_default();
        *part = Counts { lines: part.lines.plus(summary.lines), regions: part.regions.plus(summary.regions) };
    }
    Coverage { parts }
}

/// The file where its package is shown in detail, the package elsewhere: what comes before `src`.
fn part(path: &Path) -> String {
    let package: PathBuf = path.iter().take_while(|name| *name != "src").collect();
    let detail = package == Path::new(IN_DETAIL);
    if detail { path } else { &package }.display().to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_the_readers_are_listed_and_other_packages_added_up() {
        let count = |covered| format!(r#"{{"lines":{{"count":10,"covered":{covered},"percent":0}},"regions":{{"count":4,"covered":2}}}}"#);
        let file = |name: &str, covered| format!(r#"{{"filename":"{name}","summary":{}}}"#, count(covered));
        let files = [
            file("/r/crates/hrvit-format/src/a.rs", 1),
            file("/r/crates/hrvit-format/src/b/c.rs", 2),
            file("/r/crates/hrvit-core/src/a.rs", 3),
            file("/r/crates/hrvit-core/src/b.rs", 4),
            file("/elsewhere/src/lib.rs", 5),
        ];
        let export: Export = serde_json::from_str(&format!(r#"{{"data":[{{"files":[{}]}}]}}"#, files.join(","))).unwrap();
        let counts = |covered, files: u64| {
            let lines = Count { covered, count: 10 * files };
            Counts { lines, regions: Count { covered: 2 * files, count: 4 * files } }
        };
        let expected = [("crates/hrvit-core", counts(7, 2)), ("crates/hrvit-format/src/a.rs", counts(1, 1)), ("crates/hrvit-format/src/b/c.rs", counts(2, 1))];
        let expected = expected.map(|(name, counts)| (name.to_owned(), counts)).into();
        let coverage = sum(Path::new("/r"), &export);
        assert_eq!(coverage.parts, expected);
        assert!(coverage.table().to_string().contains("35.0"));
    }
}
