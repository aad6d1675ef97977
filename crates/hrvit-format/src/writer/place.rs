//! From an operator's numbers to its record and arrays.

use bytemuck::cast_slice;
use hrvit_kernels::Packing;

use super::{
    data::{HalfOp, OpData},
    group::Groups,
};
use crate::{
    arrays::Arrays,
    fp16,
    op::Op,
    precision::Precision,
    record::{ALIGN, NONE, OpRecord},
};

/// `rows` packed. Weights of a wrong number stay as they are: the loader names them.
pub(super) fn pack(op: &Op, packing: Packing, rows: &[i8]) -> Vec<i8> {
    let mut packed = rows.to_vec();
    if packing != Packing::Rows && rows.len() == op.weight_count() {
        packed.resize(packing.packed_len(op.cout.into(), op.depth()).unwrap_or(0), 0);
        if packing.pack(rows, op.depth(), &mut packed).is_err() {
            return rows.to_vec();
        }
    }
    packed
}

/// A record of `op` without arrays and with nothing to say of its numbers.
fn bare_record(op: &Op) -> OpRecord {
    OpRecord {
        kind: op.kind as u8,
        source: op.source,
        code_bits: 0,
        pre_shift: 0,
        cin: op.cin,
        cout: op.cout,
        kernel: op.kernel,
        stride: op.stride,
        norm_shift: 0,
        norm_fraction: 0,
        zero: 0,
        lo: i16::MIN,
        hi: i16::MAX,
        pad: 0,
        weights: NONE,
        bias: NONE,
        mult: NONE,
        shift: NONE,
        three: NONE,
        table: NONE,
        table_len: 0,
        eps: 0,
        in_scale: 0.0,
        out_scale: 0.0,
    }
}

/// An operator of a half-precision step.
pub(super) fn half(op: &Op, values: &HalfOp, group: &mut Groups) -> OpRecord {
    let mut weights = values.weights.clone();
    // Weights of a wrong number stay as they are: the loader names them.
    if op.kernel > 0 && weights.len() == op.weight_count() {
        weights = vec![0; fp16::weight_len(op)];
        values.weights.iter().enumerate().for_each(|(at, &weight)| weights[fp16::weight_index(op, at)] = weight);
    }
    OpRecord {
        weights: group.append(cast_slice(&weights), ALIGN),
        bias: group.append(cast_slice(&values.bias), 4),
        mult: group.append(cast_slice(&values.gain), 4),
        eps: values.eps,
        ..bare_record(op)
    }
}

/// An operator of an integer step of `precision`, its weights packed as `packing` says.
pub(super) fn integer(op: &Op, values: &OpData, precision: Precision, packing: Packing, group: &mut Groups) -> OpRecord {
    let wide = Arrays::of(op, precision, packing).table_entry == 2;
    let weights = pack(op, if precision == Precision::Int8 { op.packing(packing) } else { Packing::Rows }, &values.weights);
    let table: &[u8] = if wide { cast_slice(&values.table16) } else { cast_slice(&values.table) };
    OpRecord {
        code_bits: values.code_bits,
        pre_shift: values.pre_shift,
        norm_shift: values.norm_shift,
        norm_fraction: values.norm_fraction,
        zero: values.zero,
        lo: values.lo,
        hi: values.hi,
        pad: values.pad,
        weights: group.append(cast_slice(&weights), ALIGN),
        bias: group.append(cast_slice(&values.bias), 4),
        mult: group.append(cast_slice(&values.mult), 4),
        shift: group.append(&values.shift, 4),
        three: group.append(cast_slice(&values.three), 4),
        table: group.append(table, 4),
        table_len: if wide { values.table16.len() } else { values.table.len() } as u32,
        eps: values.eps,
        in_scale: values.in_scale,
        out_scale: values.out_scale,
        ..bare_record(op)
    }
}
