//! Building a target, and installing what that takes.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::OF_THE_TOOL;
use crate::firmware::build::target_folder;
use crate::install::{self, NIGHTLY};
use crate::{command, hrvit::path_text};

/// The release of cargo-fuzz, which knows the compiler's options for libFuzzer.
const CARGO_FUZZ: &str = "0.13.2";

/// Installs a C++ compiler (libFuzzer is C++), the nightly compiler and cargo-fuzz, where they are
/// missing; returns the last.
///
/// # Errors
/// If one cannot be installed.
pub fn install(root: &Path, coverage: bool) -> Result<PathBuf> {
    compiler()?;
    install::toolchain(NIGHTLY, if coverage { &["rust-src", "llvm-tools"] } else { &["rust-src"] })?;
    let folder = target_folder(root).join("cargo-fuzz");
    let program = folder.join("bin/cargo-fuzz");
    let there = program.is_file() && command::succeed(Command::new(&program).arg("--version"))?.trim().ends_with(CARGO_FUZZ);
    if !there {
        eprintln!("installing cargo-fuzz {CARGO_FUZZ} in {}", folder.display());
        let mut cargo = Command::new("cargo");
        cargo.current_dir(root).args(["install", "cargo-fuzz", "--locked", "--force", "--version", CARGO_FUZZ, "--root", path_text(&folder)?]);
        // Not where the repository's own options put builds.
        command::succeed(cargo.env_remove("CARGO_TARGET_DIR"))?;
    }
    Ok(program)
}

/// Installs the C++ compiler that libFuzzer is built with, unless it is there or `CXX` names one.
///
/// # Errors
/// If it cannot be installed.
pub fn compiler() -> Result<()> {
    if std::env::var_os("CXX").is_some() { Ok(()) } else { install::programs(&[("c++", "g++")]) }
}

/// A program with the arguments that follow, from the nightly toolchain: what the repository's own
/// says to its children is not meant for this one.
pub fn nightly(program: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", NIGHTLY, program]);
    for name in ["CARGO", "RUSTC", "RUSTUP_TOOLCHAIN", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS"] {
        command.env_remove(name);
    }
    command
}

/// Builds a target with the release profile for libFuzzer and AddressSanitizer; returns the
/// program.
///
/// # Errors
/// If it does not build.
pub fn fuzzer(root: &Path, cargo_fuzz: &Path, target: &str) -> Result<PathBuf> {
    eprintln!("building {target} with libFuzzer and AddressSanitizer");
    build(root, cargo_fuzz, target, &target_folder(root).join("fuzz"), &["--sanitizer", "address"], "")
}

/// Builds a target that counts what it reaches, without a sanitizer; returns the program.
///
/// # Errors
/// If it does not build.
pub fn counting(root: &Path, cargo_fuzz: &Path, target: &str) -> Result<PathBuf> {
    eprintln!("building {target} with counters of its coverage");
    build(root, cargo_fuzz, target, &target_folder(root).join("fuzz-coverage"), &["--sanitizer", "none"], "-Cinstrument-coverage")
}

fn build(root: &Path, cargo_fuzz: &Path, target: &str, folder: &Path, options: &[&str], flags: &str) -> Result<PathBuf> {
    let host = host()?;
    let mut cargo = nightly(path_text(cargo_fuzz)?);
    cargo.current_dir(root).args(["build", "--fuzz-dir", "fuzz", "--target", &host, "--target-dir", path_text(folder)?]);
    if !OF_THE_TOOL.contains(&target) {
        cargo.arg("--no-default-features");
    }
    command::succeed(cargo.args(options).arg(target).env("RUSTFLAGS", flags))?;
    let program = folder.join(host).join("release").join(target);
    ensure!(program.is_file(), "cargo-fuzz built no {}", program.display());
    Ok(program)
}

/// The nightly compiler's own target.
///
/// # Errors
/// If it does not say.
pub fn host() -> Result<String> {
    let said = command::succeed(nightly("rustc").arg("-vV"))?;
    let host = said.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc -vV names the host")?;
    Ok(host.to_owned())
}
