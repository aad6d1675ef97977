//! Places of things in the bytes of an image that need not be valid, and its CRCs.

use std::mem::{offset_of, size_of};
use std::ops::Range;

use bytemuck::Pod;
use hrvit_format::crc32;
use hrvit_format::record::{OpRecord, Prologue, Section, SectionRecord, StepRecord};

/// The record at an offset, if the image is long enough.
pub fn record<T: Pod>(image: &[u8], at: usize) -> Option<T> {
    Some(bytemuck::pod_read_unaligned(image.get(at..at.checked_add(size_of::<T>())?)?))
}

/// Writes what fits of `bytes`.
pub fn put(image: &mut [u8], at: usize, bytes: &[u8]) {
    if let Some(slots) = at.checked_add(bytes.len()).and_then(|end| image.get_mut(at..end)) {
        slots.copy_from_slice(bytes);
    }
}

/// The section table's entries, unproven.
#[derive(Clone, Debug)]
pub struct Layout(Vec<SectionRecord>);

impl Layout {
    /// The entries that lie inside the image.
    pub fn of(image: &[u8]) -> Self {
        let count = record::<Prologue>(image, 0).map_or(0, |prologue| usize::from(prologue.sections));
        Self((0..count).map_while(|index| record(image, size_of::<Prologue>() + index * size_of::<SectionRecord>())).collect())
    }

    /// Range that a section claims; empty if it is missing.
    pub fn section(&self, section: Section) -> Range<usize> {
        let entry = self.0.iter().find(|entry| entry.kind == section as u32);
        entry.map_or(0..0, |entry| entry.offset as usize..(entry.offset as usize).saturating_add(entry.len as usize))
    }

    /// Offsets of the step records.
    pub fn steps(&self) -> impl Iterator<Item = usize> {
        let section = self.section(Section::Steps);
        section.clone().step_by(size_of::<StepRecord>()).filter(move |at| at + size_of::<StepRecord>() <= section.end)
    }

    /// Offset of an operator's record, and its number taken from `pick` round the number of all.
    pub fn op(&self, pick: usize) -> Option<(usize, usize)> {
        let section = self.section(Section::Ops);
        let index = pick.checked_rem(section.len() / size_of::<OpRecord>())?;
        Some((index, section.start + index * size_of::<OpRecord>()))
    }

    /// The record of the step that has operator `index`.
    pub fn step_of(&self, image: &[u8], index: usize) -> Option<StepRecord> {
        let has = |step: &StepRecord| (0..usize::from(step.op_count)).contains(&index.wrapping_sub(step.first_op.into()));
        self.steps().filter_map(|at| record::<StepRecord>(image, at)).find(has)
    }
}

/// Makes every CRC right for the bytes that it covers, from the inside to the outside.
pub fn mend_crcs(image: &mut [u8]) {
    let layout = Layout::of(image);
    let weights = layout.section(Section::Weights).start;
    for at in layout.steps() {
        let Some(step) = record::<StepRecord>(image, at) else { break };
        let first = weights.saturating_add(step.offset as usize);
        mend(image, first..first.saturating_add(step.len as usize), at + offset_of!(StepRecord, crc));
    }
    let table = size_of::<Prologue>();
    for (index, entry) in layout.0.iter().enumerate() {
        let first = entry.offset as usize;
        mend(image, first..first.saturating_add(entry.len as usize), table + index * size_of::<SectionRecord>() + offset_of!(SectionRecord, crc));
    }
    let before = offset_of!(Prologue, crc);
    if let Some(entries) = image.get(table..table + layout.0.len() * size_of::<SectionRecord>()) {
        let crc = crc32(&[&image[..before], entries].concat());
        put(image, before, &crc.to_le_bytes());
    }
    let total = record::<Prologue>(image, 0).map_or(0, |prologue| prologue.total_len as usize).min(image.len());
    if let Some(end) = total.checked_sub(size_of::<u32>()) {
        mend(image, 0..end, end);
    }
}

fn mend(image: &mut [u8], covered: Range<usize>, at: usize) {
    if let Some(bytes) = image.get(covered) {
        let crc = crc32(bytes);
        put(image, at, &crc.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Model};
    use hrvit_tests::random_image::random_image;
    use hrvit_tests::specs::{size, tiny};

    use super::*;

    #[test]
    fn crcs_of_a_valid_image_are_already_right() {
        let image = random_image(&tiny(Head::Segformer), size(32, 32), 1);
        let mut mended = image.clone();
        mend_crcs(&mut mended);
        assert!(mended[..] == image[..]);
    }

    #[test]
    fn a_changed_scale_loads_once_its_crcs_are_mended() {
        let mut image = random_image(&tiny(Head::Segformer), size(32, 32), 1);
        let step = Layout::of(&image).steps().next().unwrap();
        put(&mut image, step + offset_of!(StepRecord, scale), &0.5f32.to_le_bytes());
        assert!(Model::load(&image).is_err());
        mend_crcs(&mut image);
        let model = Model::load(&image).unwrap();
        assert_eq!(record::<StepRecord>(&image, step).unwrap().scale, 0.5);
        assert_eq!(model.step_ids().count(), Layout::of(&image).steps().count());
    }
}
