//! Why a program gave up, where the runtime has no error of its own for it.

use defmt::Format;
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
        /// Millionths of the largest logit that logits may differ by.
        logits: u32,
        /// Labels that differ.
        differ: usize,
        /// All labels.
        labels: usize,
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
            Self::Drift { logits, differ, labels } => defmt::write!(
                f,
                "the result is too far from the host's: logits may differ by {} millionths of the largest, and {} of 1000 labels ({} of {} do)",
                logits,
                hrvit_core::drift_f16::LABELS_BOUND,
                differ,
                labels
            ),
        }
    }
}
