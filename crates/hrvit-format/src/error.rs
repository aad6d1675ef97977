//! Why an image does not load.

use crate::spec::SpecError;

/// A field of an operator record, for [`LoadError::Op`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OpField {
    /// Kind, source, channels, kernel or stride differ from what the network asks for at this place.
    Shape,
    /// An array lies outside its group, is misaligned, or is present where there must be none.
    Array,
    /// `pre_shift` is above 30, or not 0 where it must be.
    PreShift,
    /// A weight of -128: the headroom of accumulators is proved for -127..=127. In half precision: a weight or bias that is not finite.
    Weight,
    /// A multiplier outside [2^30, 2^31).
    Multiplier,
    /// A right shift outside 32..=62.
    Shift,
    /// `zero`, `lo`, `hi` or `pad` outside the output's range or contradicting each other.
    Range,
    /// A LayerNorm's gain, offset, shift or eps outside its bounds.
    Norm,
    /// A Hardswish's code of 3.0 outside its bounds.
    Three,
    /// `code_bits` is neither 8 nor 15.
    CodeBits,
    /// A table without entries, with too many, or of another length than the index range.
    Table,
    /// The accumulator could overflow: dot product length, bias and `pre_shift` together reach 2^31.
    Headroom,
    /// A fusion narrows a branch otherwise than the outputs before it; the engine narrows once.
    Narrow,
    /// A reserved byte is not zero, or a scale is not a finite number.
    Reserved,
}

/// Why an image was refused. Nothing of it has been used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LoadError {
    /// The image must start at an address that is a multiple of [`crate::record::ALIGN`].
    Misaligned,
    /// Shorter than its header says, or than any image can be.
    Truncated {
        /// Bytes that were needed.
        needed: usize,
        /// Bytes that were given.
        found: usize,
    },
    /// The first eight bytes are not those of a model image.
    BadMagic,
    /// Written for another version of the format.
    UnsupportedVersion(u16),
    /// Weights are laid out in a way that this build does not read.
    UnsupportedPacking(u16),
    /// The CRC of the prologue and section table does not match.
    PrologueCrc,
    /// The CRC at the end of the image does not match.
    ImageCrc,
    /// The CRC of the section does not match.
    SectionCrc(u32),
    /// A section is missing, repeated, out of order, misaligned, outside the image or of the wrong length.
    Section(u32),
    /// A reserved field of the prologue is not zero.
    Reserved,
    /// The descriptive header does not decode, or holds texts of the wrong length.
    Meta,
    /// The network or input size in the header cannot be built.
    Spec(SpecError),
    /// The exponent table does not fall from 32640 as documented.
    ExpTable,
    /// The step's record contradicts the network (index in canonical order).
    Step(u16),
    /// The CRC of the step's weights does not match.
    StepCrc(u16),
    /// The step asks for an arithmetic that this build does not have.
    UnsupportedPrecision(u16),
    /// Steps that hand tensors to each other in one format have different precisions ([`crate::parts::Parts`]).
    MixedPrecision,
    /// An operator's record is wrong (index in canonical order).
    Op(u16, OpField),
    /// The golden section does not hold one CRC per step and one frame, and with half-precision steps the result.
    Golden,
}

impl core::fmt::Display for LoadError {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Misaligned => write!(f, "model image: must start at a multiple of {} bytes in memory", crate::record::ALIGN),
            Self::Truncated { needed, found } => write!(f, "model image: truncated, {found} bytes of {needed}"),
            Self::BadMagic => write!(f, "not a model image: it does not start with \"HRViTimg\""),
            Self::UnsupportedVersion(v) => {
                write!(f, "model image: format version {v}, this build reads {}; quantise the checkpoint again", crate::record::VERSION)
            }
            Self::UnsupportedPacking(p) => write!(f, "model image: weight packing {p} is unknown to this build; pack the model for this target"),
            Self::PrologueCrc => write!(f, "model image: corrupt, the CRC of its first bytes does not match"),
            Self::ImageCrc => write!(f, "model image: corrupt, its CRC does not match"),
            Self::SectionCrc(s) => write!(f, "model image: section {s} is corrupt, its CRC does not match"),
            Self::Section(s) => write!(f, "model image: section {s} is missing, misplaced or of the wrong length"),
            Self::Reserved => write!(f, "model image: a reserved field is not zero"),
            Self::Meta => write!(f, "model image: the descriptive header does not decode"),
            Self::Spec(error) => write!(f, "model image: {error}"),
            Self::ExpTable => write!(f, "model image: the exponent table is not a falling one from 32640"),
            Self::Step(i) => write!(f, "model image: record of step {i} contradicts the network"),
            Self::StepCrc(i) => write!(f, "model image: weights of step {i} are corrupt, their CRC does not match"),
            Self::UnsupportedPrecision(i) => {
                write!(
                    f,
                    "model image: step {i} has a precision that this build lacks: build it with feature fp16 or int16x8, or quantise with --precision int8"
                )
            }
            Self::MixedPrecision => write!(f, "model image: the stage norms, fusions and embeddings of a module (or the head's steps) must have one precision"),
            Self::Op(i, field) => write!(f, "model image: record of operator {i} is wrong ({field:?})"),
            Self::Golden => write!(f, "model image: the golden section does not hold one CRC per step and one frame (with half precision: and its result)"),
        }
    }
}

impl core::error::Error for LoadError {}
