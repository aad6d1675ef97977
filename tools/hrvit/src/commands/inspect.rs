//! `hrvit inspect`: what a network costs.

use anyhow::{Result, ensure};
use clap::Args;

use crate::output::{self, Format};
use crate::spec_file::{self, NetworkArgs};

/// Show what a network consists of and costs
#[derive(Args, Debug)]
#[command(after_help = "Examples:\n  hrvit inspect --variant b3 --emit-spec > mine.toml")]
pub struct InspectArgs {
    #[command(flatten)]
    network: NetworkArgs,
    /// Write the backbone as TOML, to start a spec of your own from
    #[arg(long)]
    emit_spec: bool,
}

/// Runs the command.
///
/// # Errors
/// If the options name no network.
pub fn run(args: &InspectArgs, format: Format) -> Result<()> {
    ensure!(args.emit_spec, "--emit-spec");
    let spec = args.network.backbone()?;
    match format {
        Format::Text => output::print_text(spec_file::spec_to_toml(&spec)?.trim_end()),
        Format::Json => output::print_json(&spec),
    }
}
