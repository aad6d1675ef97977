//! Typed slices out of one byte buffer.

/// Numbers that any bytes are.
///
/// # Safety
/// Every bit pattern of `size_of::<Self>()` bytes is a value, and there is no padding.
pub(super) unsafe trait Element: Copy + PartialEq {}

// SAFETY: integers.
unsafe impl Element for i8 {}
// SAFETY: integers.
unsafe impl Element for u8 {}
// SAFETY: integers.
unsafe impl Element for i16 {}
// SAFETY: integers.
unsafe impl Element for i32 {}
// SAFETY: integers.
unsafe impl Element for u16 {}
// SAFETY: integers.
unsafe impl Element for u32 {}
// SAFETY: every pattern of 16 bits is an f16.
#[cfg(feature = "fp16")]
unsafe impl Element for half::f16 {}
// SAFETY: every pattern of 32 bits is an f32.
#[cfg(feature = "fp16")]
unsafe impl Element for f32 {}

/// Rest of a buffer.
pub(super) struct Arena<'a> {
    rest: &'a mut [u8],
    taken: usize,
}

impl<'a> Arena<'a> {
    pub(super) fn new(rest: &'a mut [u8]) -> Self {
        Self { rest, taken: 0 }
    }

    /// An arena over the same rest; what is taken from it is free again when it is gone.
    pub(super) fn scope(&mut self) -> Arena<'_> {
        Arena { rest: self.rest, taken: self.taken }
    }

    /// The next `len` elements, at an address that is aligned for `T` and seldom for more.
    pub(super) fn take<T: Element>(&mut self, len: usize) -> Option<&'a mut [T]> {
        self.taken += 1;
        // Each slice starts at another remainder of 16 bytes.
        let skip = size_of::<T>() * (self.taken * 5 % 16) + align_of::<T>();
        let bytes = len.checked_mul(size_of::<T>())?.checked_add(skip)?;
        if bytes > self.rest.len() {
            return None;
        }
        let (head, rest) = core::mem::take(&mut self.rest).split_at_mut(bytes);
        self.rest = rest;
        // SAFETY: any bytes are elements (`Element`).
        let (_, elements, _) = unsafe { head.align_to_mut::<T>() };
        let spare = elements.len().checked_sub(len)?;
        elements.get_mut(spare..)
    }

    /// The next `len` elements, each by `make`.
    pub(super) fn make<T: Element>(&mut self, len: usize, mut make: impl FnMut(usize) -> T) -> Option<&'a [T]> {
        let elements = self.take(len)?;
        for (i, element) in elements.iter_mut().enumerate() {
            *element = make(i);
        }
        Some(elements)
    }
}
