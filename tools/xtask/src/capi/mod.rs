//! `cargo xtask capi`: the C and C++ interface.

mod header;

use std::path::Path;

use anyhow::Result;
use clap::Args;

/// The C interface: its header
#[derive(Args)]
pub struct CapiArgs {
    /// Write the header anew
    #[arg(long)]
    header: bool,
}

/// Runs it.
pub fn run(root: &Path, args: &CapiArgs) -> Result<Vec<String>> {
    if args.header {
        println!("wrote {}", header::write(root)?.display());
        return Ok(Vec::new());
    }
    header::check(root)
}
