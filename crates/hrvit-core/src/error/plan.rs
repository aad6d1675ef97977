//! Why no plan exists.

use hrvit_format::{Precision, SpecError, sentences};

use crate::schedule::MAX_WORKERS;

/// Why no plan exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The network or the input size is invalid.
    Spec(SpecError),
    /// The number of workers must be 1 to [`MAX_WORKERS`].
    Workers(usize),
    /// The arena would be larger than the address space.
    TooLarge,
    /// Parts of the network need a precision that this build lacks.
    Precision(Precision),
    /// Even tiles of one row need more bytes than were given.
    Budget {
        /// Bytes that tiles of one row need.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

sentences!(PlanError {
    Self::Spec(error) => ("{}", error),
    Self::Workers(workers) => ("{} workers: expected 1 to {}", workers, MAX_WORKERS),
    Self::Budget { needed, given } => (
        "an arena of {} bytes is too small: this network at this size needs {}; choose a smaller size or fewer workers",
        given,
        needed
    ),
    Self::Precision(precision) => ("precision {}: this build has none; build hrvit-core with feature {}", precision.name(), precision.name()),
    Self::TooLarge => ("the arena would not fit this machine's address space; choose a smaller input size"),
});

impl core::error::Error for PlanError {}
