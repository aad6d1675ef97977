//! The command line.

use std::process::ExitCode;

use anyhow::Result;
use clap::{Parser, Subcommand};

use crate::commands::{eval, inspect, run, synth};
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
    Eval(eval::EvalArgs),
    Inspect(inspect::InspectArgs),
    Run(run::RunArgs),
    Synth(synth::SynthArgs),
}

/// Parses the process's arguments and runs the command; errors go to standard error with their causes.
pub fn main() -> ExitCode {
    match execute(&Cli::parse()) {
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
pub fn execute(cli: &Cli) -> Result<()> {
    let format = if cli.json { Format::Json } else { Format::Text };
    match &cli.command {
        Command::Eval(args) => eval::run(args, format),
        Command::Inspect(args) => inspect::run(args, format),
        Command::Run(args) => run::run(args, format),
        Command::Synth(args) => synth::run(args, format),
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
