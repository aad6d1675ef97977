//! What can go wrong: when planning, when setting up, when running. Small, `Copy`, without texts.

use core::fmt;

use hrvit_format::{
    SpecError, StepId,
    record::{Packing, Precision},
};
use hrvit_kernels::{Isa, ShapeError};

/// Why no plan exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum PlanError {
    /// The network cannot be built.
    Spec(SpecError),
    /// The number of workers must be 1 to [`crate::plan::MAX_WORKERS`].
    Workers(usize),
    /// The arena would not fit the address space.
    TooLarge,
    /// Parts of the network are to run in a precision that this build has not.
    Precision(Precision),
    /// No tiles are small enough for the bytes that were given.
    Budget {
        /// Bytes that the smallest tiles need.
        needed: usize,
        /// Bytes that were given.
        given: usize,
    },
}

impl fmt::Display for PlanError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Spec(error) => error.fmt(f),
            Self::Workers(n) => write!(f, "{n} workers: expected 1 to {}", crate::plan::MAX_WORKERS),
            Self::Budget { needed, given } => {
                write!(f, "an arena of {given} bytes is too small: this network at this size needs {needed}; choose a smaller size or fewer workers")
            }
            Self::Precision(precision) => {
                let name = precision.name();
                write!(f, "precision {name}: this build has none; build hrvit-core with feature {name}")
            }
            Self::TooLarge => write!(f, "the arena would not fit this machine's address space; choose a smaller input size"),
        }
    }
}

impl core::error::Error for PlanError {}

/// Why an engine cannot be built.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SetupError {
    /// The arena has fewer bytes than the plan asks for.
    ArenaTooSmall {
        /// Bytes that the plan asks for.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The arena must start at an address that is a multiple of [`crate::arena::ALIGN`].
    ArenaMisaligned,
    /// The plan was made for another network than the model's.
    OtherNetwork,
    /// Parts of the model have codes of two bytes for which the plan has no room.
    Precision,
    /// The plan was made for another number of workers than the executor has.
    Workers {
        /// Workers of the plan.
        planned: usize,
        /// Workers of the executor.
        found: usize,
    },
    /// The plan keeps no buffer (or one too small) for the weights of a step, but the weight source needs one.
    WeightBuffer {
        /// Bytes of the largest group.
        needed: usize,
        /// Bytes in the plan.
        found: usize,
    },
    /// At the plan's size an attention strip of the step has more keys than its exponent codes allow: quantise for this size.
    Keys {
        /// The attention step.
        step: StepId,
        /// Keys of its longest strip.
        keys: usize,
        /// The most that its codes allow.
        most: usize,
    },
    /// The image's weights are packed for another instruction set: only plain code would read them here.
    PackingNeeds {
        /// The image's packing.
        packing: Packing,
        /// The instruction set of the engine's kernels.
        isa: Isa,
        /// The packing that they need.
        fast: Packing,
    },
}

impl fmt::Display for SetupError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ArenaTooSmall { needed, found } => write!(f, "arena too small: {found} bytes, the plan needs {needed}"),
            Self::ArenaMisaligned => write!(f, "arena misaligned: it must start at a multiple of {} bytes", crate::arena::ALIGN),
            Self::OtherNetwork => write!(f, "the plan was made for another network than the model's: plan again from the model"),
            Self::Precision => write!(f, "the plan was made for other precisions than the model's blocks have: plan with the model's own parts"),
            Self::Workers { planned, found } => write!(f, "planned for {planned} workers, the executor has {found}"),
            Self::WeightBuffer { needed, found } => write!(f, "weight buffer of {found} bytes, the largest group has {needed}: plan for streamed weights"),
            Self::Keys { step, keys, most } => {
                write!(f, "step {}: {keys} keys in a strip, its exponent codes allow {most}: quantise for this input size", step.0)
            }
            Self::PackingNeeds { packing, isa, fast } => {
                write!(f, "weights packed as {packing}, {isa} kernels need {fast}: pack the model for this processor (hrvit pack --layout {fast})")
            }
        }
    }
}

impl core::error::Error for SetupError {}

/// Why a frame was not processed. `E` is the weight source's error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError<E> {
    /// The frame must have `height * width * 3` bytes.
    FrameSize {
        /// Bytes of a frame.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The caller's output buffer must have exactly the elements of the result.
    OutputSize {
        /// Elements of the result.
        needed: usize,
        /// Elements that were given.
        found: usize,
    },
    /// The caller's row source had no row of that number.
    FrameRow(usize),
    /// The model's head does not give what was asked for (labels from a classifier, classes from a segmentor).
    WrongHead,
    /// The weight source failed on a step.
    Weights(StepId, E),
    /// A step's operators contradict its buffers. A loaded model and its plan exclude this.
    Internal(StepId),
}

impl<E: fmt::Display> fmt::Display for RunError<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FrameSize { needed, found } => write!(f, "frame of {found} bytes, expected {needed} (height x width x 3, RGB)"),
            Self::OutputSize { needed, found } => write!(f, "output buffer of {found} elements, expected {needed}"),
            Self::FrameRow(y) => write!(f, "the row source had no row {y} of the frame"),
            Self::WrongHead => write!(f, "the model's head does not give this result: segment() is for segmentors, classify() for classifiers"),
            Self::Weights(step, error) => write!(f, "weights of step {}: {error}", step.0),
            Self::Internal(step) => write!(f, "step {}: operators contradict their buffers", step.0),
        }
    }
}

impl<E: fmt::Debug + fmt::Display> core::error::Error for RunError<E> {}

/// A step cannot go on; becomes [`RunError::Internal`] with the step's number.
#[derive(Clone, Copy, Debug)]
pub struct Fault;

impl From<ShapeError> for Fault {
    fn from(_: ShapeError) -> Self {
        Self
    }
}
