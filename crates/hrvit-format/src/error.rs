//! Why an image does not load.

use crate::{
    graph::StepId,
    record::{ALIGN, Section, VERSION},
    sentence::sentences,
    spec::SpecError,
};

/// A field of an operator record, for [`LoadError::Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum OpField {
    /// Kind, source, channels, kernel or stride differ from those of the network's operator.
    Shape,
    /// An array lies outside its group, is misaligned, or is present where there must be none.
    Array,
    /// `pre_shift` is above 30, or not 0 where it must be.
    PreShift,
    /// A weight of -128: the headroom of accumulators is proved for -127..=127. In half precision:
    /// a weight or bias that is not finite.
    Weight,
    /// A multiplier outside [2^30, 2^31).
    Multiplier,
    /// A right shift outside 32..=62.
    Shift,
    /// `zero`, `lo`, `hi` or `pad` are outside the output's range, or contradict each other.
    Range,
    /// A LayerNorm's gain, offset, shift or eps outside its bounds.
    Norm,
    /// A Hardswish's code of 3.0 outside its bounds.
    Three,
    /// `code_bits` is neither 8 nor 15.
    CodeBits,
    /// A table has no entries, too many, or another length than the index range.
    Table,
    /// The accumulator could overflow: dot product length, bias and `pre_shift` together reach
    /// 2^31.
    Headroom,
    /// A fusion narrows a branch otherwise than the module's earlier fusions. The engine narrows
    /// each branch once.
    Narrow,
    /// A reserved byte is not zero, or a scale is not a finite number.
    Reserved,
}

/// Why an image was refused. Nothing of a refused image is used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The image must start at an address that is a multiple of [`ALIGN`]. `ModelBuf` copies an
    /// image to such an address, [`crate::aligned::Aligned`] gives one to a static.
    Misaligned,
    /// The image is shorter than its header says, or than any image can be.
    Truncated {
        /// Bytes that were needed.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The first eight bytes are not those of a model image.
    BadMagic,
    /// The image was written for another version of the format.
    UnsupportedVersion(u16),
    /// This build runs no networks with this ablation, given as
    /// [`Ablation::bits`](crate::Ablation::bits).
    UnsupportedAblations(u16),
    /// The image has a packing that this build does not read.
    UnsupportedPacking(u16),
    /// The CRC of the prologue and section table does not match.
    PrologueCrc,
    /// The CRC at the end of the image does not match.
    ImageCrc,
    /// The CRC of the section does not match.
    SectionCrc(Section),
    /// A section is missing, repeated, out of order, misaligned, outside the image or of the wrong
    /// length.
    Section(Section),
    /// The section table names a section that this build does not know.
    UnknownSection(u32),
    /// The sections of the table do not end where the image does.
    SectionTable,
    /// A reserved field of the prologue is not zero.
    Reserved,
    /// The descriptive header does not decode, or its texts have the wrong length.
    Meta,
    /// The network or input size in the header is invalid.
    Spec(SpecError),
    /// The exponent table does not fall strictly from 32640 to above 16320.
    ExpTable,
    /// The step's record contradicts the network.
    Step(StepId),
    /// The CRC of the step's weights does not match.
    StepCrc(StepId),
    /// The step has a precision that this build lacks (features `fp16` and `int16x8`).
    UnsupportedPrecision(StepId),
    /// Steps of one part have different precisions ([`crate::parts::Parts`]).
    MixedPrecision,
    /// A field of an operator's record is wrong. The number is the operator's index in canonical
    /// order.
    Op(u16, OpField),
    /// The golden section does not hold one CRC per step and one frame. With half-precision steps
    /// it must also hold the result and its bounds.
    Golden,
}

sentences!(LoadError {
    Self::Misaligned => (
        "model image: must start at a multiple of {} bytes in memory; load it with ModelBuf on a host, hold it in Aligned or a linker section in firmware",
        ALIGN
    ),
    Self::Truncated { needed, found } => ("model image: truncated, {} bytes of {}", found, needed),
    Self::BadMagic => ("not a model image: it does not start with \"HRViTimg\""),
    Self::UnsupportedVersion(version) => ("model image: format version {}, this build reads {}; quantise the checkpoint again", version, VERSION),
    Self::UnsupportedAblations(bits) => (
        "model image: of a network without some techniques (ablations {}), which this build cannot leave out: build it with feature ablations",
        bits
    ),
    Self::UnsupportedPacking(packing) => ("model image: weight packing {} is unknown to this build; pack the model for this target", packing),
    Self::PrologueCrc => ("model image: corrupt, the CRC of its first bytes does not match"),
    Self::ImageCrc => ("model image: corrupt, its CRC does not match"),
    Self::SectionCrc(section) => ("model image: section {} is corrupt, its CRC does not match", section),
    Self::Section(section) => ("model image: section {} is missing, misplaced or of the wrong length", section),
    Self::UnknownSection(number) => ("model image: section number {} is unknown to this build; quantise the checkpoint again", number),
    Self::SectionTable => ("model image: its sections do not end where the image does"),
    Self::Reserved => ("model image: a reserved field is not zero"),
    Self::Meta => ("model image: the descriptive header does not decode"),
    Self::Spec(error) => ("model image: {}", error),
    Self::ExpTable => ("model image: the exponent table is not a falling one from 32640"),
    Self::Step(id) => ("model image: record of step {} contradicts the network", id),
    Self::StepCrc(id) => ("model image: weights of step {} are corrupt, their CRC does not match", id),
    Self::UnsupportedPrecision(id) => (
        "model image: step {} has a precision that this build lacks: build it with feature fp16 or int16x8, or quantise with --precision int8",
        id
    ),
    Self::MixedPrecision => ("model image: the stage norms, fusions and embeddings of a module (or the head's steps) must have one precision"),
    Self::Op(index, field) => ("model image: record of operator {} is wrong ({:?})", index, field),
    Self::Golden => ("model image: the golden section does not hold one CRC per step and one frame (with half precision: and its result with bounds)"),
});

impl core::error::Error for LoadError {}
