//! The programs.

#[cfg(feature = "conformance")]
pub mod conformance;
mod profile;
mod segment;
mod self_test;

use defmt::Format;
use hrvit_core::ModelSource;

use crate::{clock::Clock, code::Code, golden::Golden, job::Job, marker::Marker};

pub use profile::Profile;
pub use segment::Segment;
pub use self_test::SelfTest;

/// Something to do with a loaded model.
pub trait Program {
    /// Does it, and says how it ended.
    fn run<S, G, C, M>(&self, job: &mut Job<'_, S, G>, clock: &C, marker: &M) -> Result<(), Code>
    where
        S: ModelSource<Error: Format>,
        G: Golden,
        C: Clock,
        M: Marker;
}
