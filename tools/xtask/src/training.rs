//! The tests of the training recipe, where Python has what they need.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

/// What `tools/train` imports.
const IMPORTS: &str = "import torch, numpy, PIL, safetensors";

/// Runs the tests in `tools/train`. What does not run here, all of them or one, is said on standard error: `SKIPPED training recipe: …`.
pub fn run(root: &Path) -> Result<Vec<String>> {
    let skipped = |why: &str| eprintln!("SKIPPED training recipe: {why}; see tools/train/README.md");
    match Command::new("python3").args(["-c", IMPORTS]).output() {
        Err(error) => {
            skipped(&format!("starting python3: {error}"));
            return Ok(Vec::new());
        }
        Ok(probe) if !probe.status.success() => {
            skipped(String::from_utf8_lossy(&probe.stderr).trim_end().lines().last().unwrap_or("python3 cannot import torch"));
            return Ok(Vec::new());
        }
        Ok(_) => {}
    }
    let folder = root.join("tools/train");
    let words = ["-m", "unittest", "discover", "-v", "-s", "tests", "-t", "."];
    let output = Command::new("python3").args(words).current_dir(folder).output().context("starting python3")?;
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
    ensure!(output.status.success(), "$ python3 {}, in tools/train\n{}", words.join(" "), text.trim_end());
    text.lines().filter(|line| line.contains("... skipped")).for_each(skipped);
    Ok(Vec::new())
}
