//! One `&mut [u8]` cut into typed, aligned regions that cannot overlap.

use bytemuck::Pod;

use crate::error::Fault;

/// Alignment of the arena and of every region in it, in bytes.
pub const ALIGN: usize = 64;

/// Bytes behind every region that nobody may write. Only builds with debug assertions have them, and check them.
pub const CANARY: usize = if cfg!(debug_assertions) { ALIGN } else { 0 };

/// What a canary holds.
#[cfg(debug_assertions)]
const CANARY_BYTE: u8 = 0xc5;

/// Bytes that `count` elements of `T` take in the arena, their padding and their canary included.
pub const fn padded_bytes<T>(count: usize) -> usize {
    match (count * size_of::<T>()).next_multiple_of(ALIGN) {
        0 => 0,
        bytes => bytes + CANARY,
    }
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

/// Cuts regions off the front of an arena, each at a multiple of [`ALIGN`]. Where there are canaries it paints them, and panics on its end if one was written:
/// it must outlive the use of its regions.
pub struct ArenaSlicer<'a> {
    rest: &'a mut [u8],
    #[cfg(debug_assertions)]
    canaries: heapless::Vec<&'a [u8], 64>,
}

impl<'a> ArenaSlicer<'a> {
    /// Cuts from `bytes`, which must start at a multiple of [`ALIGN`].
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self {
            rest: bytes,
            #[cfg(debug_assertions)]
            canaries: heapless::Vec::new(),
        }
    }

    /// `count` elements of `T`; fails where the arena is too short, which a checked plan excludes.
    pub fn take<T: Pod>(&mut self, count: usize) -> Result<&'a mut [T], Fault> {
        // An empty region has no address that could be aligned.
        if count == 0 {
            return Ok(Default::default());
        }
        bytemuck::try_cast_slice_mut(self.take_bytes(count * size_of::<T>())?).map_err(|_| Fault)
    }

    /// One region of `bytes` bytes.
    #[inline(never)] // one for elements of every type
    fn take_bytes(&mut self, bytes: usize) -> Result<&'a mut [u8], Fault> {
        let (cut, rest) = core::mem::take(&mut self.rest).split_at_mut_checked(padded_bytes::<u8>(bytes)).ok_or(Fault)?;
        self.rest = rest;
        let (bytes, behind) = cut.split_at_mut_checked(bytes).ok_or(Fault)?;
        self.guard(behind);
        Ok(bytes)
    }

    /// What has not been cut yet; nothing is left to cut.
    pub fn rest(&mut self) -> &'a mut [u8] {
        core::mem::take(&mut self.rest)
    }

    #[cfg(debug_assertions)]
    fn guard(&mut self, canary: &'a mut [u8]) {
        canary.fill(CANARY_BYTE);
        debug_assert!(self.canaries.push(canary).is_ok(), "more regions than one slicer can guard");
    }

    #[cfg(not(debug_assertions))]
    fn guard(&mut self, _: &'a mut [u8]) {}
}

#[cfg(debug_assertions)]
impl Drop for ArenaSlicer<'_> {
    fn drop(&mut self) {
        for (region, canary) in self.canaries.iter().enumerate() {
            assert!(canary.iter().all(|&byte| byte == CANARY_BYTE), "region {region} was written beyond its end");
        }
    }
}

#[cfg(all(test, debug_assertions))]
mod tests {
    use super::*;

    #[test]
    #[should_panic(expected = "region 1 was written beyond its end")]
    fn a_write_behind_a_region_is_found() {
        let overrun = [CANARY_BYTE - 1; CANARY];
        let mut arena = Arena::<1024>::new();
        let mut slicer = ArenaSlicer::new(arena.bytes_mut());
        slicer.take::<i16>(100).unwrap();
        slicer.take::<i8>(3).unwrap();
        slicer.canaries[1] = &overrun;
    }
}
