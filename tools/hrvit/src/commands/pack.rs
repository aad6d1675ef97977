//! `hrvit pack`: the same model with its weights in the order that a target's kernels read.

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use hrvit_format::{ModelBuf, Packing, writer::repack};
use serde::Serialize;

use crate::output::{self, Format};

/// Pack a model image's weights for a target
///
/// The model's results do not change by a bit, nor do its sequence number and its golden frame.
/// Cortex-M (MVE, DSP) and plain code read `rows`, x86-64 and AArch64 with dot products
/// `k4`, AArch64 with matrix products (i8mm) `k8`. The device refuses a packing that its kernels
/// cannot read fast.
#[derive(Args, Debug)]
#[command(after_help = "Example:
  hrvit pack --model nano.hrvit --layout k4 --out nano.k4.hrvit")]
pub struct PackArgs {
    /// Model image in any packing
    #[arg(long, value_name = "M.hrvit")]
    model: PathBuf,
    /// Order of the weights
    #[arg(long, value_parser = PossibleValuesParser::new(Packing::ALL.map(Packing::name)).try_map(|name| name.parse::<Packing>()))]
    layout: Packing,
    /// File to write
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
}

#[derive(Serialize)]
struct Report<'a> {
    file: &'a PathBuf,
    from: &'static str,
    to: &'static str,
    bytes_before: usize,
    bytes: usize,
}

/// Runs the command.
///
/// # Errors
/// If the model is no valid image, or the file cannot be written.
pub fn run(args: &PackArgs, format: Format) -> Result<()> {
    output::probe(&args.out)?;
    let image = ModelBuf::read(&args.model)?;
    let model = image.model();
    let packing = args.layout;
    let packed = repack(&model, packing)?;
    output::write_file(&args.out, &packed)?;
    let report = Report { file: &args.out, from: model.packing().name(), to: packing.name(), bytes_before: image.bytes().len(), bytes: packed.len() };
    match format {
        Format::Json => output::print_json(&report),
        Format::Text => output::print_text(format_args!(
            "{}: {} to {}, {} to {} bytes",
            report.file.display(),
            report.from,
            report.to,
            output::grouped(report.bytes_before as u64),
            output::grouped(report.bytes as u64)
        )),
    }
}
