//! Checks of an operator's record, on which the engine then relies: shapes, ranges and accumulator
//! headroom.

use hrvit_kernels::contract::{
    EPS, INTERPOLATED, LOGITS_S16, MAX_FRACTION, MAX_GAIN, MAX_OFFSET, MAX_PRE_SHIFT, MAX_QV_S16, MAX_THREE_S8, MAX_THREE_S16, MIN_FRACTION, MIN_MULT,
    NORM_SHIFTS, SHIFTS,
};

use crate::{
    arrays::Arrays,
    error::OpField,
    graph::{Step, StepOps},
    op::{Op, OpKind},
    precision::Precision,
    record::{ALIGN, NONE, OpRecord},
    step::{OpParams, StepParams},
};

/// Most entries of an activation table.
pub const MAX_TABLE: u32 = 4096;
/// Largest code of the pooled features that enter the classifier.
pub const POOLED_MAX: i64 = 16 * 255;

const I32_MAX: i64 = i32::MAX as i64;

/// Whether an accumulator of this magnitude may be shifted left before it is requantised:
/// `acc << pre_shift` stays below 2^31.
fn fits(acc: i64, pre_shift: u8) -> bool {
    // The shifted accumulator may have more than 64 bits; the limit shifted back never has.
    acc <= I32_MAX.checked_shr(pre_shift.into()).unwrap_or(0)
}

/// Whether the sum that an operator of this kind stores, of terms whose magnitudes add up to `sum`,
/// has headroom.
fn sum_fits(kind: OpKind, sum: i64, pre_shift: u8) -> bool {
    match kind {
        OpKind::FusionAct | OpKind::IncreaseAct => fits(sum, pre_shift),
        // The residual stream receives both branches, or the one that there is.
        OpKind::ToOut | OpKind::DesLeft => fits(sum + ANY_CODE, 0),
        // Four maps, resized with weights whose sum is 256.
        OpKind::HeadAct => fits(256 * 4 * ANY_CODE, pre_shift),
        _ => true,
    }
}

/// Largest magnitude of a code of 16 bits.
pub(crate) const ANY_CODE: i64 = 32768;

/// Largest magnitude of the codes that a record limits.
pub(crate) fn magnitude(record: &OpRecord) -> i64 {
    i64::from(record.lo.unsigned_abs().max(record.hi.unsigned_abs()))
}

/// Checks all operators of one integer step; the error names the operator's index within the step.
/// `fed` is the largest magnitude of the codes that an int16x8 step reads from another one; an int8
/// step has none.
#[inline(always)] // twice: a build without int16x8 has nothing of it
pub(crate) fn step(step: Step, ops: &StepOps, params: &StepParams<'_>, fed: Option<i64>) -> Result<(), (u16, OpField)> {
    let precision = if fed.is_some() { Precision::Int16x8 } else { Precision::Int8 };
    // Terms that the engine adds up in i32 before the next rounding.
    let mut sum = 0i64;
    for ((index, op), record) in (0u16..).zip(ops).zip(params.ops) {
        let at = |field| (index, field);
        let arrays = Arrays::of(op, precision, params.packing);
        shape(op, record).map_err(at)?;
        layout(op, record, &arrays, fed.is_some()).map_err(at)?;
        let op_params = params.op(usize::from(index), op).ok_or(at(OpField::Array))?;
        let (input, three_max) = match fed {
            None => {
                ranges(op, record, params, ops).map_err(at)?;
                (input_s8(op.kind), MAX_THREE_S8)
            }
            Some(fed) => {
                ranges_s16(op, &op_params, ops).map_err(at)?;
                (input_s16(op, ops, params, fed), MAX_THREE_S16)
            }
        };
        let bound = requantisation(op, &op_params, input, three_max).map_err(at)?;
        match op.kind {
            OpKind::FusionPointwise | OpKind::FusionIdentity | OpKind::ToOut | OpKind::DesLeft | OpKind::IncreaseConv3 | OpKind::IncreaseShortcut => {
                sum += bound
            }
            OpKind::IncreaseDownsample => sum += bound,
            _ => {}
        }
        if !sum_fits(op.kind, sum, record.pre_shift) {
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
    if !record.in_scale.is_finite() || !record.out_scale.is_finite() {
        return Err(OpField::Reserved);
    }
    Ok(())
}

fn layout(op: &Op, record: &OpRecord, arrays: &Arrays, wide: bool) -> Result<(), OpField> {
    let bits = match op.kind {
        OpKind::Scores => [if wide { 15 } else { 8 }, 15],
        _ => [0, 0],
    };
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
    let entries = match arrays.table_entry {
        0 => 0..=0,
        _ if wide && op.kind != OpKind::DesRight => INTERPOLATED..=INTERPOLATED,
        _ => 1..=MAX_TABLE,
    };
    if !entries.contains(&record.table_len) {
        return Err(OpField::Table);
    }
    let norm = op.kind.is_norm();
    let fractions = MIN_FRACTION..=MAX_FRACTION;
    let fits = match norm {
        true => NORM_SHIFTS.contains(&record.norm_shift) && fractions.contains(&record.norm_fraction) && EPS.contains(&record.eps),
        false => (record.norm_shift, record.norm_fraction, record.eps) == (0, 0, 0),
    };
    if !fits {
        return Err(OpField::Norm);
    }
    Ok(())
}

/// Output range of a kind: what `zero`, `lo` and `hi` may be.
fn ranges(op: &Op, record: &OpRecord, params: &StepParams<'_>, ops: &StepOps) -> Result<(), OpField> {
    use OpKind as K;
    let fits = |least: i16, most: i16| least <= record.lo && record.lo <= record.hi && record.hi <= most;
    let zero_in = record.lo <= record.zero && record.zero <= record.hi;
    let index = |len: u32| record.lo == 0 && u32::try_from(record.hi).is_ok_and(|hi| hi + 1 == len) && zero_in;
    let ok = match op.kind {
        K::Qkv => fits(-127, 127) && record.zero == 0,
        K::AttnNorm | K::FfnNorm => fits(-128, 127) && record.zero == 0,
        K::StemConv2 | K::DesRight | K::FusionAct => index(record.table_len),
        K::FfnDepthwise3 | K::FfnDepthwise5 | K::Fc1 if op.feeds_ffn_act(ops) => {
            let act = params.ops.iter().find(|other| other.kind == K::FfnAct as u8).ok_or(OpField::Table)?;
            index(act.table_len)
        }
        K::StemConv1 | K::HeadAct | K::IncreaseConv1 | K::IncreaseConv2 | K::IncreaseAct | K::FinalConv => fits(-128, 127) && record.zero == record.lo,
        K::EmbedPointwise | K::ParallelAct | K::AttnAct | K::AttnNarrow | K::Fc1 => fits(-128, 127) && zero_in,
        K::FusionNarrow | K::FusionDepthwise | K::HeadNarrow | K::IncreaseNarrow => fits(-128, 127) && zero_in,
        _ => (record.zero, record.lo, record.hi) == (0, i16::MIN, i16::MAX),
    };
    if ok && (-128..=127).contains(&record.pad) { Ok(()) } else { Err(OpField::Range) }
}

/// Largest magnitude of a code that an operator of an int8 step multiplies with its weights.
fn input_s8(kind: OpKind) -> i64 {
    match kind {
        OpKind::DesRight | OpKind::DesLeft => ANY_CODE,
        OpKind::FinalLinear => POOLED_MAX,
        _ => 128,
    }
}

/// Output range of a kind in an int16x8 step. Codes have the zero point 0, which padding holds.
/// Tables stay within the limits of their codes.
fn ranges_s16(op: &Op, params: &OpParams<'_>, ops: &StepOps) -> Result<(), OpField> {
    use OpKind as K;
    let record = params.record;
    let codes = record.zero == 0 && record.lo <= 0 && record.hi >= 0;
    let ok = match op.kind {
        K::Qkv => {
            let scores = ops.iter().find(|other| other.kind == K::Scores).ok_or(OpField::Range)?;
            let dim = i64::from(scores.cin / scores.cout.max(1));
            codes && magnitude(record) <= MAX_QV_S16 && dim * magnitude(record) * magnitude(record) < LOGITS_S16
        }
        K::StemConv2 | K::FfnAct | K::FusionAct => codes && params.table16.iter().all(|entry| (record.lo..=record.hi).contains(entry)),
        K::Fc1 if op.feeds_ffn_act(ops) => (record.zero, record.lo, record.hi) == (0, i16::MIN, i16::MAX),
        K::AttnNorm | K::FfnNorm | K::StemConv1 | K::EmbedPointwise | K::ParallelAct | K::AttnAct | K::AttnNarrow | K::Fc1 | K::FusionDepthwise => codes,
        K::HeadAct | K::IncreaseConv1 | K::IncreaseConv2 | K::IncreaseAct | K::FinalConv => codes && record.lo == 0,
        K::DesRight => record.lo == 0 && u32::try_from(record.hi).is_ok_and(|hi| hi + 1 == record.table_len) && (0..=record.hi).contains(&record.zero),
        _ => (record.zero, record.lo, record.hi) == (0, i16::MIN, i16::MAX),
    };
    if ok && record.pad == 0 { Ok(()) } else { Err(OpField::Range) }
}

/// Largest magnitude of a code that an operator of an int16x8 step multiplies with its weights. It
/// follows from the limits of the operator or step that made the codes.
fn input_s16(op: &Op, ops: &StepOps, params: &StepParams<'_>, fed: i64) -> i64 {
    use OpKind as K;
    let left_by = |kind: K| {
        let position = ops.iter().position(|other| other.kind == kind && (other.source == op.source || kind != K::FusionDepthwise));
        position.and_then(|at| params.ops.get(at)).map(magnitude)
    };
    let source = match op.kind {
        K::StemConv1 => return 128,
        K::EmbedPointwise | K::EmbedDense => return left_by(K::StemConv2).unwrap_or(fed),
        K::IncreaseDownsample | K::FinalConv => return fed,
        K::StemConv2 => K::StemConv1,
        K::EmbedDepthwise => K::EmbedPointwise,
        K::Qkv => K::AttnNorm,
        K::ParallelDepthwise => K::ParallelAct,
        K::ToOut if ops.iter().any(|other| other.kind == K::AttnNarrow) => K::AttnNarrow,
        K::ToOut => K::AttnAct,
        K::Fc1 => K::FfnNorm,
        K::FfnDepthwise3 | K::FfnDepthwise5 => K::Fc1,
        K::Fc2 => K::FfnAct,
        K::FusionPointwise => K::FusionDepthwise,
        K::HeadClassifier => K::HeadAct,
        K::IncreaseConv2 => K::IncreaseConv1,
        K::IncreaseConv3 => K::IncreaseConv2,
        K::FinalLinear => K::FinalConv,
        _ => return ANY_CODE,
    };
    left_by(source).unwrap_or(ANY_CODE)
}

/// Whether all padding of packed weights is zero.
fn is_padded_with_zeros(op: &Op, params: &OpParams<'_>) -> bool {
    let (packing, cout, len) = (params.packing, usize::from(op.cout), op.depth());
    let (channels, depth) = packing.block();
    let (padded_cout, padded_len) = (cout.next_multiple_of(channels), len.next_multiple_of(depth));
    let outside = |c: usize| if c < cout { len } else { 0 }..padded_len;
    (0..padded_cout).all(|c| outside(c).all(|i| params.weights.get(packing.index(len, c, i)) == Some(&0)))
}

/// Checks multipliers, shifts and headroom; returns the largest magnitude that one requantised
/// value can have.
fn requantisation(op: &Op, params: &OpParams<'_>, input: i64, three_max: i32) -> Result<i64, OpField> {
    use OpKind as K;
    let record = params.record;
    if op.kind.is_norm() {
        let gains = params.mult.iter().all(|gain| gain.unsigned_abs() <= MAX_GAIN);
        let offsets = params.bias.iter().all(|offset| offset.unsigned_abs() <= MAX_OFFSET);
        return if gains && offsets && record.pre_shift == 0 { Ok(0) } else { Err(OpField::Norm) };
    }
    let three_max = if op.kind == K::AttnAct { 32767 } else { three_max };
    if !params.three.iter().all(|three| (1..=three_max).contains(three)) {
        return Err(OpField::Three);
    }
    if record.pre_shift > MAX_PRE_SHIFT || (matches!(op.kind, K::Scores | K::ParallelAct | K::AttnAct | K::FfnAct) && record.pre_shift != 0) {
        return Err(OpField::PreShift);
    }
    if !params.mult.iter().all(|mult| *mult >= MIN_MULT) {
        return Err(OpField::Multiplier);
    }
    if !params.shift.iter().all(|shift| SHIFTS.contains(shift)) {
        return Err(OpField::Shift);
    }
    if params.weights.contains(&i8::MIN) || !is_padded_with_zeros(op, params) {
        return Err(OpField::Weight);
    }
    // Operators without weights requantise single s16 codes, sums (bounded by the caller) or
    // products of two codes (bounded by `three`).
    let products = if params.weights.is_empty() { ANY_CODE } else { op.depth() as i64 * input * 127 };
    let rates = params.mult.iter().zip(params.shift);
    let mut largest = 0;
    let mut requantised = |bias: i32, (&mult, &shift): (&i32, &u8)| {
        let acc = products + i64::from(bias.unsigned_abs());
        if !fits(acc, record.pre_shift) {
            return Err(OpField::Headroom);
        }
        largest = largest.max(((acc << record.pre_shift) * i64::from(mult)) >> shift);
        Ok(())
    };
    if params.bias.is_empty() {
        for rate in rates {
            requantised(0, rate)?;
        }
    } else {
        for (&bias, rate) in params.bias.iter().zip(rates.cycle()) {
            requantised(bias, rate)?;
        }
    }
    Ok(largest + 1)
}

#[cfg(test)]
mod tests;
