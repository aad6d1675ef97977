//! Why an engine cannot be built.

use hrvit_format::{Packing, StepId, sentences};
use hrvit_kernels::Isa;

use crate::arena::ALIGN;

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
    /// The arena must start at an address that is a multiple of [`ALIGN`].
    ArenaMisaligned,
    /// The plan was made for another network than the model's.
    OtherNetwork,
    /// Parts of the model have codes of two bytes, for which the plan has no room.
    Precision,
    /// The plan was made for another number of workers than the executor has.
    Workers {
        /// Workers of the plan.
        planned: usize,
        /// Workers of the executor.
        found: usize,
    },
    /// The model is streamed, but the plan has no buffer, or too small a buffer, for the weights of
    /// a step.
    WeightBuffer {
        /// Bytes of the model's largest group.
        needed: usize,
        /// Bytes of the plan's buffer.
        found: usize,
    },
    /// At the plan's size an attention strip of the step has more keys than its exponent codes
    /// allow: quantise for this size.
    Keys {
        /// The attention step.
        step: StepId,
        /// Keys of its longest strip.
        keys: usize,
        /// The most keys that its codes allow.
        most: usize,
    },
    /// The image's weights are packed for another instruction set: on this one only scalar code
    /// could read them.
    PackingNeeds {
        /// The image's packing.
        packing: Packing,
        /// The instruction set of the engine's kernels.
        isa: Isa,
        /// The packing that these kernels need.
        fast: Packing,
    },
}

sentences!(SetupError {
    Self::ArenaTooSmall { needed, found } => ("arena too small: {} bytes, the plan needs {}", found, needed),
    Self::ArenaMisaligned => ("arena misaligned: it must start at a multiple of {} bytes; AlignedBytes (host) and Arena (firmware) do", ALIGN),
    Self::OtherNetwork => ("the plan was made for another network than the model's: plan with Plan::for_model"),
    Self::Precision => ("the plan was made for other precisions than the model's blocks have: plan with Plan::for_model"),
    Self::Workers { planned, found } => ("planned for {} workers, the executor has {}", planned, found),
    Self::WeightBuffer { needed, found } => (
        "weight buffer of {} bytes, the largest group has {}: plan with WeightPlacement::streamed",
        found,
        needed
    ),
    Self::Keys { step, keys, most } => ("step {}: {} keys in a strip, its exponent codes allow {}: quantise for this input size", step, keys, most),
    Self::PackingNeeds { packing, isa, fast } => (
        "weights packed as {}, {} kernels need {}: pack the model for this processor (hrvit pack --layout {})",
        packing.name(),
        isa,
        fast.name(),
        fast.name()
    ),
});

impl core::error::Error for SetupError {}
