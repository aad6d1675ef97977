//! One `&mut [u8]` cut into typed, aligned regions that cannot overlap.

use bytemuck::Pod;

use crate::fault::Fault;

/// Alignment of the arena and of every region in it, in bytes.
pub const ALIGN: usize = 64;

/// Guarded bytes behind every region, which nobody may write. Only builds with debug assertions
/// have and check them.
pub const CANARY: usize = if cfg!(debug_assertions) { ALIGN } else { 0 };

/// Byte that a canary holds.
#[cfg(debug_assertions)]
const CANARY_BYTE: u8 = 0xc5;

/// Bytes that a region of `bytes` takes in the arena, its padding and its canary included.
/// `usize::MAX` if they are too many to count.
const fn padded_bytes(bytes: usize) -> usize {
    match bytes.checked_next_multiple_of(ALIGN) {
        Some(0) => 0,
        Some(padded) => padded.saturating_add(CANARY),
        None => usize::MAX,
    }
}

/// Memory for one engine, aligned to [`ALIGN`] bytes. Firmware declares a static of this type, as
/// large as its build script planned:
///
/// ```
/// use hrvit_core::Arena;
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

    /// Its bytes.
    pub const fn bytes_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<const BYTES: usize> AsMut<[u8]> for Arena<BYTES> {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0
    }
}

impl<const BYTES: usize> Default for Arena<BYTES> {
    fn default() -> Self {
        Self::new()
    }
}

/// Cuts regions off the front of an arena, each at a multiple of [`ALIGN`], or measures what the
/// same cuts would take.
///
/// Every block describes its buffers once, as a function that takes them from a slicer. A plan runs
/// this function by [`ArenaSlicer::measure`], the engine on an arena. In builds with canaries the
/// slicer paints them. When it is dropped, it panics if a canary was written: it must outlive the
/// use of its regions.
pub(crate) struct ArenaSlicer<'a> {
    /// Bytes not cut yet; `None` if regions are only measured.
    rest: Option<&'a mut [u8]>,
    measured: usize,
    #[cfg(debug_assertions)]
    canaries: heapless::Vec<&'a [u8], 64>,
}

impl<'a> ArenaSlicer<'a> {
    /// Cuts from `bytes`, which must start at a multiple of [`ALIGN`].
    pub fn new(bytes: &'a mut [u8]) -> Self {
        Self::of(Some(bytes))
    }

    fn of(rest: Option<&'a mut [u8]>) -> Self {
        Self {
            rest,
            measured: 0,
            #[cfg(debug_assertions)]
            canaries: heapless::Vec::new(),
        }
    }

    /// Bytes of the regions that `cut` asks for, which it receives empty. `usize::MAX` if they are
    /// too many to count.
    pub fn measure<T>(cut: impl FnOnce(&mut Self) -> Result<T, Fault>) -> usize {
        let mut slicer = Self::of(None);
        match cut(&mut slicer) {
            Ok(_) => slicer.measured,
            Err(Fault) => usize::MAX,
        }
    }

    /// An array of `T` of the given extents.
    ///
    /// # Errors
    /// If the arena is too short, which a checked plan excludes.
    #[inline(always)]
    pub fn take<T: Pod, const AXES: usize>(&mut self, extents: [usize; AXES]) -> Result<&'a mut [T], Fault> {
        self.elements(&extents)
    }

    #[inline(never)] // one for all numbers of axes
    fn elements<T: Pod>(&mut self, extents: &[usize]) -> Result<&'a mut [T], Fault> {
        match self.bytes(extents, size_of::<T>())? {
            // An empty region has no address that could be aligned.
            [] => Ok(Default::default()),
            bytes => bytemuck::try_cast_slice_mut(bytes).map_err(|_| Fault),
        }
    }

    /// The bytes of an array of elements of `size` bytes; none if regions are only measured.
    #[inline(never)] // one for elements of every type
    fn bytes(&mut self, extents: &[usize], size: usize) -> Result<&'a mut [u8], Fault> {
        let bytes = extents.iter().copied().fold(size, usize::saturating_mul);
        if bytes == 0 || self.rest.is_none() {
            self.measured = self.measured.saturating_add(padded_bytes(bytes));
            return Ok(Default::default());
        }
        let (cut, rest) = self.rest().split_at_mut_checked(padded_bytes(bytes)).ok_or(Fault)?;
        self.rest = Some(rest);
        let (bytes, behind) = cut.split_at_mut_checked(bytes).ok_or(Fault)?;
        self.guard(behind);
        Ok(bytes)
    }

    /// Bytes not cut yet; nothing is left to cut.
    pub fn rest(&mut self) -> &'a mut [u8] {
        self.rest.as_mut().map(core::mem::take).unwrap_or_default()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(debug_assertions)]
    #[test]
    #[should_panic(expected = "region 1 was written beyond its end")]
    fn a_write_behind_a_region_is_found() {
        let overrun = [CANARY_BYTE - 1; CANARY];
        let mut arena = Arena::<1024>::new();
        let mut slicer = ArenaSlicer::new(arena.bytes_mut());
        slicer.take::<i16, 1>([100]).unwrap();
        slicer.take::<i8, 1>([3]).unwrap();
        slicer.canaries[1] = &overrun;
    }

    #[test]
    fn what_is_measured_is_what_is_cut() {
        fn cut(slicer: &mut ArenaSlicer<'_>) -> Result<[usize; 3], Fault> {
            Ok([slicer.take::<i16, 2>([3, 33])?.len(), slicer.take::<u8, 1>([0])?.len(), slicer.take::<i32, 3>([1, 1, 2])?.len()])
        }
        let bytes = ArenaSlicer::measure(cut);
        assert_eq!(bytes, 256 + 64 + 2 * CANARY);
        let mut arena = Arena::<1024>::new();
        let mut slicer = ArenaSlicer::new(&mut arena.bytes_mut()[..bytes]);
        assert_eq!((cut(&mut slicer).unwrap(), slicer.rest().len()), ([99, 0, 2], 0));
    }

    #[test]
    fn sizes_beyond_the_address_space_are_the_largest_number() {
        assert_eq!(ArenaSlicer::measure(|slicer| slicer.take::<i32, 2>([usize::MAX / 2, 3])), usize::MAX);
        assert_eq!(ArenaSlicer::measure(|slicer| slicer.take::<u8, 1>([usize::MAX - 3])), usize::MAX);
    }
}
