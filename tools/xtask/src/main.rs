//! `cargo xtask`: what people and CI both run.

mod api;
mod app;
mod boards;
mod capi;
mod checks;
mod circles;
mod command;
mod cores;
mod count;
mod drift;
mod faults;
mod firmware;
mod frames;
mod fuzz;
mod hrvit;
mod install;
mod isa;
mod lint;
mod live;
mod machines;
mod made;
mod marked;
mod mca;
mod miri;
mod n6_image;
mod overlap;
mod package;
mod parity;
mod performance;
mod profile;
mod qemu;
mod report;
mod tables;
mod training;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};
use drift::Extent;

/// Repository tasks that people and CI share.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Everything that must hold before a change is handed in: formatting, clippy, all tests,
    /// no_std builds, source rules
    Test,
    /// Checks that find most mistakes in three minutes: formatting, clippy, unit tests, the host's
    /// kernels against their definition, documentation, interface, source rules
    Quick,
    /// The source rules only
    Lint,
    /// Write what the library crates offer, one line per item, into docs/api
    Api {
        /// Compare instead, and say what changed
        #[arg(long)]
        check: bool,
    },
    /// Package the published crates as crates.io would get them, and compile the archives
    Package,
    /// Build the firmware: sizes, budgets, no way from the runtime to a panic
    #[command(after_help = "Example:\n  cargo xtask firmware --all")]
    Firmware {
        /// Build the programs of the boards in full too, instead of checking that they compile
        #[arg(long)]
        all: bool,
    },
    /// Run the engine's own tests under Miri: some minutes on a quiet machine, and not part of
    /// `test`
    Miri {
        /// The classifier too, which takes half an hour
        #[arg(long)]
        all: bool,
    },
    Fuzz(fuzz::FuzzArgs),
    Qemu(Box<qemu::QemuArgs>),
    /// Compare every step of a frame on every emulated machine with the host's (8 bits, 16-bit
    /// activations), and the result of half precision with the definition's
    Parity {
        /// Half precision and 16-bit activations with frames of 192x256 instead of 64x64 and 64x96,
        /// half precision on every processor
        #[arg(long)]
        full: bool,
        /// Only the networks that go without a technique of the paper
        #[arg(long, conflicts_with = "full")]
        ablations: bool,
    },
    /// Run the kernels' tests on this processor and on emulated AArch64 processors
    Conformance,
    /// Boot the programs of boards in an emulator, with faults too, and check the start-up that
    /// runs on the host
    #[command(after_help = "Example:\n  cargo xtask boards --all")]
    Boards {
        /// Programs with other features too: begin again, frames behind the image and over the
        /// serial port, lower voltage
        #[arg(long)]
        all: bool,
    },
    /// Run frames of your own on emulated machines, sent over a serial port and stored behind the
    /// image; profile several frames
    Frames,
    N6Image(n6_image::ImageArgs),
    /// Share the steps of a frame between two emulated Cortex-M33, and say what that would save
    Cores,
    Live(live::LiveArgs),
    Capi(capi::CapiArgs),
    Dist(capi::DistArgs),
    Count(Box<count::CountArgs>),
    Profile(Box<profile::ProfileArgs>),
    Mca(mca::McaArgs),
    /// Run images that must not boot and a flash that fails on every emulated machine, and write
    /// how each ends into firmware/README.md
    Faults,
    /// Measure the profiles of docs/performance.md anew and write them there
    Performance,
}

fn main() -> ExitCode {
    match run() {
        Ok(code) => code,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// Runs the task: success if it found everything in order.
fn run() -> Result<ExitCode> {
    let root = root()?;
    let in_order = match Cli::parse().task {
        Task::Test => report::run(&root, &checks::all())?,
        Task::Quick => report::run(&root, &checks::quick())?,
        Task::Api { check: true } => none_of(&api::check(&root)?),
        Task::Api { check: false } => api::write(&root).map(|()| true)?,
        Task::Package => none_of(&package::check(&root)?),
        Task::Lint => report::run(&root, &checks::source_rules())?,
        Task::Firmware { all } => none_of(&firmware::run(&root, all)?),
        Task::Miri { all } => miri::run(&root, all).map(|()| true)?,
        Task::Fuzz(args) => fuzz::run(&root, &args)?,
        Task::Qemu(args) => return Ok(ExitCode::from(qemu::run(&root, &args)?)),
        Task::Boards { all } => boards::run(&root, all).map(|made| made.skipped().iter().for_each(|line| println!("SKIPPED {line}"))).map(|()| true)?,
        Task::Cores => none_of(&cores::run(&root)?),
        Task::Frames => none_of(&frames::run(&root, true)?),
        Task::N6Image(args) => n6_image::run(&args).map(|()| true)?,
        Task::Conformance => isa::run(&root).map(|made| made.skipped().iter().for_each(|line| println!("SKIPPED {line}"))).map(|()| true)?,
        Task::Live(args) => live::run(&root, &args).map(|made| made.skipped().iter().for_each(|line| println!("SKIPPED {line}"))).map(|()| true)?,
        Task::Capi(args) => none_of(&capi::run(&root, &args)?),
        Task::Dist(args) => none_of(&capi::dist(&root, &args)?),
        Task::Count(args) => none_of(&count::run(&root, &args)?),
        Task::Profile(args) => profile::run(&root, &args).map(|()| true)?,
        Task::Mca(args) => mca::run(&root, &args).map(|()| true)?,
        Task::Performance => performance::run(&root).map(|()| true)?,
        Task::Faults => none_of(&faults::run(&root)?),
        Task::Parity { ablations: true, .. } => none_of(&parity::ablations(&root)?),
        Task::Parity { full, .. } => none_of(&parity::run(&root, if full { Extent::Full } else { Extent::Short })?),
    };
    Ok(if in_order { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Prints what is wrong; `true` if nothing is.
fn none_of(complaints: &[String]) -> bool {
    complaints.iter().for_each(|complaint| println!("{complaint}"));
    complaints.is_empty()
}

/// The repository's root, two folders above this package.
fn root() -> Result<PathBuf> {
    let package = Path::new(env!("CARGO_MANIFEST_DIR"));
    let root = package.ancestors().nth(2).context("xtask lies two folders below the root")?;
    Ok(root.to_path_buf())
}
