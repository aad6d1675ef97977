//! The command line.

use std::io::Write;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::commands::{bench, demo, doctor, eval, inspect, live, pack, pack_clip, paper, plan, profile, quantize, report, run, send, synth};
use crate::decoding::MaxPixels;
use crate::files;
use crate::output::{self, Format, ReaderGone};

/// Quantise, run, evaluate and inspect HRViT models for embedded devices.
#[derive(Debug, Parser)]
#[command(name = "hrvit", version, about, propagate_version = true)]
pub struct Cli {
    /// Print one JSON document instead of tables
    #[arg(long, global = true)]
    json: bool,
    /// Refuse frames and label maps of more pixels, before they take memory
    #[arg(long, global = true, value_name = "N", default_value_t = MaxPixels::DEFAULT, value_parser = clap::value_parser!(u64).range(1..))]
    max_pixels: u64,
    /// Command; `demo` if none is given
    #[command(subcommand)]
    command: Option<Command>,
}

/// The subcommands.
#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::BenchArgs),
    Demo(demo::DemoArgs),
    Doctor(doctor::DoctorArgs),
    Eval(eval::EvalArgs),
    Inspect(inspect::InspectArgs),
    Live(live::LiveArgs),
    Pack(pack::PackArgs),
    PackClip(pack_clip::PackClipArgs),
    Paper(paper::PaperArgs),
    Plan(plan::PlanArgs),
    Profile(profile::ProfileArgs),
    Quantize(quantize::QuantizeArgs),
    Report(report::ReportArgs),
    Run(run::RunArgs),
    Send(send::SendArgs),
    Synth(synth::SynthArgs),
}

/// Parses the process's arguments and runs the command; errors go to standard error with their
/// causes.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    match files::remove_on_signals().and_then(|()| execute(&cli)) {
        Ok(()) => ExitCode::SUCCESS,
        // `hrvit … | head` has what it wants.
        Err(error) if error.is::<ReaderGone>() => ExitCode::SUCCESS,
        Err(error) => {
            let left = files::left().map_or_else(String::new, |left| format!("written before the error, and whole: {left}\n"));
            // A failure to write is ignored: nobody reads the stream.
            let _ = write!(std::io::stderr(), "error: {error:#}\n{left}");
            ExitCode::FAILURE
        }
    }
}

/// Runs a parsed command line.
///
/// # Errors
/// Any error of the command.
pub fn execute(cli: &Cli) -> Result<()> {
    MaxPixels(cli.max_pixels).set();
    let format = if cli.json { Format::Json } else { Format::Text };
    match &cli.command {
        None => demo::run(&demo::DemoArgs::default(), format),
        Some(Command::Bench(args)) => bench::run(args, format),
        Some(Command::Demo(args)) => demo::run(args, format),
        Some(Command::Doctor(args)) => doctor::run(args, format),
        Some(Command::Eval(args)) => eval::run(args, format),
        Some(Command::Inspect(args)) => inspect::run(args, format),
        Some(Command::Live(args)) => live::run(args, format),
        Some(Command::Pack(args)) => pack::run(args, format),
        Some(Command::PackClip(args)) => pack_clip::run(args, format),
        Some(Command::Paper(args)) => paper::run(args, format),
        Some(Command::Plan(args)) => plan::run(args, format),
        Some(Command::Profile(args)) => profile::run(args, format),
        Some(Command::Quantize(args)) => quantize::run(args, format),
        Some(Command::Report(args)) => report::run(args, format),
        Some(Command::Run(args)) => run::run(args, format),
        Some(Command::Send(args)) => send::run(args, format),
        Some(Command::Synth(args)) => synth::run(args, format),
    }
}

/// Runs the command with these arguments, without the program's name, in this process; returns the
/// JSON document that it prints with `--json`. Warnings and progress go to standard error.
///
/// # Errors
/// If the arguments are none of the command, and whatever it says.
pub fn document(arguments: &[String]) -> Result<String> {
    let words = ["hrvit", "--json"].into_iter().chain(arguments.iter().map(String::as_str));
    let cli = Cli::try_parse_from(words)?;
    let (done, printed) = output::captured(|| execute(&cli));
    done?;
    String::from_utf8(printed).context("what the command printed")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn arguments_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_command_in_this_process_gives_its_document() {
        let words = ["inspect", "--variant", "nano", "--head", "segformer", "--classes", "11", "--size", "192x256"];
        let text = document(&words.map(str::to_owned)).unwrap();
        assert!(text.starts_with('{') && text.ends_with("}\n"), "{text}");
        assert!(document(&["inspekt".to_owned()]).unwrap_err().to_string().contains("inspekt"));
    }
}
