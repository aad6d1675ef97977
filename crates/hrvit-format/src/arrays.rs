//! Lengths of an operator's arrays in an image.

use hrvit_kernels::Packing;

use crate::{
    fp16,
    op::{Op, OpKind},
    precision::Precision,
};

/// Number of elements of each array of an operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrays {
    /// Bytes of the weights: i8, or f16 in a half-precision step.
    pub weights: usize,
    /// i32 biases or LayerNorm offsets (f32 in a half-precision step).
    pub bias: usize,
    /// i32 multipliers or LayerNorm gains (f32 gains in a half-precision step).
    pub mult: usize,
    /// u8 shifts.
    pub shift: usize,
    /// i32 codes of 3.0.
    pub three: usize,
    /// Bytes of one table entry. 0 without a table.
    pub table_entry: usize,
}

impl Arrays {
    /// No array.
    pub const NONE: Self = Self { weights: 0, bias: 0, mult: 0, shift: 0, three: 0, table_entry: 0 };

    /// The arrays of `op` in a step of `precision` in an image of `packing`.
    pub fn of(op: &Op, precision: Precision, packing: Packing) -> Self {
        match precision {
            Precision::Fp16 => Self::of_fp16(op),
            Precision::Int16x8 if cfg!(feature = "int16x8") => Self::of_int16x8(op),
            Precision::Int8 | Precision::Int16x8 => Self::of_int8(op, packing),
        }
    }

    fn of_fp16(op: &Op) -> Self {
        let (weights, c) = (2 * fp16::weight_len(op), usize::from(op.cout));
        match op.kind {
            kind if kind.is_norm() => Self { bias: c, mult: c, ..Self::NONE },
            _ if op.kernel == 0 => Self::NONE,
            OpKind::StemConv1 => Self { weights, bias: 4 * c, ..Self::NONE },
            _ => Self { weights, bias: c, ..Self::NONE },
        }
    }

    /// Weights lie in rows; narrowings are copies, and tables have 16-bit entries.
    fn of_int16x8(op: &Op) -> Self {
        use OpKind as K;
        match op.kind {
            K::FusionNarrow | K::HeadNarrow | K::IncreaseNarrow => Self::NONE,
            _ => {
                let arrays = Self::of_int8(op, Packing::Rows);
                Self { table_entry: if arrays.table_entry > 0 { 2 } else { 0 }, ..arrays }
            }
        }
    }

    fn of_int8(op: &Op, packing: Packing) -> Self {
        use OpKind as K;
        let (weights, c) = (op.packed_bytes(packing), usize::from(op.cout));
        let none = Self::NONE;
        match op.kind {
            K::EmbedNorm | K::AttnNorm | K::FfnNorm | K::StageNorm => Self { bias: c, mult: c, ..none },
            K::ParallelAct => Self { mult: c, shift: c, three: c, ..none },
            K::AttnAct => Self { mult: 1, shift: 1, three: 1, ..none },
            K::Scores | K::Values | K::FusionNarrow | K::HeadNarrow | K::IncreaseNarrow | K::AttnNarrow | K::FusionIdentity => {
                Self { mult: c, shift: c, ..none }
            }
            K::FfnAct => Self { table_entry: 1, ..none },
            K::FusionAct => Self { mult: 1, shift: 1, table_entry: 1, ..none },
            K::HeadAct | K::IncreaseAct => Self { mult: 1, shift: 1, ..none },
            _ => Self {
                weights,
                bias: if op.kind == K::StemConv1 { 4 * c } else { c },
                mult: c,
                shift: c,
                three: 0,
                table_entry: match op.kind {
                    K::StemConv2 => 1,
                    K::DesRight => 2,
                    _ => 0,
                },
            },
        }
    }
}
