//! Checks of all records together: they must be the network's, in its order.

use crate::{
    bytes::crc32,
    error::LoadError,
    graph::{Step, StepId},
    network::Network,
    parts::Parts,
    precision::{Precision, TensorFormat},
    record::{ALIGN, EXP_ENTRIES, Section, step_tag},
    records::Records,
    spec::BRANCHES,
    validate, validate_fp16,
};

/// The records of an image and the network that they are for.
pub(crate) struct Checks<'c, 'a> {
    pub network: &'c Network,
    pub records: &'c Records<'a>,
}

impl Checks<'_, '_> {
    /// Checks every step's record, that groups follow one another, and that all of them fill
    /// `weights_len` bytes.
    pub fn steps(&self, weights_len: usize) -> Result<(), LoadError> {
        let Self { network, records } = self;
        let (mut next_op, mut next_offset) = (0usize, 0usize);
        let mut count = 0;
        let mut parts = [Parts::NONE; Precision::ALL.len()];
        for (id, step) in network.step_ids() {
            let record = records.step(id).ok_or(LoadError::Section(Section::Steps))?;
            let ops = network.ops(step);
            let precision = Precision::try_from(record.precision).map_err(|_| LoadError::Step(id))?;
            if !precision.is_built() {
                return Err(LoadError::UnsupportedPrecision(id));
            }
            if let Some(parts) = parts.get_mut(precision as usize) {
                parts.insert(network, step);
            }
            let agrees = record.tag == step_tag(step)
                && record.output == TensorFormat::of(precision, step) as u8
                && (precision != Precision::Fp16 || record.scale == 1.0)
                && usize::from(record.first_op) == next_op
                && usize::from(record.op_count) == ops.len()
                && record.offset as usize == next_offset
                && (record.reserved0, record.reserved1) == (0, 0)
                && record.scale.is_finite()
                && record.scale > 0.0;
            if !agrees {
                return Err(LoadError::Step(id));
            }
            next_op += ops.len();
            let end = record.span().end().and_then(|end| end.checked_next_multiple_of(ALIGN));
            next_offset = end.ok_or(LoadError::Step(id))?;
            count += 1;
        }
        if records.steps.len() != count {
            return Err(LoadError::Section(Section::Steps));
        }
        let [int8, int16x8, fp16] = parts;
        let words = cfg!(feature = "int16x8") && (int16x8.share_tensors_with(fp16) || int16x8.share_tensors_with(int8));
        if words || fp16.share_tensors_with(int8) {
            return Err(LoadError::MixedPrecision);
        }
        if let Some((id, _)) = network.step_ids().find(|&(id, step)| records.stream_scale(id, step).is_some_and(|scale| !scale.is_usable())) {
            return Err(LoadError::Step(id));
        }
        if records.ops.len() != next_op {
            return Err(LoadError::Section(Section::Ops));
        }
        if weights_len != next_offset {
            return Err(LoadError::Section(Section::Weights));
        }
        Ok(())
    }

    /// Checks the weight group of a step: its CRC, then every array and bound that the engine
    /// relies on.
    pub fn group(&self, id: StepId, group: &[u8]) -> Result<(), LoadError> {
        let Self { network, records } = self;
        let wrong = LoadError::Step(id);
        let record = records.step(id).ok_or(wrong)?;
        let step = network.step(id).ok_or(wrong)?;
        if group.len() != record.len as usize {
            return Err(wrong);
        }
        if crc32(group) != record.crc {
            return Err(LoadError::StepCrc(id));
        }
        let params = records.params(id, group).ok_or(wrong)?;
        let ops = network.ops(step);
        let checked = match params.precision() {
            Precision::Fp16 if cfg!(feature = "fp16") => validate_fp16::step(&ops, &params),
            Precision::Int16x8 if cfg!(feature = "int16x8") => validate::step(step, &ops, &params, Some(self.fed(step))),
            _ => validate::step(step, &ops, &params, None),
        };
        checked.map_err(|(op, field)| LoadError::Op(record.first_op.saturating_add(op), field))
    }

    /// Largest magnitude of the codes that an int16x8 step reads from another step. The limits of a
    /// fusion's result or a bottleneck's result are known. Other tensors may have any code.
    fn fed(&self, step: Step) -> i64 {
        let source = match step {
            Step::PatchEmbed { module, branch } => Step::Fusion { module, branch },
            Step::Increase { branch } if branch > 0 => Step::Increase { branch: branch - 1 },
            Step::Classify => Step::Increase { branch: BRANCHES as u8 - 1 },
            _ => return validate::ANY_CODE,
        };
        // The activation is the last operator of a fusion and of a bottleneck.
        let record = self.records.id(source).and_then(|id| self.records.step(id));
        let last = record.and_then(|record| record.ops(self.records.ops)).and_then(<[_]>::last);
        last.map_or(validate::ANY_CODE, validate::magnitude)
    }
}

/// Checks the exponent table of the attention.
pub(crate) fn exp(exp: &[u16]) -> Result<(), LoadError> {
    let falls = exp.windows(2).all(|pair| matches!(pair, [a, b] if a > b));
    let ends = exp.first() == Some(&32640) && exp.last().is_some_and(|&last| last > 16320);
    if exp.len() == EXP_ENTRIES && falls && ends { Ok(()) } else { Err(LoadError::ExpTable) }
}
