//! The caller's buffers: checked, then slices.

use core::slice;

use crate::failure::Failure;
use crate::status::*;

/// Addresses of a piece of memory, and its name in messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    start: usize,
    bytes: usize,
    what: &'static str,
}

impl Place {
    /// The place of a slice.
    pub fn of<T>(what: &'static str, slice: &[T]) -> Self {
        Self { start: slice.as_ptr().addr(), bytes: size_of_val(slice), what }
    }

    /// That it shares a byte with what it must not.
    pub fn overlap(self) -> Failure {
        Failure::named(HRVIT_ERROR_OVERLAP, self.what, " overlaps another buffer, an arena or an image")
    }

    /// Whether both share a byte.
    pub fn overlaps(self, other: Self) -> bool {
        let before = |a: Self, b: Self| b.start.checked_sub(a.start).is_some_and(|distance| distance >= a.bytes);
        self.bytes > 0 && other.bytes > 0 && !before(self, other) && !before(other, self)
    }
}

/// Checks that `pointer` may lead to `count` elements of `T`.
pub(crate) fn check<T>(what: &'static str, pointer: *const T, count: usize) -> Result<Place, Failure> {
    if pointer.is_null() {
        return Err(Failure::null(what));
    }
    if !pointer.is_aligned() {
        return Err(Failure::misaligned(what, align_of::<T>()));
    }
    let bytes = count.checked_mul(size_of::<T>()).filter(|bytes| isize::try_from(*bytes).is_ok() && pointer.addr().checked_add(*bytes).is_some());
    let bytes = bytes.ok_or_else(|| Failure::named(HRVIT_ERROR_SIZE, what, " would not fit the address space"))?;
    Ok(Place { start: pointer.addr(), bytes, what })
}

/// The caller's memory, to be read.
///
/// # Safety
/// `pointer` is NULL, or leads to `count` elements that nobody changes while `'m` lasts.
pub(crate) unsafe fn shared<'m, T>(what: &'static str, pointer: *const T, count: usize) -> Result<&'m [T], Failure> {
    check(what, pointer, count)?;
    // SAFETY: not NULL, aligned and of a size that can be, as checked above; the rest is the
    // caller's word.
    Ok(unsafe { slice::from_raw_parts(pointer, count) })
}

/// The caller's memory, to be written. No other slice of it may exist: see [`Apart`].
///
/// # Safety
/// `pointer` is NULL, or leads to `count` elements that nobody else uses while `'m` lasts.
pub(crate) unsafe fn unique<'m, T>(what: &'static str, pointer: *mut T, count: usize) -> Result<&'m mut [T], Failure> {
    check(what, pointer, count)?;
    // SAFETY: not NULL, aligned and of a size that can be, as checked above; the rest is the
    // caller's word.
    Ok(unsafe { slice::from_raw_parts_mut(pointer, count) })
}

/// Buffers of one call, none of which may overlap another.
#[derive(Default)]
pub(crate) struct Apart {
    places: [Place; 7],
    count: usize,
}

impl Apart {
    /// Adds memory that is only read, before anything that is written: it may overlap what else is
    /// read.
    pub fn read(&mut self, place: Place) -> Result<(), Failure> {
        let free = self.places.get_mut(self.count).ok_or_else(|| Failure::of(HRVIT_ERROR_INTERNAL))?;
        *free = place;
        self.count += 1;
        Ok(())
    }

    /// Adds a buffer, which may be NULL, before a slice of it is made.
    pub fn add<T>(&mut self, what: &'static str, pointer: *const T, count: usize) -> Result<Place, Failure> {
        if pointer.is_null() {
            return Ok(Place::default());
        }
        let place = check(what, pointer, count)?;
        if self.places.iter().any(|other| other.overlaps(place)) {
            return Err(place.overlap());
        }
        let free = self.places.get_mut(self.count).ok_or_else(|| Failure::of(HRVIT_ERROR_INTERNAL))?;
        *free = place;
        self.count += 1;
        Ok(place)
    }
}

/// Writes through a pointer that must not be NULL.
///
/// # Safety
/// `to` is NULL or leads to a `T` that may be written.
pub(crate) unsafe fn put<T>(what: &'static str, to: *mut T, value: T) -> Result<(), Failure> {
    check(what, to, 1)?;
    // SAFETY: not NULL and aligned, as checked above; the rest is the caller's word.
    unsafe { to.write(value) };
    Ok(())
}

/// Memory of the library's own, at a multiple of `HRVIT_ALIGNMENT`.
#[cfg(feature = "std")]
pub(crate) fn zeroed(bytes: usize) -> Result<hrvit_core::AlignedBytes, Failure> {
    hrvit_core::AlignedBytes::try_zeroed(bytes).map_err(|_| Failure::owned(HRVIT_ERROR_MEMORY, format!("no memory for {bytes} bytes")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_overlap_if_they_share_a_byte() {
        let place = |start, bytes| Place { start, bytes, what: "" };
        for (a, b, expected) in [
            (place(10, 5), place(15, 5), false),
            (place(10, 5), place(14, 5), true),
            (place(10, 5), place(11, 1), true),
            (place(10, 0), place(10, 5), false),
            (place(10, 5), place(10, 5), true),
            (place(usize::MAX - 4, 4), place(0, 4), false),
        ] {
            assert_eq!((a.overlaps(b), b.overlaps(a)), (expected, expected), "{a:?} {b:?}");
        }
    }

    #[test]
    fn sizes_beyond_the_address_space_are_refused() {
        let bytes = [0u8; 2];
        assert_eq!(check("", bytes.as_ptr(), usize::MAX).unwrap_err().status, HRVIT_ERROR_SIZE);
        assert_eq!(check("", bytes.as_ptr().cast::<u16>().wrapping_add(1), usize::MAX / 2 + 1).unwrap_err().status, HRVIT_ERROR_SIZE);
    }
}
