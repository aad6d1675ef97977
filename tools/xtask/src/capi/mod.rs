//! `cargo xtask capi`: the C and C++ interface.

mod header;

use std::path::Path;

use anyhow::Result;
use clap::Args;

pub use header::check;

/// The C interface: its header
#[derive(Args)]
pub struct CapiArgs {
    /// Write the header anew
    #[arg(long)]
    header: bool,
}

/// Writes the header or compares it; returns how it differs.
///
/// # Errors
/// If cbindgen cannot read the crate, or the header cannot be read or written.
pub fn run(root: &Path, args: &CapiArgs) -> Result<Vec<String>> {
    if args.header {
        println!("wrote {}", header::write(root)?.display());
        return Ok(Vec::new());
    }
    header::check(root)
}
