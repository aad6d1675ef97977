//! The bytes of a step's weight group, array by array.

use std::vec::Vec;

use crate::record::{ALIGN, NONE};

/// All weights so far, and the group that grows at their end.
#[derive(Default)]
pub(super) struct Groups {
    bytes: Vec<u8>,
    start: usize,
}

/// A finished group.
pub(super) struct Group<'g> {
    /// Offset in section `Weights`.
    pub offset: usize,
    /// Its bytes.
    pub bytes: &'g [u8],
}

impl Groups {
    /// Appends `bytes` to the group at the next multiple of `align` and returns their offset in it;
    /// [`NONE`] for an absent array.
    pub fn append(&mut self, bytes: &[u8], align: usize) -> u32 {
        if bytes.is_empty() {
            return NONE;
        }
        let offset = (self.bytes.len() - self.start).next_multiple_of(align);
        self.bytes.resize(self.start + offset, 0);
        self.bytes.extend_from_slice(bytes);
        offset as u32
    }

    /// Ends the group, hands it to `record`, and begins the next one.
    pub fn finish<R>(&mut self, record: impl FnOnce(Group<'_>) -> R) -> R {
        let recorded = record(Group { offset: self.start, bytes: &self.bytes[self.start..] });
        self.bytes.resize(self.bytes.len().next_multiple_of(ALIGN), 0);
        self.start = self.bytes.len();
        recorded
    }

    /// All groups.
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}
