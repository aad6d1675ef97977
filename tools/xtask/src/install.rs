//! Installs the programs that a bare Debian machine with rustup lacks.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::command;

/// The compiler that has Miri and the sanitizers; by date, so that it says the same tomorrow.
pub const NIGHTLY: &str = "nightly-2026-03-01";

/// Installs the Debian packages of those `programs` that are missing. Each is a program and the
/// package that has it.
///
/// # Errors
/// If a program is missing and cannot be installed; says which and how to install it by hand.
pub fn programs(programs: &[(&str, &str)]) -> Result<()> {
    let missing: Vec<_> = programs.iter().filter(|(program, _)| !is_there(program)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    let names: Vec<&str> = missing.iter().map(|(program, _)| *program).collect();
    let by_hand = format!("{} missing: install the Debian packages {} (or your system's)", names.join(", "), packages.join(" "));
    ensure!(is_there("apt-get"), "{by_hand}");
    eprintln!("installing {}", packages.join(" "));
    let apt = |words: &[&str]| -> Result<String> {
        let root = command::succeed(Command::new("id").arg("-u"))?.trim() == "0";
        let mut apt = Command::new(if root { "apt-get" } else { "sudo" });
        if !root {
            apt.args(["-n", "apt-get"]);
        }
        command::succeed(apt.args(words).env("DEBIAN_FRONTEND", "noninteractive"))
    };
    apt(&["update", "-q"]).with_context(|| by_hand.clone())?;
    apt(&[&["install", "-q", "-y", "--no-install-recommends"], &packages[..]].concat()).with_context(|| by_hand.clone())?;
    for name in names {
        ensure!(is_there(name), "{name} is still missing after installing {}", packages.join(" "));
    }
    Ok(())
}

/// Whether a program is in the search path.
fn is_there(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(program).is_file())
}

/// Installs the targets of the repository's toolchain that are missing.
///
/// # Errors
/// If rustup cannot be started or has no such target.
pub fn targets(root: &Path, targets: &[&str]) -> Result<()> {
    let installed = command::succeed(Command::new("rustup").args(["target", "list", "--installed"]).current_dir(root))?;
    let missing: Vec<&str> = targets.iter().copied().filter(|target| !installed.lines().any(|line| line == *target)).collect();
    if !missing.is_empty() {
        command::succeed(Command::new("rustup").args(["target", "add"]).args(&missing).current_dir(root))?;
    }
    Ok(())
}

/// Installs a toolchain with components, unless it is there.
///
/// # Errors
/// If rustup cannot be started or has no such toolchain.
pub fn toolchain(name: &str, components: &[&str]) -> Result<()> {
    let listed = command::output(Command::new("rustup").args(["component", "list", "--installed", "--toolchain", name]))?;
    let installed = String::from_utf8_lossy(&listed.stdout);
    let there = |component: &&str| installed.lines().any(|line| line == *component || line.starts_with(&format!("{component}-")));
    if listed.status.success() && components.iter().all(there) {
        return Ok(());
    }
    let mut install = Command::new("rustup");
    install.args(["toolchain", "install", name, "--profile", "minimal", "--no-self-update", "--component", &components.join(",")]);
    command::succeed(&mut install).map(drop)
}
