//! The fixed-size little-endian records of the model image, which are read in place.
//! `docs/model-format.md` lists them byte by byte.

use bytemuck::{Pod, Zeroable};

pub use hrvit_kernels::Packing;

pub use crate::arrays::Arrays;
pub use crate::precision::{Precision, TensorFormat, UnknownNumber, UnknownPrecision};
use crate::{bytes::Span, graph::Step, sentence::sentences};

/// First eight bytes of every image.
pub const MAGIC: [u8; 8] = *b"HRViTimg";
/// Format version of images of whole networks.
pub const VERSION: u16 = 3;
/// Format version of images of networks without some of the paper's techniques ([`Ablation`]).
///
/// [`Ablation`]: crate::Ablation
pub const VERSION_ABLATED: u16 = 4;
/// Alignment of the image in memory, of every section and of every weight tensor, in bytes.
pub const ALIGN: usize = 64;
/// Offset that stands for "this operator has no such array".
pub const NONE: u32 = u32::MAX;
/// Entries of the model's exponent table (section `Tables`).
pub const EXP_ENTRIES: usize = 64;

/// First 64 bytes of the image.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct Prologue {
    /// [`MAGIC`].
    pub magic: [u8; 8],
    /// [`VERSION`], or [`VERSION_ABLATED`].
    pub version: u16,
    /// A [`Packing`] number: the order of dense weights.
    pub packing: u16,
    /// Number of entries in the section table, which follows.
    pub sections: u16,
    /// The network's [`Ablation::bits`](crate::Ablation::bits). 0 in version [`VERSION`], not 0 in
    /// version [`VERSION_ABLATED`].
    pub ablations: u16,
    /// Sequence number: [`crate::slots::is_newer`] tells which of two images is newer.
    pub sequence: u32,
    /// Bytes of the whole image, the CRC at its end included.
    pub total_len: u32,
    /// Zero.
    pub reserved: [u32; 9],
    /// CRC32 of the 60 bytes before it, followed by the section table.
    pub crc: u32,
}

/// Entry of the section table.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Pod, Zeroable)]
pub struct SectionRecord {
    /// A [`Section`] number.
    pub kind: u32,
    /// Offset from the start of the image, a multiple of [`ALIGN`].
    pub offset: u32,
    /// Bytes, without padding.
    pub len: u32,
    /// CRC32 of those bytes.
    pub crc: u32,
}

/// The sections of an image, in the order in which they appear.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
#[non_exhaustive]
pub enum Section {
    /// postcard: [`crate::Meta`].
    Meta = 1,
    /// [`StepRecord`]s in canonical order.
    Steps = 2,
    /// [`OpRecord`]s in canonical order.
    Ops = 3,
    /// u16 exponent table of the attention.
    Tables = 4,
    /// One group for each step: weights, biases, multipliers, shifts and tables.
    Weights = 5,
    /// Optional: u32 CRC per step, one input frame, and with half-precision steps bounds and
    /// result.
    Golden = 6,
}

impl Section {
    /// All sections.
    pub const ALL: [Self; 6] = [Self::Meta, Self::Steps, Self::Ops, Self::Tables, Self::Weights, Self::Golden];
}

impl TryFrom<u32> for Section {
    type Error = UnknownNumber;

    fn try_from(number: u32) -> Result<Self, UnknownNumber> {
        Self::ALL.into_iter().find(|&section| section as u32 == number).ok_or(UnknownNumber(number))
    }
}

sentences!(Section {
    Self::Meta => ("meta"),
    Self::Steps => ("steps"),
    Self::Ops => ("ops"),
    Self::Tables => ("tables"),
    Self::Weights => ("weights"),
    Self::Golden => ("golden"),
});

/// Record of one step: place of its group, and format of its output.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct StepRecord {
    /// Kind and position of the step ([`step_tag`]).
    pub tag: [u8; 4],
    /// A [`Precision`] number.
    pub precision: u8,
    /// A [`TensorFormat`] number: format of the step's output. The output of a block is the
    /// residual stream.
    pub output: u8,
    /// Index of its first operator record.
    pub first_op: u16,
    /// Number of its operator records.
    pub op_count: u16,
    /// Zero.
    pub reserved0: u16,
    /// Offset of its group in section `Weights`, a multiple of [`ALIGN`].
    pub offset: u32,
    /// Bytes of its group.
    pub len: u32,
    /// CRC32 of its group.
    pub crc: u32,
    /// Real value of one code of the output; 1 for labels and half-precision tensors.
    pub scale: f32,
    /// Zero.
    pub reserved1: u32,
}

impl SectionRecord {
    /// Place of the section in the image.
    pub(crate) fn span(&self) -> Span {
        Span { start: self.offset as usize, len: self.len as usize }
    }
}

impl StepRecord {
    /// Place of the group in section `Weights`.
    pub(crate) fn span(&self) -> Span {
        Span { start: self.offset as usize, len: self.len as usize }
    }

    /// Its operators among the records of all.
    pub(crate) fn ops<'a>(&self, ops: &'a [OpRecord]) -> Option<&'a [OpRecord]> {
        ops.get(usize::from(self.first_op)..)?.get(..usize::from(self.op_count))
    }
}

/// Four bytes that name a step: kind, module, branch, block.
pub fn step_tag(step: Step) -> [u8; 4] {
    match step {
        Step::Stem => [0, 0, 0, 0],
        Step::Fusion { module, branch } => [1, module, branch, 0],
        Step::PatchEmbed { module, branch } => [2, module, branch, 0],
        Step::Attention { module, branch, block } => [3, module, branch, block],
        Step::MixCfn { module, branch, block } => [4, module, branch, block],
        Step::StageNorm { module, branch } => [5, module, branch, 0],
        Step::Logits => [6, 0, 0, 0],
        Step::LabelMap => [7, 0, 0, 0],
        Step::Increase { branch } => [8, 0, branch, 0],
        Step::Classify => [9, 0, 0, 0],
    }
}

/// Record of one operator. Array offsets count from the start of its step's group. Array lengths
/// follow from the operator's kind and shape ([`Arrays`]).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Pod, Zeroable)]
pub struct OpRecord {
    /// An [`crate::OpKind`] number.
    pub kind: u8,
    /// Branch that it reads.
    pub source: u8,
    /// Width of the exponent codes of [`crate::OpKind::Scores`]: 8 or 15, in int16x8 always 15. 0
    /// elsewhere.
    pub code_bits: u8,
    /// Left shift before requantisation, 0 to 30.
    pub pre_shift: u8,
    /// Input channels (or dot product length, see [`crate::Op::cin`]).
    pub cin: u16,
    /// Output channels.
    pub cout: u16,
    /// Kernel side.
    pub kernel: u8,
    /// Stride.
    pub stride: u8,
    /// Right shift `t` of a LayerNorm's affine, 1 to 30; 0 elsewhere.
    pub norm_shift: u8,
    /// Fractional bits of a LayerNorm's normalised values, 10 to 15; 0 elsewhere.
    pub norm_fraction: u8,
    /// Zero point of the output, or of the table index.
    pub zero: i16,
    /// Lowest output code, or index.
    pub lo: i16,
    /// Highest output code, or index.
    pub hi: i16,
    /// Code that padded taps hold: the input's zero point.
    pub pad: i16,
    /// Offset of the weights: i8, or f16 in a half-precision step.
    pub weights: u32,
    /// Offset of the biases (LayerNorm: offsets `B_c`): i32, or f32 in a half-precision step.
    pub bias: u32,
    /// Offset of the i32 multipliers. LayerNorm: offset of the gains `G_c`, i32 or in a
    /// half-precision step f32.
    pub mult: u32,
    /// Offset of the u8 right shifts.
    pub shift: u32,
    /// Offset of the i32 codes of the real 3.0 (Hardswish).
    pub three: u32,
    /// Offset of the activation table, with i8 or i16 entries.
    pub table: u32,
    /// Entries of the activation table.
    pub table_len: u32,
    /// `eps` of a LayerNorm, in squared codes times C²; in a half-precision step in units of 2^-40.
    /// 0 elsewhere.
    pub eps: u64,
    /// Real value of one input code, for reports and conversions of the residual stream. 0 if it
    /// differs per channel.
    pub in_scale: f32,
    /// Real value of one output code, for reports. 0 if it differs per channel.
    pub out_scale: f32,
}

const _: () = assert!(size_of::<Prologue>() == 64);
const _: () = assert!(size_of::<SectionRecord>() == 16);
const _: () = assert!(size_of::<StepRecord>() == 32);
const _: () = assert!(size_of::<OpRecord>() == 64);

#[cfg(target_endian = "big")]
compile_error!("model images are little-endian and read in place");
