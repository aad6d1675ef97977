//! Records of an image that an engine needs for one step.

use hrvit_kernels::Packing;

use crate::{
    fp16::CodeScale,
    graph::{Step, StepId},
    precision::Precision,
    record::{ALIGN, OpRecord, StepRecord, step_tag},
    step::StepParams,
};

/// The records of an image's steps and operators, with packing and exponent table, which all steps
/// share.
#[derive(Clone, Copy, Debug)]
pub struct Records<'a> {
    /// How weights are packed.
    pub packing: Packing,
    /// Records of all steps in canonical order.
    pub steps: &'a [StepRecord],
    /// Records of all operators in canonical order.
    pub ops: &'a [OpRecord],
    /// The exponent table of the attention, [`crate::record::EXP_ENTRIES`] entries.
    pub exp: &'a [u16],
}

impl<'a> Records<'a> {
    /// The record of the step at a position.
    pub fn step(&self, id: StepId) -> Option<&'a StepRecord> {
        self.steps.get(usize::from(id.0))
    }

    /// The records and arrays of a step. `bytes` is its weight group, in the image or in a buffer.
    pub fn params<'b>(&self, id: StepId, bytes: &'b [u8]) -> Option<StepParams<'b>>
    where
        'a: 'b,
    {
        let record = self.step(id)?;
        Some(StepParams { record, ops: record.ops(self.ops)?, bytes, packing: self.packing })
    }

    /// Precision of the step at a position. [`Precision::Int8`] if there is no such step.
    pub fn precision(&self, id: StepId) -> Precision {
        self.step(id).and_then(|record| Precision::try_from(record.precision).ok()).unwrap_or(Precision::Int8)
    }

    /// Scale for converting the residual stream that a step reads: the real value of one integer
    /// code. `None` if no conversion is needed.
    pub fn stream_scale(&self, id: StepId, step: Step) -> Option<CodeScale> {
        let (before, record) = (self.step(StepId(id.0.checked_sub(1)?))?, self.step(id)?);
        let reads_stream = matches!(step, Step::Attention { .. } | Step::MixCfn { .. } | Step::StageNorm { .. });
        let fp16 = Precision::Fp16 as u8;
        if !reads_stream || (record.precision == fp16) == (before.precision == fp16) {
            return None;
        }
        // The preceding step always made the stream. The first operator of a step that reads it is
        // a LayerNorm.
        let norm = self.ops.get(usize::from(record.first_op))?;
        Some(CodeScale(if record.precision == fp16 { before.scale } else { norm.in_scale }))
    }

    /// Bytes that the group of a step takes in a buffer, a multiple of [`ALIGN`]. They are 0 if
    /// there is no such step, `usize::MAX` if they exceed the address space.
    pub fn padded_group_len(&self, id: StepId) -> usize {
        self.step(id).map_or(0, |record| (record.len as usize).checked_next_multiple_of(ALIGN).unwrap_or(usize::MAX))
    }

    /// Position of a step in canonical order. `None` if this network has no such step.
    pub fn id(&self, step: Step) -> Option<StepId> {
        let tag = step_tag(step);
        (0u16..).zip(self.steps).find(|(_, record)| record.tag == tag).map(|(id, _)| StepId(id))
    }
}
