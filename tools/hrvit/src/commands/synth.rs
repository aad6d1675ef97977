//! `hrvit synth`: weights without training.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use hrvit_reference::Checkpoint;
use serde::Serialize;

use crate::output::{self, Format};
use crate::spec_file::NetworkArgs;

/// Write a checkpoint of pseudo-random weights that follow from the tensors' names and a seed
///
/// Such a network recognises nothing, but has the shapes, the cost and plausible ranges of a
/// trained one: for benchmarks, memory plans and tests.
#[derive(Args, Debug)]
#[command(after_help = "Example:\n  hrvit synth --variant b1 --head segformer --classes 19 --seed 1 --out b1.safetensors")]
pub struct SynthArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Any number; the same one gives the same weights on every machine
    #[arg(long, value_name = "S")]
    seed: u64,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a PathBuf,
    seed: u64,
    tensors: usize,
    params: u64,
}

/// Runs the command.
///
/// # Errors
/// If the options name no network or the file cannot be written.
pub fn run(args: &SynthArgs, format: Format) -> Result<()> {
    let network = args.network.network()?;
    output::probe(&args.out)?;
    let checkpoint = Checkpoint::synthetic(&network, args.seed)?;
    output::write_file(&args.out, &checkpoint.to_safetensors()?)?;
    let params = hrvit_reference::parameters(&network).iter().filter(|tensor| tensor.is_learnt()).map(|tensor| tensor.count() as u64).sum();
    let report = Report { file: &args.out, seed: args.seed, tensors: checkpoint.iter().count(), params };
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => {
            output::print_text(format_args!("{}: {} tensors, {} parameters, seed {}", args.out.display(), report.tensors, output::grouped(params), args.seed))
        }
    }
}
