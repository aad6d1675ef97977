//! A model image's operators as the quantiser handed them over.

use hrvit_format::record::Precision;
use hrvit_format::writer::{HalfOp, OpData, StepData};
use hrvit_format::{Model, Op, OpParams, Packing, fp16};

/// Every step of `model`, its weights in rows.
pub fn steps_of(model: &Model<'_>) -> Vec<StepData> {
    let steps = model.step_ids().map(|(id, step)| {
        let params = model.step(id).expect("a loaded model has all steps");
        let shapes = model.meta().network.ops(step);
        let ops = shapes.iter().enumerate().map(|(index, op)| (op, params.op(index, op).expect("a loaded step has all operators")));
        let scale = params.record.scale;
        match params.precision() {
            Precision::Int8 => StepData::Int8 { scale, ops: ops.map(|(op, params)| integer(op, &params)).collect() },
            Precision::Int16x8 => StepData::Int16x8 { scale, ops: ops.map(|(op, params)| integer(op, &params)).collect() },
            Precision::Fp16 => StepData::Fp16(ops.map(|(op, params)| half(op, &params)).collect()),
        }
    });
    steps.collect()
}

fn integer(op: &Op, params: &OpParams<'_>) -> OpData {
    let (record, depth) = (params.record, op.depth());
    let weights = match params.packing {
        Packing::Rows => params.weights.to_vec(),
        packing => (0..op.weight_count()).map(|at| params.weights[packing.index(depth, at / depth, at % depth)]).collect(),
    };
    OpData {
        weights,
        bias: params.bias.to_vec(),
        mult: params.mult.to_vec(),
        shift: params.shift.to_vec(),
        three: params.three.to_vec(),
        table: params.table.to_vec(),
        table16: params.table16.to_vec(),
        pre_shift: record.pre_shift,
        code_bits: record.code_bits,
        norm_shift: record.norm_shift,
        norm_fraction: record.norm_fraction,
        eps: record.eps,
        zero: record.zero,
        lo: record.lo,
        hi: record.hi,
        pad: record.pad,
        in_scale: record.in_scale,
        out_scale: record.out_scale,
    }
}

fn half(op: &Op, params: &OpParams<'_>) -> HalfOp {
    let bits: &[[u8; 2]] = bytemuck::cast_slice(params.weights);
    let reals = |bits: &[i32]| bits.iter().map(|bits| f32::from_bits(*bits as u32)).collect();
    let count = if bits.is_empty() { 0 } else { op.weight_count() };
    HalfOp {
        weights: (0..count).map(|at| u16::from_le_bytes(bits[fp16::weight_index(op, at)])).collect(),
        bias: reals(params.bias),
        gain: reals(params.mult),
        eps: params.record.eps,
    }
}
