//! The tests of what is written in Python, where this machine has what they need.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::made::Made;

/// Modules that `tools/train` imports.
const IMPORTS: &str = "import torch, numpy, PIL, safetensors";

/// Page that tells the tests' needs.
const HELP: &str = "see tools/train/README.md";

/// Runs the tests in `tools/train`, as far as this machine's `python3` can.
pub fn run(root: &Path) -> Result<Made> {
    let probe = match Command::new("python3").args(["-c", IMPORTS]).output() {
        Err(error) => return Ok(Made::Nothing(format!("starting python3: {error}; {HELP}"))),
        Ok(probe) => probe,
    };
    if !probe.status.success() {
        let said = String::from_utf8_lossy(&probe.stderr);
        return Ok(Made::Nothing(format!("{}; {HELP}", said.trim_end().lines().last().unwrap_or("python3 cannot import torch"))));
    }
    discover(root, "tools/train")
}

/// Runs the tests in `tools/peers/arm`, which need Python's standard library alone.
pub fn peers(root: &Path) -> Result<Made> {
    match Command::new("python3").arg("--version").output() {
        Err(error) => Ok(Made::Nothing(format!("starting python3: {error}"))),
        Ok(_) => discover(root, "tools/peers/arm"),
    }
}

/// Runs the tests in a folder's `tests`.
fn discover(root: &Path, folder: &str) -> Result<Made> {
    let words = ["-m", "unittest", "discover", "-v", "-s", "tests", "-t", "."];
    let output = Command::new("python3").args(words).current_dir(root.join(folder)).output().context("starting python3")?;
    let text = [output.stdout.as_slice(), output.stderr.as_slice()].map(String::from_utf8_lossy).concat();
    ensure!(output.status.success(), "$ python3 {}, in {folder}\n{}", words.join(" "), text.trim_end());
    Ok(made(&text))
}

/// Extent of a run without failures, by unittest's report `text`.
fn made(text: &str) -> Made {
    let skipped: Vec<String> = text.lines().filter(|line| line.contains("... skipped ")).map(str::to_owned).collect();
    let ran = text.lines().find_map(|line| line.strip_prefix("Ran ")?.split(' ').next()?.parse().ok()).unwrap_or(0);
    match skipped.len() {
        _ if ran == 0 => Made::Nothing(format!("unittest ran no test; {HELP}")),
        0 => Made::All,
        count if count == ran => Made::Nothing(format!("all {ran} tests; {HELP}")),
        _ => Made::Part(skipped),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ONNX: &str = "test_onnx_equals (tests.test_onnx.Onnx.test_onnx_equals) ... skipped 'not installed: onnx'";

    #[test]
    fn a_report_without_skips_is_whole() {
        assert_eq!(made("test_a (tests.A.test_a) ... ok\n\nRan 1 test in 0.1s\n\nOK\n"), Made::All);
    }

    #[test]
    fn one_skipped_test_is_named() {
        let made = made(&format!("test_a (tests.A.test_a) ... ok\n{ONNX}\n\nRan 2 tests in 0.1s\n\nOK (skipped=1)\n"));
        assert_eq!(made, Made::Part(vec![ONNX.to_owned()]));
        assert_eq!(made.word(), "ok, 1 SKIPPED");
    }

    #[test]
    fn only_skipped_tests_are_nothing() {
        let made = made(&format!("{ONNX}\n\nRan 1 test in 0.1s\n\nOK (skipped=1)\n"));
        assert_eq!((made.word().as_str(), made.skipped().len()), ("SKIPPED", 1));
    }

    #[test]
    fn no_test_at_all_is_nothing() {
        assert_eq!(made("\nRan 0 tests in 0.0s\n\nOK\n").word(), "SKIPPED");
    }
}
