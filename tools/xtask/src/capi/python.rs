//! Python: the wheel of `tools/python`, installed in an environment of its own, its tests and its
//! example.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::programs::labels_crc;
use crate::command;
use crate::firmware::build::target_folder;

/// Programs and modules that the wheel is made, tested and used with.
const PACKAGES: [&str; 2] = ["maturin>=1.9,<2", "numpy>=1.23"];

/// Folder of the environment below the target folder.
const ENVIRONMENT: &str = "python-venv";

/// Folder of the environment's programs.
pub fn programs(root: &Path) -> PathBuf {
    target_folder(root).join(ENVIRONMENT).join("bin")
}

/// A program of the environment.
pub fn program(root: &Path, name: &str) -> PathBuf {
    programs(root).join(name)
}

/// Makes an environment with `packages`, unless it is there; else says why there is none.
///
/// # Errors
/// The reason, as a sentence.
pub fn environment(root: &Path, packages: &[&str]) -> Result<(), String> {
    let lacks = |what: &str, error: anyhow::Error| format!("{what}: {error:#}");
    let python = program(root, "python");
    if !python.is_file() {
        let mut make = Command::new("python3");
        make.args(["-m", "venv"]).arg(target_folder(root).join(ENVIRONMENT));
        command::succeed(&mut make).map_err(|error| lacks("Python: no environment can be made (python3, python3-venv)", error))?;
    }
    let names: Vec<&str> = packages.iter().map(|package| package.split(['>', '<', '=']).next().unwrap_or(package)).collect();
    if command::succeed(Command::new(&python).args(["-m", "pip", "show", "--quiet"]).args(&names)).is_ok() {
        return Ok(());
    }
    let mut pip = Command::new(&python);
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages);
    command::succeed(&mut pip).map(drop).map_err(|error| lacks("Python: PyPI cannot be reached", error))
}

/// Makes the wheel; returns its path.
///
/// # Errors
/// If it does not build.
pub fn wheel(root: &Path) -> Result<PathBuf> {
    let folder = target_folder(root).join("wheels");
    if folder.is_dir() {
        std::fs::remove_dir_all(&folder).with_context(|| format!("removing {}", folder.display()))?;
    }
    let mut maturin = Command::new(program(root, "maturin"));
    maturin.current_dir(root).args(["build", "--release", "--locked", "--quiet", "--manifest-path", "tools/python/Cargo.toml", "--interpreter"]);
    command::succeed(maturin.arg(program(root, "python")).arg("--out").arg(&folder))?;
    let made = std::fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
    let mut wheels = made.map(|entry| Ok(entry?.path())).collect::<std::io::Result<Vec<_>>>()?;
    ensure!(wheels.len() == 1, "maturin made {} wheels, expected one", wheels.len());
    wheels.pop().context("one wheel")
}

/// Makes and installs the wheel, runs its tests and the example; returns what that printed, and the
/// CRC. `Err` inside: why it cannot be made here.
///
/// # Errors
/// If it does not build, or a test fails.
pub fn run(root: &Path, hrvit: &Path, model: &Path) -> Result<Result<(String, u32), String>> {
    if let Err(reason) = environment(root, &PACKAGES) {
        return Ok(Err(reason));
    }
    let wheel = wheel(root)?;
    let python = || {
        let mut python = Command::new(program(root, "python"));
        python.current_dir(root).env("HRVIT", hrvit).env("HRVIT_MODEL", model);
        python
    };
    let install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps", "--no-index", "--force-reinstall"];
    command::succeed(python().args(install).arg(&wheel))?;
    command::succeed(python().arg("tools/python/tests/test_hrvit.py"))?;
    Ok(Ok(labels_crc(python().arg("examples/python/segment.py").arg(model))?))
}
