//! Parts of a byte string, and check sums over them.

use core::ops::Range;

use bytemuck::{Pod, try_cast_slice};

/// Place of a part of a byte string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// Its first byte.
    pub start: usize,
    /// Its bytes.
    pub len: usize,
}

impl Span {
    /// The part itself; `None` where `bytes` end before.
    pub fn of(self, bytes: &[u8]) -> Option<&[u8]> {
        bytes.get(self.start..)?.get(..self.len)
    }

    /// Its end; `None` where that exceeds the address space.
    pub fn end(self) -> Option<usize> {
        self.start.checked_add(self.len)
    }

    /// The same as a range, for parts that lie in a byte string.
    pub fn range(self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// `bytes` as elements of `T` if length and address allow.
pub(crate) fn cast<T: Pod>(bytes: &[u8]) -> Option<&[T]> {
    try_cast_slice(bytes).ok()
}

/// The `T` at the start of `bytes`.
pub(crate) fn first<T: Pod>(bytes: &[u8]) -> Option<&T> {
    cast::<T>(bytes.get(..size_of::<T>())?)?.first()
}

/// CRC32 (IEEE, as in zlib) of `bytes`.
pub fn crc32(bytes: &[u8]) -> u32 {
    crc32fast::hash(bytes)
}

/// Continues a CRC32: `before` is the CRC32 of the preceding bytes, or 0 at the beginning.
pub fn crc32_after(before: u32, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new_with_initial(before);
    hasher.update(bytes);
    hasher.finalize()
}
