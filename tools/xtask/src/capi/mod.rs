//! `cargo xtask capi`: the C interface, seen from programs in C, C++, Java and Python.
//! `cargo xtask dist`: its archives.

mod camera;
mod device;
mod dist;
mod header;
mod jni;
mod library;
mod places;
mod programs;
mod python;
mod stack;
mod table;

use std::path::Path;
use std::process::Command;

use anyhow::{Result, ensure};
use clap::Args;
use serde::Serialize;

use crate::firmware::build::target_folder;
use crate::install;
use crate::made::Made;
use programs::{Language, compile, misuse};

pub use dist::{DistArgs, run as dist};
pub use header::check as check_header;

/// The C interface: its header and a program's mistakes. The golden frame and a camera's run from
/// C, C++, Python and Rust, the golden one from Java too, in C on every processor
#[derive(Args)]
#[command(after_help = "Examples:
  cargo xtask capi                       # everything, and one table: the CRC of a frame's labels must be the same everywhere
  cargo xtask capi --header              # writes crates/hrvit-capi/include/hrvit.h anew
  cargo xtask capi --json                # the table for scripts
  cargo xtask capi --valgrind            # what a program may get wrong under Valgrind too

Installs cross compilers (gcc for aarch64 and arm-none-eabi) and emulators where they are missing. Java runs where there is a development kit, Python where PyPI \
has maturin and NumPy; else the table says SKIPPED and why.")]
pub struct CapiArgs {
    /// Write the header anew, and do nothing else
    #[arg(long, conflicts_with_all = ["json", "valgrind"])]
    header: bool,
    /// Run the examples and the misuse under Valgrind too
    #[arg(long)]
    valgrind: bool,
    /// Print the table as JSON
    #[arg(long)]
    json: bool,
}

/// A program, where it ran, and what its label map was.
#[derive(Debug, Serialize)]
struct Row {
    language: &'static str,
    frame: &'static str,
    place: String,
    kernels: String,
    labels_crc: u32,
}

/// Does what is asked; returns what is wrong.
///
/// # Errors
/// If something is missing and cannot be installed, does not build, or a program fails.
pub fn run(root: &Path, args: &CapiArgs) -> Result<Vec<String>> {
    if args.header {
        println!("wrote {}", header::write(root)?.display());
        return Ok(Vec::new());
    }
    let seen = see(root, args.valgrind)?;
    if args.json {
        println!("{}", serde_json::to_string_pretty(&seen.rows)?);
    } else {
        println!("{}", table::drawn(&seen.rows));
        seen.skipped.iter().for_each(|line| println!("SKIPPED {line}"));
    }
    Ok(seen.complaints)
}

/// Runs everything.
fn see(root: &Path, valgrind: bool) -> Result<table::Seen> {
    let mut complaints = header::check(root)?;
    install::programs(&[
        ("gcc", "gcc"),
        ("g++", "g++"),
        ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu"),
        ("aarch64-linux-gnu-g++", "g++-aarch64-linux-gnu"),
        ("arm-none-eabi-gcc", "gcc-arm-none-eabi"),
        ("make", "make"),
        ("qemu-aarch64", "qemu-user"),
        ("qemu-system-arm", "qemu-system-arm"),
    ])?;
    install::targets(root, &[places::AARCH64, library::M55.target])?;
    let host = places::Host::build(root)?;
    complaints.extend(library::check_shared(root, &host.shared)?);
    wrong_calls(root, &host, valgrind)?;
    let mut seen = table::rows(root, &host, valgrind)?;
    complaints.extend(table::differences(&seen.rows));
    seen.complaints.extend(complaints);
    Ok(seen)
}

/// The check of `cargo xtask test`.
///
/// # Errors
/// As [`run`].
pub fn check(root: &Path) -> Result<Made> {
    let seen = see(root, false)?;
    ensure!(seen.complaints.is_empty(), "{}", seen.complaints.join("\n"));
    Ok(if seen.skipped.is_empty() { Made::All } else { Made::Part(seen.skipped) })
}

/// Mistakes of a program, against the code that it must get, under AddressSanitizer.
fn wrong_calls(root: &Path, host: &places::Host, valgrind: bool) -> Result<()> {
    let folder = target_folder(root).join("capi/host");
    let image = root.join("crates/hrvit-core/tests/data/tiny.hrvit");
    for name in ["misuse", "camera"] {
        let source = format!("crates/hrvit-capi/tests/c/{name}.c");
        let build = |name: &str, options: &[&str]| compile(root, Language::C, "", &source, &host.archive, options, folder.join(name));
        let sanitized = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        misuse(Command::new(build(&format!("{name}-sanitized"), &sanitized)?).arg(&image))?;
        if valgrind {
            install::programs(&[("valgrind", "valgrind")])?;
            misuse(table::valgrind(&build(name, &["-g"])?).arg(&image))?;
        }
    }
    Ok(())
}
