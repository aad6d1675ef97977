//! `cargo xtask`: what people and CI both run.

mod checks;
mod command;
mod firmware;
mod install;
mod lint;
mod machines;
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
    /// Build the firmware: sizes, budgets, no way from the runtime to a panic
    #[command(after_help = "Example:\n  cargo xtask firmware --all")]
    Firmware {
        /// Build the programs of the boards in full too, instead of checking that they compile
        #[arg(long)]
        all: bool,
    },
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
    match Cli::parse().task {
        Task::Test => report::run(&root, &checks::all()),
        Task::Lint => report::run(&root, &checks::source_rules()),
        Task::Firmware { all } => Ok(none_of(&firmware::run(&root, all)?)),
    }
}

/// Prints what is wrong; `true` if nothing is.
fn none_of(complaints: &[String]) -> bool {
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    complaints.is_empty()
}

/// The repository's root, two folders above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).context("xtask lies two folders below the root")?;
    Ok(root.to_path_buf())
}
