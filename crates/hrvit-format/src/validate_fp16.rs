//! Checks of a half-precision step's records, on which the engine then relies.

use hrvit_kernels::{Packing, contract::MAX_PARAMETER_F16};

use crate::{
    arrays::Arrays,
    error::OpField,
    fp16::{EPS_BITS, Order, order, padding},
    graph::StepOps,
    op::Op,
    precision::Precision,
    record::{ALIGN, NONE, OpRecord},
    step::{OpParams, StepParams},
    validate,
};

/// Largest `eps`: 1024.
const MAX_EPS: u64 = 1 << (EPS_BITS + 10);

/// Checks all operators of one half-precision step; the error names the operator's index within the
/// step.
pub(crate) fn step(ops: &StepOps, params: &StepParams<'_>) -> Result<(), (u16, OpField)> {
    for ((index, op), record) in (0u16..).zip(ops).zip(params.ops) {
        let at = |field| (index, field);
        validate::shape(op, record).map_err(at)?;
        fields(op, record).map_err(at)?;
        values(op, &params.op(usize::from(index), op).ok_or(at(OpField::Array))?).map_err(at)?;
    }
    Ok(())
}

fn fields(op: &Op, record: &OpRecord) -> Result<(), OpField> {
    let arrays = Arrays::of(op, Precision::Fp16, Packing::Rows);
    let present = |offset: u32, count: usize, align: u32| if count == 0 { offset == NONE } else { offset != NONE && offset.is_multiple_of(align) };
    let placed = present(record.weights, arrays.weights, ALIGN as u32)
        && present(record.bias, arrays.bias, 4)
        && present(record.mult, arrays.mult, 4)
        && (record.shift, record.three, record.table) == (NONE, NONE, NONE);
    if !placed {
        return Err(OpField::Array);
    }
    if record.table_len != 0 {
        return Err(OpField::Table);
    }
    if record.code_bits != 0 {
        return Err(OpField::CodeBits);
    }
    if record.pre_shift != 0 {
        return Err(OpField::PreShift);
    }
    if (record.zero, record.lo, record.hi, record.pad) != (0, i16::MIN, i16::MAX, 0) {
        return Err(OpField::Range);
    }
    let eps = if op.kind.is_norm() { 1..=MAX_EPS } else { 0..=0 };
    if (record.norm_shift, record.norm_fraction) != (0, 0) || !eps.contains(&record.eps) { Err(OpField::Norm) } else { Ok(()) }
}

fn values(op: &Op, params: &OpParams<'_>) -> Result<(), OpField> {
    let (halves, _) = params.weights.as_chunks::<2>();
    let bits = |at: usize| halves.get(at).map_or(0, |&[low, high]| u16::from_le_bytes([low as u8, high as u8]));
    const EXPONENT: u16 = 0x7c00;
    if (0..halves.len()).any(|at| bits(at) & EXPONENT == EXPONENT) {
        return Err(OpField::Weight);
    }
    if let Order::Blocks { segments } = order(op)
        && padding(op, segments).any(|at| bits(at) != 0)
    {
        return Err(OpField::Weight);
    }
    let bounded = |values: &[i32]| values.iter().all(|bits| f32::from_bits(*bits as u32).abs() <= f32::from_bits(MAX_PARAMETER_F16));
    if bounded(params.bias) && bounded(params.mult) { Ok(()) } else { Err(if op.kind.is_norm() { OpField::Norm } else { OpField::Weight }) }
}
