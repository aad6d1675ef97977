//! Why a call failed: a code, and what a person wants to know beside it.

use core::fmt;

use hrvit_core::{LoadError, Never, PlanError, RunError, SetupError};

use crate::about::HRVIT_ALIGNMENT;
use crate::camera_error::CameraError;
use crate::status::*;

/// Why a call failed.
#[derive(Debug)]
pub(crate) struct Failure {
    pub status: hrvit_status,
    cause: Cause,
}

/// The code that the row callback returned.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RowFailed(pub i32);

impl fmt::Display for RowFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the row callback returned {}", self.0)
    }
}

#[derive(Debug)]
enum Cause {
    /// The sentence of the code says it all.
    Code,
    /// A fixed text.
    Text(&'static str),
    /// A name, and what is wrong with it.
    Named {
        what: &'static str,
        is: &'static str,
    },
    /// `what` is `found`, and ought to be something else.
    Number {
        what: &'static str,
        found: usize,
        expected: Expected,
    },
    /// There are `most` open `what` already.
    Full {
        what: &'static str,
        most: usize,
    },
    /// The pointer `what` must be a multiple of `align`.
    Misaligned {
        what: &'static str,
        align: usize,
    },
    Load(LoadError),
    Plan(PlanError),
    Setup(SetupError),
    Run(RunError<Never, RowFailed>),
    Camera(CameraError),
    #[cfg(feature = "std")]
    Owned(String),
}

/// Which numbers would do.
#[derive(Clone, Copy, Debug)]
enum Expected {
    Exactly(usize),
    AtLeast(usize),
    Between(usize, usize),
}

impl Failure {
    /// With the sentence of its code.
    pub fn of(status: hrvit_status) -> Self {
        Self { status, cause: Cause::Code }
    }

    /// With a text of its own.
    pub fn text(status: hrvit_status, text: &'static str) -> Self {
        Self { status, cause: Cause::Text(text) }
    }

    /// `what`, and then what is wrong with it: "labels" and " is NULL".
    pub fn named(status: hrvit_status, what: &'static str, is: &'static str) -> Self {
        Self { status, cause: Cause::Named { what, is } }
    }

    /// `what` is `found`, and ought to be `needed`.
    pub fn number(status: hrvit_status, what: &'static str, found: usize, needed: usize) -> Self {
        Self { status, cause: Cause::Number { what, found, expected: Expected::Exactly(needed) } }
    }

    /// `what` is `found`, and ought to be `least` or more.
    pub fn below(status: hrvit_status, what: &'static str, found: usize, least: usize) -> Self {
        Self { status, cause: Cause::Number { what, found, expected: Expected::AtLeast(least) } }
    }

    /// `what` is `found`, and ought to be `least` to `most`.
    pub fn outside(status: hrvit_status, what: &'static str, found: usize, (least, most): (usize, usize)) -> Self {
        Self { status, cause: Cause::Number { what, found, expected: Expected::Between(least, most) } }
    }

    /// The pointer `what` is NULL.
    pub fn null(what: &'static str) -> Self {
        Self::named(HRVIT_ERROR_NULL, what, " is NULL, which it may not be")
    }

    /// `most` of `what` are open already.
    pub fn full(what: &'static str, most: usize) -> Self {
        Self { status: HRVIT_ERROR_SLOTS, cause: Cause::Full { what, most } }
    }

    /// The pointer `what` ought to be a multiple of `align`.
    pub fn misaligned(what: &'static str, align: usize) -> Self {
        Self { status: HRVIT_ERROR_ALIGNMENT, cause: Cause::Misaligned { what, align } }
    }

    /// With a text that was made for it.
    #[cfg(feature = "std")]
    pub fn owned(status: hrvit_status, text: String) -> Self {
        Self { status, cause: Cause::Owned(text) }
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.cause {
            Cause::Code => f.write_str(self.status.sentence().to_str().unwrap_or_default()),
            Cause::Text(text) => f.write_str(text),
            Cause::Named { what, is } => write!(f, "{what}{is}"),
            Cause::Number { what, found, expected } => match expected {
                Expected::Exactly(needed) => write!(f, "{what} is {found}: expected {needed}"),
                Expected::AtLeast(least) => write!(f, "{what} is {found}: expected {least} or more"),
                Expected::Between(least, most) => write!(f, "{what} is {found}: expected {least} to {most}"),
            },
            Cause::Full { what, most } => write!(f, "{most} {what} are open, the most at a time: close one"),
            Cause::Misaligned { what, align } => write!(f, "{what} is not aligned: expected a multiple of {align} bytes"),
            Cause::Load(error) => error.fmt(f),
            Cause::Plan(error) => error.fmt(f),
            Cause::Setup(error) => error.fmt(f),
            // The engine's word for the callback is not the header's.
            Cause::Run(RunError::Stopped(step)) => write!(f, "the step callback stopped the frame before step {step}"),
            Cause::Run(error) => error.fmt(f),
            Cause::Camera(error) => error.fmt(f),
            #[cfg(feature = "std")]
            Cause::Owned(text) => f.write_str(text),
        }
    }
}

impl From<hrvit_status> for Failure {
    fn from(status: hrvit_status) -> Self {
        Self::of(status)
    }
}

impl From<CameraError> for Failure {
    fn from(error: CameraError) -> Self {
        Self { status: error.status(), cause: Cause::Camera(error) }
    }
}

impl From<LoadError> for Failure {
    fn from(error: LoadError) -> Self {
        let status = match error {
            LoadError::Misaligned => return Self::misaligned("image", HRVIT_ALIGNMENT),
            LoadError::UnsupportedVersion(_) => HRVIT_ERROR_VERSION,
            LoadError::UnsupportedPacking(_) => HRVIT_ERROR_PACKING,
            LoadError::UnsupportedPrecision(_) | LoadError::UnsupportedAblations(_) => HRVIT_ERROR_UNSUPPORTED,
            _ => HRVIT_ERROR_IMAGE,
        };
        Self { status, cause: Cause::Load(error) }
    }
}

impl From<PlanError> for Failure {
    fn from(error: PlanError) -> Self {
        let status = match error {
            PlanError::Precision(_) => {
                return Self::text(HRVIT_ERROR_UNSUPPORTED, "this build of the library lacks a precision of the image: see hrvit_features");
            }
            _ => HRVIT_ERROR_PLAN,
        };
        Self { status, cause: Cause::Plan(error) }
    }
}

impl From<SetupError> for Failure {
    fn from(error: SetupError) -> Self {
        let status = match error {
            SetupError::ArenaTooSmall { .. } => HRVIT_ERROR_ARENA,
            SetupError::ArenaMisaligned => return Self::misaligned("arena", HRVIT_ALIGNMENT),
            SetupError::PackingNeeds { .. } => HRVIT_ERROR_PACKING,
            SetupError::Keys { .. } | SetupError::Workers { .. } => HRVIT_ERROR_PLAN,
            _ => HRVIT_ERROR_INTERNAL,
        };
        Self { status, cause: Cause::Setup(error) }
    }
}

impl From<RunError<Never, RowFailed>> for Failure {
    fn from(error: RunError<Never, RowFailed>) -> Self {
        let status = match error {
            RunError::FrameSize { .. } | RunError::OutputSize { .. } => HRVIT_ERROR_SIZE,
            RunError::Row { .. } => HRVIT_ERROR_ROW,
            RunError::WrongHead { .. } => HRVIT_ERROR_HEAD,
            RunError::Stopped(_) => HRVIT_ERROR_STOPPED,
            _ => HRVIT_ERROR_INTERNAL,
        };
        Self { status, cause: Cause::Run(error) }
    }
}

impl From<RunError> for Failure {
    fn from(error: RunError) -> Self {
        let error: RunError<Never, RowFailed> = match error {
            RunError::FrameSize { needed, found } => RunError::FrameSize { needed, found },
            RunError::OutputSize { needed, found } => RunError::OutputSize { needed, found },
            RunError::WrongHead { needed, found } => RunError::WrongHead { needed, found },
            RunError::Stopped(step) => RunError::Stopped(step),
            RunError::ArenaMoved => RunError::ArenaMoved,
            RunError::Internal(step) => RunError::Internal(step),
            RunError::Row { error, .. } => match error {},
            RunError::Weights(_, error) => match error {},
            // A kind that this file does not know.
            _ => return Self::of(HRVIT_ERROR_INTERNAL),
        };
        error.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_name_the_thing_and_what_was_expected() {
        for (failure, expected) in [
            (Failure::null("labels"), "labels is NULL, which it may not be"),
            (Failure::full("engines", 64), "64 engines are open, the most at a time: close one"),
            (Failure::number(HRVIT_ERROR_SIZE, "labels_bytes", 5, 6), "labels_bytes is 5: expected 6"),
            (Failure::below(HRVIT_ERROR_ARENA, "arena_bytes", 5, 64), "arena_bytes is 5: expected 64 or more"),
            (Failure::outside(HRVIT_ERROR_ARGUMENT, "class_index", 21, (0, 18)), "class_index is 21: expected 0 to 18"),
            (Failure::misaligned("logits", 2), "logits is not aligned: expected a multiple of 2 bytes"),
            (Failure::of(HRVIT_ERROR_IN_USE), "the model has open engines: close them first"),
            (LoadError::Misaligned.into(), "image is not aligned: expected a multiple of 64 bytes"),
            (SetupError::ArenaMisaligned.into(), "arena is not aligned: expected a multiple of 64 bytes"),
            (RunError::<Never>::Stopped(hrvit_core::StepId(3)).into(), "the step callback stopped the frame before step 3"),
        ] {
            assert_eq!(failure.to_string(), expected);
        }
    }
}
