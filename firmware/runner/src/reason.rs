//! Why a program gave up, where the runtime has no error of its own for it.

use defmt::Format;
#[cfg(feature = "fp16")]
use hrvit_core::drift_f16::{Drift, First, StepDrift};
#[cfg(feature = "fp16")]
use hrvit_format::DriftBound;
use hrvit_format::Head;

use crate::{MAX_STEPS, STACK_BOUND, job::HEAD};

/// Why a program gave up.
#[derive(Clone, Copy, Debug)]
pub enum Reason {
    /// The image has another head than the program was built for.
    OtherHead(Head),
    /// The image needs a larger arena.
    Arena {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that were planned.
        found: usize,
    },
    /// The image needs a larger label map.
    Labels {
        /// Bytes that it needs.
        needed: usize,
        /// Bytes that were planned.
        found: usize,
    },
    /// The image has this many steps.
    Steps(usize),
    /// A frame took this many bytes of stack.
    Stack(usize),
    /// The result of half precision is too far from the host's.
    #[cfg(feature = "fp16")]
    Drift {
        /// How far it is.
        drift: Drift,
        /// How far it may be.
        bound: DriftBound,
        /// The first value that is farther.
        first: Option<First>,
    },
}

impl Format for Reason {
    fn format(&self, f: defmt::Formatter<'_>) {
        match *self {
            Self::OtherHead(found) => {
                defmt::write!(f, "the image has the head {}, this program was built for {}: build it with HRVIT_HEAD", found.name(), HEAD.name())
            }
            Self::Arena { needed, found } => defmt::write!(f, "the image needs an arena of {} bytes, this program was planned with {}", needed, found),
            Self::Labels { needed, found } => defmt::write!(f, "the image needs a label map of {} bytes, this program was planned with {}", needed, found),
            Self::Steps(steps) => defmt::write!(f, "{} steps, this program knows {}", steps, MAX_STEPS),
            Self::Stack(bytes) => defmt::write!(f, "one frame took {} bytes of stack, the bound is {}", bytes, STACK_BOUND),
            #[cfg(feature = "fp16")]
            Self::Drift { drift, bound, first } => {
                defmt::write!(f, "the result is too far from the host's: ");
                if let Some(logits) = drift.logits {
                    defmt::write!(f, "logits {} millionths of the largest, the bound is {}; ", millionths(logits.of_largest), millionths(bound.logits));
                }
                defmt::write!(f, "{} of {} labels differ, the bound is {}", drift.differ, drift.labels, bound.labels);
                match first {
                    Some(First::Step(StepDrift { step, off, bound })) => {
                        let (off, bound) = (millionths(off), millionths(bound));
                        defmt::write!(f, "; first step {}, whose values are {} millionths of their sum larger or smaller, the bound is {}", step.0, off, bound);
                    }
                    Some(First::Logit { row, column, class }) => defmt::write!(f, "; first the logit of class {} at row {}, column {}", class, row, column),
                    Some(First::Label { row, column }) => defmt::write!(f, "; first the label at row {}, column {}", row, column),
                    None => {}
                }
            }
        }
    }
}

/// A part in millionths; saturates, so that what is infinite is the largest number.
#[cfg(feature = "fp16")]
pub(crate) fn millionths(part: f32) -> u32 {
    (part * 1e6) as u32
}
