//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::inspect;
use crate::output::Format;

/// Quantise, run, evaluate and inspect HRViT models for embedded devices.
#[derive(Debug, Parser)]
#[command(name = "hrvit", version, about, propagate_version = true)]
pub struct Cli {
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// What to do
    #[command(subcommand)]
    command: Command,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    Inspect(inspect::InspectArgs),
}

/// Parses the process's arguments and runs the command; errors go to standard error with their causes.
pub fn main() -> ExitCode {
    match run(&Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a parsed command line.
///
/// # Errors
/// Whatever the command says.
pub fn run(cli: &Cli) -> Result<()> {
    let format = if cli.json { Format::Json } else { Format::Text };
    match &cli.command {
        Command::Inspect(args) => inspect::run(args, format),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }
}
