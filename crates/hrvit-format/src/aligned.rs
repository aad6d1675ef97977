//! Host memory that starts at a multiple of [`ALIGN`] bytes.

use std::vec::Vec;

use bytemuck::{Pod, Zeroable};

use crate::record::ALIGN;

#[repr(C, align(64))]
#[derive(Clone, Copy, Pod, Zeroable)]
struct Chunk([u8; ALIGN]);

/// A byte buffer on the heap whose first byte lies at a multiple of [`ALIGN`]: for model images read from files, and for arenas.
#[derive(Clone)]
pub struct AlignedBytes {
    chunks: Vec<Chunk>,
    len: usize,
}

impl AlignedBytes {
    /// `len` zero bytes.
    pub fn zeroed(len: usize) -> Self {
        Self { chunks: vec![Chunk([0; ALIGN]); len.div_ceil(ALIGN)], len }
    }
}

impl From<&[u8]> for AlignedBytes {
    fn from(bytes: &[u8]) -> Self {
        let mut aligned = Self::zeroed(bytes.len());
        aligned.copy_from_slice(bytes);
        aligned
    }
}

impl std::ops::Deref for AlignedBytes {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &bytemuck::cast_slice(&self.chunks)[..self.len]
    }
}

impl std::ops::DerefMut for AlignedBytes {
    fn deref_mut(&mut self) -> &mut [u8] {
        &mut bytemuck::cast_slice_mut(&mut self.chunks)[..self.len]
    }
}
