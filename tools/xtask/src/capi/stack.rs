//! Stack that a thread needs to open an engine and to segment a frame through the C interface.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::programs::value;
use crate::command;
use crate::tables::grouped;

/// The program that paints its stack.
pub const SOURCE: &str = "crates/hrvit-capi/tests/c/stack.c";
/// Bytes that the header and docs/c-api.md call enough.
const BOUND: u64 = 512 << 10;
/// The program's exit code where the processor, the build or the image's packing excludes the
/// kernels.
const EXCLUDED: i32 = 3;

/// Runs the program on `model` with `kernels`, or the fastest ones; prints what it took.
///
/// # Errors
/// If it fails, or says nothing.
pub fn measure(place: &str, program: &mut Command, model: &Path, kernels: Option<&str>) -> Result<Option<String>> {
    let output = command::output(program.arg(model).args(kernels))?;
    if kernels.is_some() && output.status.code() == Some(EXCLUDED) {
        return Ok(None);
    }
    let (printed, image) = (String::from_utf8_lossy(&output.stdout), model.file_stem().unwrap_or_default().to_string_lossy());
    if !output.status.success() {
        bail!("$ {}\n{printed}{}", command::line(program), String::from_utf8_lossy(&output.stderr));
    }
    let (bytes, kernels) =
        value(&printed, "stack").and_then(|bytes| bytes.parse::<u64>().ok()).zip(value(&printed, "kernels")).context("a stack and kernels")?;
    println!("C on {place}, {kernels}, {image}: stack of a thread of {} bytes", grouped(bytes));
    Ok((bytes > BOUND).then(|| format!("C on {place}, {kernels}, {image}: a thread takes {bytes} bytes of stack, {BOUND} are said to be enough")))
}
