//! One `&mut [u8]` cut into typed, aligned regions that cannot overlap.

use bytemuck::Pod;

use crate::error::Fault;

/// Alignment of the arena and of every region in it, in bytes.
pub const ALIGN: usize = 64;

/// Bytes that `count` elements of `T` take in the arena, their padding included.
pub const fn region<T>(count: usize) -> usize {
    (count * size_of::<T>()).next_multiple_of(ALIGN)
}

/// Memory for one engine, aligned as it must be. A board declares a static of it with the bytes that its build script planned:
///
/// ```
/// use hrvit_core::arena::Arena;
/// # const ARENA_BYTES: usize = 1024;
/// let mut arena = Arena::<ARENA_BYTES>::new();
/// assert_eq!(arena.bytes_mut().len(), ARENA_BYTES);
/// ```
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Arena<const BYTES: usize>([u8; BYTES]);

impl<const BYTES: usize> Arena<BYTES> {
    /// An arena of zeros.
    pub const fn new() -> Self {
        Self([0; BYTES])
    }

    /// What [`crate::Engine::new`] takes.
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<const BYTES: usize> Default for Arena<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts regions off the front of an arena, each at a multiple of [`ALIGN`].
pub struct Cutter<'a> {
    rest: &'a mut [u8],
}

impl<'a> Cutter<'a> {
    /// Cuts from `bytes`, which must start at a multiple of [`ALIGN`].
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self { rest: bytes }
    }

    /// `count` elements of `T`; fails where the arena is too short, which a checked plan excludes.
    pub fn take<T: Pod>(&mut self, count: usize) -> Result<&'a mut [T], Fault> {
        // An empty region has no address that could be aligned.
        if count == 0 {
            return Ok(Default::default());
        }
        let (cut, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(region::<T>(count)).ok_or(Fault)?;
        self.rest = rest;
        let bytes = cut.get_mut(..count * size_of::<T>()).ok_or(Fault)?;
        bytemuck::try_cast_slice_mut(bytes).map_err(|_| Fault)
    }

    /// What has not been cut yet.
    pub fn rest(self) -> &'a mut [u8] {
        self.rest
    }
}
