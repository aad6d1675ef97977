//! Bodies of the fuzz targets. Each takes any bytes, panics on a finding and says what became of
//! the input.
//!
//! | target | what it feeds | what must hold |
//! |---|---|---|
//! | [`load`] | bytes as a model image | loaded or refused, alike from memory and from a stream; a loaded one has a plan or a named reason |
//! | [`run_image`] | a small valid image, edited in any field, its CRCs mended | every instruction set leaves the same tensors, and the simulator too |
//! | [`kernels`] | any arguments to the safe entries of `hrvit-kernels` | an error or scalar's bytes, on every instruction set |
//! | [`checkpoint`] | bytes as a checkpoint, and pickles made of opcodes | read or refused, within the memory that the file and the network justify |
//! | [`spec`] | bytes as the TOML of a backbone | read or refused; what is read is a network that counts its steps |
//! | [`capi`] | calls of the C interface in any order, with what C programs get wrong | the code that the header says, and no memory but what was lent |
//! | [`log`] | bytes as a device's log | read or refused; what is read writes the same lines again |
//!
//! `fuzz/` runs them under libFuzzer; `tests/seeded.rs` and the program `seeds` run them on random
//! bytes of fixed seeds.

mod capi;
mod checkpoint;
mod choices;
mod image;
mod kernels;
mod load;
#[cfg(feature = "tool")]
mod log;
mod run_image;
mod seeds;
#[cfg(feature = "tool")]
mod spec;
mod tally;

pub use capi::{calls_made, capi};
pub use checkpoint::{CheckpointFile, checkpoint};
pub use choices::Choices;
pub use kernels::kernels;
pub use load::load;
#[cfg(feature = "tool")]
pub use log::log;
pub use run_image::run_image;
pub use seeds::input as seeded_input;
#[cfg(feature = "tool")]
pub use spec::spec;
pub use tally::Tally;

/// Outcome of one input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Refused with an error, as it should.
    Refused,
    /// Valid, but outside what the target compares: too large, or no plan within the budget drawn.
    Skipped,
    /// Valid, and everything that must hold does.
    Accepted,
}

/// A target: its name and body.
pub type Target = (&'static str, fn(&[u8]) -> Verdict);

/// Every target; without feature `tool` those that need nothing of the `hrvit` command.
pub const TARGETS: &[Target] = &[
    ("load", load),
    ("run_image", run_image),
    ("kernels", kernels),
    ("checkpoint", checkpoint),
    #[cfg(feature = "tool")]
    ("spec", spec),
    #[cfg(feature = "tool")]
    ("log", log),
    ("capi", capi),
];
