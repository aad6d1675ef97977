//! An image from another image: unchanged parts are copied.

use bytemuck::{Pod, cast_slice};
use hrvit_kernels::Packing;

use super::{assemble::Sections, group::Groups, place::pack};
use crate::{
    aligned::AlignedBytes,
    bytes::crc32,
    error::LoadError,
    golden::Golden,
    graph::StepOps,
    model::Model,
    op::Op,
    precision::Precision,
    record::{ALIGN, OpRecord, StepRecord},
    step::{OpParams, StepParams},
};

/// Writes `model` again with `golden` as its golden frame.
///
/// # Errors
/// [`LoadError::Golden`] if frame, CRCs, result or bounds do not fit the model's network and size.
pub fn with_golden(model: &Model<'_>, golden: Golden<'_>) -> Result<AlignedBytes, LoadError> {
    Sections {
        meta: model.meta(),
        sequence: model.sequence(),
        packing: model.packing(),
        steps: model.steps(),
        ops: model.ops(),
        exp: model.exp_table(),
        weights: model.weights(),
        golden: Some(golden),
    }
    .image()
}

/// Writes `model` again in another packing. Results, sequence number and golden frame stay the
/// same.
///
/// # Errors
/// As [`Model::load`], whose errors a loaded model excludes.
pub fn repack(model: &Model<'_>, packing: Packing) -> Result<AlignedBytes, LoadError> {
    let (mut steps, mut ops, mut groups) = (Vec::new(), model.ops().to_vec(), Groups::default());
    for (id, step) in model.step_ids() {
        let shapes = model.meta().network.ops(step);
        let params = model.step(id).ok_or(LoadError::Step(id))?;
        let repacked = params.precision() == Precision::Int8 && shapes.iter().any(|op| op.packing(params.packing) != op.packing(packing));
        if repacked {
            let records = ops.get_mut(usize::from(params.record.first_op)..).unwrap_or_default();
            place_again(&params, &shapes, packing, records, &mut groups).ok_or(LoadError::Step(id))?;
        } else {
            // Its arrays keep their places in the group.
            groups.append(params.bytes, ALIGN);
        }
        steps.push(groups.finish(|group| StepRecord { offset: group.offset as u32, len: group.bytes.len() as u32, crc: crc32(group.bytes), ..*params.record }));
    }
    let (weights, golden) = (groups.into_bytes(), model.golden());
    let (meta, sequence, exp) = (model.meta(), model.sequence(), model.exp_table());
    Sections { meta, sequence, packing, steps: &steps, ops: &ops, exp, weights: &weights, golden }.image()
}

/// Places the arrays of an int8 step again, its weights in another packing; `records` begin with
/// those of the step.
fn place_again(step: &StepParams<'_>, shapes: &StepOps, packing: Packing, records: &mut [OpRecord], group: &mut Groups) -> Option<()> {
    for ((index, op), record) in shapes.iter().enumerate().zip(records) {
        let params = step.op(index, op)?;
        let own = op.packing(packing);
        record.weights = if own == params.packing { append(group, params.weights, ALIGN) } else { append(group, &pack(op, own, &rows(op, &params)), ALIGN) };
        record.bias = append(group, params.bias, 4);
        record.mult = append(group, params.mult, 4);
        record.shift = append(group, params.shift, 4);
        record.three = append(group, params.three, 4);
        record.table = if params.table16.is_empty() { append(group, params.table, 4) } else { append(group, params.table16, 4) };
    }
    Some(())
}

fn append<T: Pod>(group: &mut Groups, array: &[T], align: usize) -> u32 {
    group.append(cast_slice(array), align)
}

/// The weights of `params` as [`Packing::Rows`] has them.
fn rows(op: &Op, params: &OpParams<'_>) -> Vec<i8> {
    let depth = op.depth();
    (0..op.weight_count()).map(|at| params.weights[params.packing.index(depth, at / depth, at % depth)]).collect()
}
