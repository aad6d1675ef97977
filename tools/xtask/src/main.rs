//! `cargo xtask`: what people and CI both run.

mod checks;
mod lint;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

/// Repository tasks that people and CI share.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold before a change is handed in: formatting, clippy, all tests, no_std builds, source rules
    Test,
    /// The source rules only
    Lint,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Whether the task found everything in order.
fn run() -> Result<bool> {
    let root = root()?;
    let checks = match Cli::parse().task {
        Task::Test => checks::all(),
        Task::Lint => checks::source_rules(),
    };
    report::run(&root, &checks)
}

/// The repository's root, two folders above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).context("xtask lies two folders below the root")?;
    Ok(root.to_path_buf())
}
