//! `hrvit doctor`: what is hard about a checkpoint.

use std::path::{Path, PathBuf};

use anyhow::Result;
use clap::Args;
use hrvit_reference::Checkpoint;
use serde::Serialize;

use crate::doctor::{self, Finding, Severity};
use crate::output::{self, Format};
use crate::selection::{self, SelectionArgs};
use crate::spec_file::NetworkArgs;

/// Look at a checkpoint for what will be hard to quantise, and why
///
/// Needs no frames: it judges weights and running statistics alone. A "harmless" finding costs
/// nothing and is said because it looks odd; "watch" may cost accuracy in 8 bits; "hard" will. Only
/// calibration tells what ranges tensors really have: `hrvit quantize` warns of those, and measures
/// what they cost.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hrvit doctor --weights models/nano_camvid11.safetensors --variant nano --head segformer --classes 11")]
pub struct DoctorArgs {
    /// Checkpoint (.safetensors or .pth)
    #[arg(long, value_name = "CKPT")]
    weights: PathBuf,
    #[command(flatten)]
    selection: SelectionArgs,
    /// Leave out tensors of the checkpoint of this name; * stands for any characters. Heads that
    /// serve training alone (auxiliary_head) are left out anyway
    #[arg(long, value_name = "GLOB", requires = "weights", alias = "ignore")]
    ignore_tensor: Vec<String>,
    #[command(flatten)]
    network: NetworkArgs,
    /// Show what is harmless too
    #[arg(long)]
    all: bool,
}

#[derive(Serialize)]
struct Outcome<'a> {
    weights: &'a Path,
    tensors: usize,
    findings: &'a [Finding],
}

/// Runs the command.
///
/// # Errors
/// If the options name no network, or the checkpoint does not fit it or has values that are not
/// finite.
pub fn run(args: &DoctorArgs, format: Format) -> Result<()> {
    let checkpoint = Checkpoint::read_selected(&args.weights, &args.network.network()?, &args.selection.selection(&args.ignore_tensor))?;
    selection::say(&args.weights, &checkpoint);
    let findings = doctor::examine(&checkpoint);
    let tensors = checkpoint.iter().count();
    if format == Format::Json {
        return output::print_json(&Outcome { weights: &args.weights, tensors, findings: &findings });
    }
    let count = |severity| findings.iter().filter(|finding| finding.severity == severity).count();
    let least = if args.all { Severity::Harmless } else { Severity::Watch };
    let mut table = output::table(&["", "tensor", "what", "why"], 4);
    for finding in findings.iter().filter(|finding| finding.severity >= least) {
        table.add_row([finding.severity.to_string(), finding.tensor.clone(), finding.what.clone(), finding.why.clone()]);
    }
    if table.row_count() > 0 {
        output::print_text(table)?;
    }
    let harmless = count(Severity::Harmless);
    let hidden = if harmless > 0 && !args.all { " (--all shows them)" } else { "" };
    output::print_text(format_args!(
        "{}: {tensors} tensors; {} hard, {} to watch, {harmless} odd but harmless{hidden}",
        args.weights.display(),
        count(Severity::Hard),
        count(Severity::Watch),
    ))
}
