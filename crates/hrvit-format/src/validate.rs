//! What an operator's record must satisfy before the engine may rely on it: shapes, ranges and accumulator headroom.

use crate::{
    error::OpField,
    graph::{Op, OpKind, Step, StepOps},
    record::{ALIGN, Arrays, NONE, OpRecord, Precision},
    step::{OpParams, StepParams},
};

/// Largest activation table.
pub const MAX_TABLE: u32 = 4096;
/// Largest code of the pooled features that enter the classifier.
pub const POOLED_MAX: i64 = 16 * 255;
/// Largest per-channel code of 3.0 in [`OpKind::ParallelAct`].
pub const MAX_THREE_S8: i32 = 1 << 22;
/// Largest `eps` of a LayerNorm: the variance and it stay below 2^63.
const MAX_EPS: u64 = 1 << 62;

const I32_MAX: i64 = i32::MAX as i64;

/// Checks all operators of one step; the error names the operator's index within the step.
pub(crate) fn step(step: Step, ops: &StepOps, params: &StepParams<'_>) -> Result<(), (u16, OpField)> {
    // Terms that the engine adds up in i32 before the next rounding.
    let mut sum = 0i64;
    for ((index, op), record) in (0u16..).zip(ops).zip(params.ops) {
        let at = |field| (index, field);
        let arrays = Arrays::of(op, Precision::Int8, params.packing);
        shape(op, record).map_err(at)?;
        layout(op, record, &arrays).map_err(at)?;
        let op_params = params.op(usize::from(index), op).ok_or(at(OpField::Array))?;
        ranges(op, record, params).map_err(at)?;
        let bound = requantisation(op, &op_params).map_err(at)?;
        match op.kind {
            OpKind::FusionPointwise | OpKind::FusionIdentity | OpKind::ToOut | OpKind::DesLeft | OpKind::IncreaseConv3 | OpKind::IncreaseShortcut => {
                sum += bound
            }
            OpKind::IncreaseDownsample => sum += bound,
            _ => {}
        }
        let summed = match op.kind {
            OpKind::FusionAct | OpKind::IncreaseAct => sum << record.pre_shift,
            OpKind::DesLeft => sum + 32768,
            OpKind::HeadAct => (256 * 4 * 32768) << record.pre_shift,
            _ => 0,
        };
        if summed > I32_MAX {
            return Err(at(OpField::Headroom));
        }
    }
    debug_assert!(params.ops.len() == ops.len() || step == Step::LabelMap, "record counts are checked before");
    Ok(())
}

pub(crate) fn shape(op: &Op, record: &OpRecord) -> Result<(), OpField> {
    let same = (record.kind, record.source) == (op.kind as u8, op.source)
        && (record.cin, record.cout) == (op.cin, op.cout)
        && (record.kernel, record.stride) == (op.kernel, op.stride);
    if !same {
        return Err(OpField::Shape);
    }
    if record.reserved != 0 || !record.in_scale.is_finite() || !record.out_scale.is_finite() {
        return Err(OpField::Reserved);
    }
    Ok(())
}

fn layout(op: &Op, record: &OpRecord, arrays: &Arrays) -> Result<(), OpField> {
    let bits = if op.kind == OpKind::Scores { [8, 15] } else { [0, 0] };
    if !bits.contains(&record.code_bits) {
        return Err(OpField::CodeBits);
    }
    let present = |offset: u32, count: usize, align: u32| if count == 0 { offset == NONE } else { offset != NONE && offset.is_multiple_of(align) };
    let placed = present(record.weights, arrays.weights, ALIGN as u32)
        && present(record.bias, arrays.bias, 4)
        && present(record.mult, arrays.mult, 4)
        && present(record.shift, arrays.shift, 1)
        && present(record.three, arrays.three, 4)
        && present(record.table, arrays.table_entry, 4);
    if !placed {
        return Err(OpField::Array);
    }
    let entries = if arrays.table_entry == 0 { 0..=0 } else { 1..=MAX_TABLE };
    if !entries.contains(&record.table_len) {
        return Err(OpField::Table);
    }
    let norm = op.kind.is_norm();
    if (norm && (!(1..=30).contains(&record.norm_shift) || !(1..=MAX_EPS).contains(&record.eps))) || (!norm && (record.norm_shift != 0 || record.eps != 0)) {
        return Err(OpField::Norm);
    }
    Ok(())
}

/// Output range of a kind: what `zero`, `lo` and `hi` may be.
fn ranges(op: &Op, record: &OpRecord, params: &StepParams<'_>) -> Result<(), OpField> {
    use OpKind as K;
    let fits = |least: i16, most: i16| least <= record.lo && record.lo <= record.hi && record.hi <= most;
    let zero_in = record.lo <= record.zero && record.zero <= record.hi;
    let index = |len: u32| record.lo == 0 && u32::try_from(record.hi).is_ok_and(|hi| hi + 1 == len) && zero_in;
    let ok = match op.kind {
        K::Qkv => fits(-127, 127) && record.zero == 0,
        K::AttnNorm | K::FfnNorm => fits(-128, 127) && record.zero == 0,
        K::StemConv2 | K::DesRight | K::FusionAct => index(record.table_len),
        K::FfnDepthwise3 | K::FfnDepthwise5 => {
            let act = params.ops.iter().find(|other| other.kind == K::FfnAct as u8).ok_or(OpField::Table)?;
            index(act.table_len)
        }
        K::StemConv1 | K::HeadAct | K::IncreaseConv1 | K::IncreaseConv2 | K::IncreaseAct | K::FinalConv => fits(-128, 127) && record.zero == record.lo,
        K::EmbedPointwise | K::ParallelAct | K::AttnAct | K::Fc1 | K::FusionNarrow | K::FusionDepthwise | K::HeadNarrow | K::IncreaseNarrow => {
            fits(-128, 127) && zero_in
        }
        _ => (record.zero, record.lo, record.hi) == (0, i16::MIN, i16::MAX),
    };
    if ok && (-128..=127).contains(&record.pad) { Ok(()) } else { Err(OpField::Range) }
}

/// Checks multipliers, shifts and headroom; returns the largest magnitude that one requantised value can have.
fn requantisation(op: &Op, params: &OpParams<'_>) -> Result<i64, OpField> {
    use OpKind as K;
    let record = params.record;
    if op.kind.is_norm() {
        let gains = params.mult.iter().all(|gain| gain.unsigned_abs() < 1 << 15);
        let offsets = params.bias.iter().all(|offset| offset.unsigned_abs() <= 1 << 29);
        return if gains && offsets && record.pre_shift == 0 { Ok(0) } else { Err(OpField::Norm) };
    }
    let three_max = if op.kind == K::AttnAct { 32767 } else { MAX_THREE_S8 };
    if !params.three.iter().all(|three| (1..=three_max).contains(three)) {
        return Err(OpField::Three);
    }
    if record.pre_shift > 30 || (matches!(op.kind, K::Scores | K::ParallelAct | K::AttnAct | K::FfnAct) && record.pre_shift != 0) {
        return Err(OpField::PreShift);
    }
    if !params.mult.iter().all(|mult| *mult >= 1 << 30) {
        return Err(OpField::Multiplier);
    }
    if !params.shift.iter().all(|shift| (32..=62).contains(shift)) {
        return Err(OpField::Shift);
    }
    if params.weights.contains(&i8::MIN) || !params.packing.is_padded_with_zeros(op, params.weights) {
        return Err(OpField::Weight);
    }
    let input = match op.kind {
        K::DesRight | K::DesLeft => 32768,
        K::FinalLinear => POOLED_MAX,
        _ => 128,
    };
    // Operators without weights requantise single s16 codes, sums (bounded by the caller) or products of two codes (bounded by `three`).
    let products = if params.weights.is_empty() { 32768 } else { op.depth() as i64 * input * 127 };
    let biases = if params.bias.is_empty() { &[0] } else { params.bias };
    let mut largest = 0;
    for (&bias, (&mult, &shift)) in biases.iter().zip(params.mult.iter().zip(params.shift).cycle()) {
        let acc = products + i64::from(bias.unsigned_abs());
        if acc << record.pre_shift > I32_MAX {
            return Err(OpField::Headroom);
        }
        largest = largest.max(((acc << record.pre_shift) * i64::from(mult)) >> shift);
    }
    if params.bias.is_empty() {
        let each = params.mult.iter().zip(params.shift).map(|(&mult, &shift)| ((products << record.pre_shift) * i64::from(mult)) >> shift);
        largest = each.fold(largest, i64::max);
    }
    Ok(largest + 1)
}
