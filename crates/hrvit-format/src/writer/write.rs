//! An image from the numbers of its operators.

use super::{
    assemble::Sections,
    data::{ImageData, StepData},
    group::Groups,
    place,
};
use crate::{
    aligned::AlignedBytes,
    bytes::crc32,
    error::LoadError,
    precision::TensorFormat,
    record::{StepRecord, step_tag},
};

/// Writes an image and loads it once, so that a returned image is valid.
///
/// # Errors
/// [`LoadError::Step`] names a step with another number of operators than in the network. All other
/// errors are those of [`crate::Model::load`].
pub fn write_image(data: &ImageData<'_>) -> Result<AlignedBytes, LoadError> {
    let ImageData { meta, sequence, packing, exp, golden, .. } = *data;
    let (mut steps, mut ops, mut groups) = (Vec::new(), Vec::new(), Groups::default());
    for ((id, step), data) in meta.network.step_ids().zip(data.steps) {
        let shapes = meta.network.ops(step);
        let (first_op, precision) = (ops.len(), data.precision());
        match data {
            StepData::Int8 { ops: values, .. } | StepData::Int16x8 { ops: values, .. } => {
                ops.extend(shapes.iter().zip(values).map(|(op, values)| place::integer(op, values, precision, packing, &mut groups)));
            }
            StepData::Fp16(values) => ops.extend(shapes.iter().zip(values).map(|(op, values)| place::half(op, values, &mut groups))),
        }
        let op_count = ops.len() - first_op;
        if shapes.len() != op_count {
            return Err(LoadError::Step(id));
        }
        steps.push(groups.finish(|group| StepRecord {
            tag: step_tag(step),
            precision: precision as u8,
            output: TensorFormat::of(precision, step) as u8,
            first_op: first_op as u16,
            op_count: op_count as u16,
            reserved0: 0,
            offset: group.offset as u32,
            len: group.bytes.len() as u32,
            crc: crc32(group.bytes),
            scale: match data {
                StepData::Int8 { scale, .. } | StepData::Int16x8 { scale, .. } => *scale,
                StepData::Fp16(_) => 1.0,
            },
            reserved1: 0,
        }));
    }
    let weights = groups.into_bytes();
    Sections { meta, sequence, packing, steps: &steps, ops: &ops, exp, weights: &weights, golden }.image()
}
