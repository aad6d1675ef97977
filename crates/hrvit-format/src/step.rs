//! The operators of one step, with their arrays as slices of its weight group.

use bytemuck::Pod;

use hrvit_kernels::Packing;

use crate::{
    arrays::Arrays,
    bytes::{Span, cast},
    fp16,
    op::Op,
    precision::Precision,
    record::{NONE, OpRecord, StepRecord},
};

/// A step's records and its weight group.
#[derive(Clone, Copy, Debug)]
pub struct StepParams<'a> {
    /// The step's record.
    pub record: &'a StepRecord,
    /// Its operators' records, in order.
    pub ops: &'a [OpRecord],
    /// Its weight group.
    pub bytes: &'a [u8],
    /// Packing of the image.
    pub packing: Packing,
}

/// One operator with its arrays. Arrays that its kind does not have are empty.
#[derive(Clone, Copy, Debug)]
pub struct OpParams<'a> {
    /// The operator's record.
    pub record: &'a OpRecord,
    /// Weights. In a half-precision step the bytes of f16, in the order of
    /// [`crate::fp16::weight_index`].
    pub weights: &'a [i8],
    /// Packing of its 8-bit weights. Always rows in int16x8.
    pub packing: Packing,
    /// Biases, or a LayerNorm's offsets. In a half-precision step the bits of f32.
    pub bias: &'a [i32],
    /// Multipliers, or a LayerNorm's gains. In a half-precision step the bits of f32.
    pub mult: &'a [i32],
    /// Right shifts.
    pub shift: &'a [u8],
    /// Codes of the real 3.0.
    pub three: &'a [i32],
    /// Activation table with 8-bit entries.
    pub table: &'a [i8],
    /// Activation table with 16-bit entries.
    pub table16: &'a [i16],
}

impl<'a> StepParams<'a> {
    /// Precision of the step.
    pub fn precision(&self) -> Precision {
        Precision::try_from(self.record.precision).unwrap_or(Precision::Int8)
    }

    /// The operator with index `index` in the step. `op` is its shape.
    pub fn op(&self, index: usize, op: &Op) -> Option<OpParams<'a>> {
        let record = self.ops.get(index)?;
        let precision = self.precision();
        let arrays = Arrays::of(op, precision, self.packing);
        let entries = record.table_len as usize;
        Some(OpParams {
            record,
            weights: self.array(record.weights, arrays.weights)?,
            packing: if precision == Precision::Int8 { op.packing(self.packing) } else { Packing::Rows },
            bias: self.array(record.bias, arrays.bias)?,
            mult: self.array(record.mult, arrays.mult)?,
            shift: self.array(record.shift, arrays.shift)?,
            three: self.array(record.three, arrays.three)?,
            table: self.array(record.table, if arrays.table_entry == 1 { entries } else { 0 })?,
            table16: self.array(record.table, if arrays.table_entry == 2 { entries } else { 0 })?,
        })
    }

    fn array<T: Pod>(&self, offset: u32, count: usize) -> Option<&'a [T]> {
        if count == 0 {
            return Some(&[]);
        }
        if offset == NONE {
            return None;
        }
        let len = count.checked_mul(size_of::<T>())?;
        cast(Span { start: offset as usize, len }.of(self.bytes)?)
    }
}

impl<'a> OpParams<'a> {
    /// The bytes of the f16 weights of the output channels `first .. first + count`. `None` unless
    /// these are a whole segment of `op`, or all channels.
    pub fn half_weights(&self, op: &Op, first: usize, count: usize) -> Option<&'a [i8]> {
        self.weights.get(fp16::part(op, first, count)?)
    }
}
