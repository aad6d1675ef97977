//! Why a frame was not processed.

use core::fmt;

use hrvit_format::{Head, StepId, sentences};

use super::never::Never;
use crate::arena::ALIGN;

/// Why a frame was not processed. `W` is the error of the model source, `F` the error of the
/// caller's row source. After any error the engine is ready for the next frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RunError<W = Never, F = Never> {
    /// The frame must have `height * width * 3` bytes.
    FrameSize {
        /// Bytes of a frame.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The caller's output buffer must have exactly as many elements as the result.
    OutputSize {
        /// Elements of the result.
        needed: usize,
        /// Elements that were given.
        found: usize,
    },
    /// The caller's row source could not give row `y` of the frame.
    Row {
        /// The row.
        y: usize,
        /// The row source's error.
        error: F,
    },
    /// The model's head does not give this result: labels come from a SegFormer head, classes from
    /// a classifier.
    WrongHead {
        /// The head that gives the result.
        needed: Head,
        /// The model's head.
        found: Head,
    },
    /// The model source failed on a step.
    Weights(StepId, W),
    /// The observer stopped the frame before the step.
    Stopped(StepId),
    /// The arena no longer starts at a multiple of [`ALIGN`], or has become shorter: the engine
    /// owns it and was moved.
    ArenaMoved,
    /// A step's operators contradict its buffers, which cannot happen with a loaded model and its
    /// plan.
    Internal(StepId),
}

sentences!(RunError<W, F> {
    Self::FrameSize { needed, found } => ("frame of {} bytes, expected {} (height x width x 3, RGB)", found, needed),
    Self::OutputSize { needed, found } => ("output buffer of {} elements, expected {}", found, needed),
    Self::Row { y, error } => ("row {} of the frame: {}", y, error),
    Self::WrongHead { needed, found } => ("the model has the head {}, this result comes from the head {}", found.name(), needed.name()),
    Self::Weights(step, error) => ("weights of step {}: {}", step, error),
    Self::Stopped(step) => ("stopped by the observer before step {}", step),
    Self::ArenaMoved => ("the arena was moved: it must stay at a multiple of {} bytes; use AlignedBytes (host) or Arena (firmware)", ALIGN),
    Self::Internal(step) => ("step {}: operators contradict their buffers", step),
});

impl<W: fmt::Debug + fmt::Display, F: fmt::Debug + fmt::Display> core::error::Error for RunError<W, F> {}

impl<W> RunError<W> {
    /// The same error of a run whose row source may fail.
    pub(crate) fn of_rows<F>(self) -> RunError<W, F> {
        match self {
            Self::FrameSize { needed, found } => RunError::FrameSize { needed, found },
            Self::OutputSize { needed, found } => RunError::OutputSize { needed, found },
            Self::WrongHead { needed, found } => RunError::WrongHead { needed, found },
            Self::Weights(step, error) => RunError::Weights(step, error),
            Self::Stopped(step) => RunError::Stopped(step),
            Self::ArenaMoved => RunError::ArenaMoved,
            Self::Internal(step) => RunError::Internal(step),
            Self::Row { error, .. } => match error {},
        }
    }
}
