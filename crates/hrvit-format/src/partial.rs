//! What is needed to use an image whose weights cannot be addressed: where its parts lie, and how fusions are compared whose groups are never in memory together.

use core::ops::Range;

use bytemuck::cast_slice;

use crate::{
    error::{LoadError, OpField},
    graph::{OpKind, Step, StepId},
    image::Model,
    record::{Prologue, Section, SectionRecord},
};

/// Bytes that suffice for [`Model::head_len`]: the prologue and the largest section table.
pub const START_BYTES: usize = size_of::<Prologue>() + Section::Golden as usize * size_of::<SectionRecord>();

/// Where the parts of a golden frame lie in the image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoldenRanges {
    /// u32 CRC per step.
    pub crcs: Range<usize>,
    /// `[height, width, 3]` pixels.
    pub frame: Range<usize>,
    /// Logits of an image with half-precision steps ([`crate::GoldenResult`]); else empty.
    pub logits: Range<usize>,
    /// Labels of such an image; else empty.
    pub labels: Range<usize>,
    /// CRC32 of all together.
    pub crc: u32,
}

impl Model<'_> {
    /// Where the weight group of a step lies in the image.
    pub fn group_range(&self, id: StepId) -> Option<Range<usize>> {
        let record = self.steps().get(usize::from(id.0))?;
        let start = self.weights_range().start + record.offset as usize;
        Some(start..start + record.len as usize)
    }

    /// Where the golden frame lies in the image.
    pub fn golden_ranges(&self) -> Result<Option<GoldenRanges>, LoadError> {
        let Some(section) = self.golden_section() else { return Ok(None) };
        let (start, lens) = (section.offset as usize, self.golden_lens());
        let frame = start + lens.crcs;
        let logits = frame + lens.frame;
        let labels = logits + lens.logits;
        let end = labels + lens.labels;
        if end != start + section.len as usize {
            return Err(LoadError::Golden);
        }
        Ok(Some(GoldenRanges { crcs: start..frame, frame: frame..logits, logits: logits..labels, labels: labels..end, crc: section.crc }))
    }

    /// CRC32 over all that decides how the fusion step `id`, whose weight group is `group`, narrows the branch `source`: multipliers, shifts, limits. It must be
    /// the same for all outputs of a module's fusion. `None` where the step does not narrow that branch.
    pub fn narrowing_crc(&self, id: StepId, source: u8, group: &[u8]) -> Option<u32> {
        let (_, step) = self.step_ids().nth(id.0.into())?;
        let ops = self.meta().network.ops(step);
        let position = ops.iter().position(|op| op.kind == OpKind::FusionNarrow && op.source == source)?;
        let params = self.params(id, group)?.op(position, ops.get(position)?)?;
        let record = params.record;
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(cast_slice(params.mult));
        hasher.update(params.shift);
        hasher.update(cast_slice(&[record.zero, record.lo, record.hi, i16::from(record.pre_shift)]));
        Some(hasher.finalize())
    }
}

/// Compares the fusions of an image as their groups come by in canonical order.
#[derive(Clone, Copy, Debug, Default)]
pub struct Narrowings {
    first: [Option<u32>; crate::spec::BRANCHES],
}

impl Narrowings {
    /// Compares the step `id` with the first output of its module.
    pub fn check(&mut self, model: &Model<'_>, id: StepId, group: &[u8]) -> Result<(), LoadError> {
        let Some((_, step @ Step::Fusion { branch, .. })) = model.step_ids().nth(id.0.into()) else { return Ok(()) };
        for (source, first) in (0..).zip(&mut self.first) {
            let crc = model.narrowing_crc(id, source, group);
            if branch == 0 {
                *first = crc;
            } else if crc != *first {
                return Err(error_of(model, id, step, source));
            }
        }
        Ok(())
    }
}

fn error_of(model: &Model<'_>, id: StepId, step: Step, source: u8) -> LoadError {
    let position = model.meta().network.ops(step).iter().position(|op| op.kind == OpKind::FusionNarrow && op.source == source);
    let first = model.steps().get(usize::from(id.0)).map_or(0, |record| record.first_op);
    LoadError::Op(first.saturating_add(position.unwrap_or(0) as u16), OpField::Narrow)
}
