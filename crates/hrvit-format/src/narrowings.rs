//! Checks across the weight groups of a module's fusions that all of them narrow a branch alike.

use bytemuck::cast_slice;

use crate::{
    error::{LoadError, OpField},
    graph::{Step, StepId, StepOps},
    head::ModelHead,
    op::OpKind,
    spec::BRANCHES,
};

/// Compares the fusions of an image, whose groups arrive in canonical order. All fusions of a
/// module must narrow a branch in the same way, since the engine narrows the branch once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Narrowings {
    first: [Option<u32>; BRANCHES],
}

impl Narrowings {
    /// Compares the step `id`, whose weight group is `group`, with its module's first fusion that
    /// reads the same branch. Steps of other kinds pass.
    ///
    /// # Errors
    /// [`LoadError::Op`] with [`OpField::Narrow`] names the operator that narrows a branch in
    /// another way.
    pub fn check(&mut self, head: &ModelHead<'_>, id: StepId, group: &[u8]) -> Result<(), LoadError> {
        let network = &head.meta().network;
        let Some(step @ Step::Fusion { branch, .. }) = network.step(id) else { return Ok(()) };
        let ops = network.ops(step);
        for (source, first) in (0..).zip(&mut self.first) {
            if branch == 0 {
                *first = None;
            }
            // A sparse fusion does not read every branch.
            let Some(position) = position(&ops, source) else { continue };
            let crc = narrowing_crc(head, id, &ops, position, group);
            let agrees = crc.is_some_and(|crc| *first.get_or_insert(crc) == crc);
            if !agrees {
                let first_op = head.records().step(id).map_or(0, |record| record.first_op);
                return Err(LoadError::Op(first_op.saturating_add(position as u16), OpField::Narrow));
            }
        }
        Ok(())
    }
}

/// The operator of a fusion that narrows the branch `source`.
fn position(ops: &StepOps, source: u8) -> Option<usize> {
    ops.iter().position(|op| op.kind == OpKind::FusionNarrow && op.source == source)
}

/// CRC32 over all that decides how the operator at `position` narrows: multipliers, shifts, limits.
fn narrowing_crc(head: &ModelHead<'_>, id: StepId, ops: &StepOps, position: usize, group: &[u8]) -> Option<u32> {
    let params = head.records().params(id, group)?.op(position, ops.get(position)?)?;
    let record = params.record;
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(cast_slice(params.mult));
    hasher.update(params.shift);
    hasher.update(cast_slice(&[record.zero, record.lo, record.hi, i16::from(record.pre_shift)]));
    Some(hasher.finalize())
}
