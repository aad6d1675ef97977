//! Memory of a C program: pieces of exactly the size that the library is told, so that
//! AddressSanitizer sees a byte too much.

use std::alloc::{Layout, alloc, dealloc, handle_alloc_error};
use std::mem::{align_of, size_of};

use crate::Choices;

/// Byte of memory that nobody has written.
const PAINT: u8 = 0xa5;

/// How a call must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ends {
    /// `HRVIT_OK`.
    Well,
    /// An error, and which one is the library's choice: several things are wrong.
    Badly,
    /// Nobody but the library knows.
    Either,
}

impl Ends {
    /// With one more argument that makes a call end like `other`.
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Badly, _) | (_, Self::Badly) => Self::Badly,
            (Self::Either, _) | (_, Self::Either) => Self::Either,
            _ => Self::Well,
        }
    }

    /// As said, if `wrong` does not hold.
    pub fn wrong_if(self, wrong: bool) -> Self {
        if wrong { Self::Badly } else { self }
    }
}

/// Pieces that live until the sequence of calls is over.
#[derive(Default)]
pub struct Memory {
    pieces: Vec<(*mut u8, Layout)>,
}

impl Memory {
    /// `bytes` painted bytes at a multiple of `align`.
    pub fn piece(&mut self, bytes: usize, align: usize) -> *mut u8 {
        let layout = Layout::from_size_align(bytes.max(1), align).unwrap_or_else(|error| panic!("{bytes} bytes: {error}"));
        // SAFETY: the layout has at least a byte.
        let piece = unsafe { alloc(layout) };
        if piece.is_null() {
            handle_alloc_error(layout);
        }
        // SAFETY: just allocated, with that many bytes.
        unsafe { piece.write_bytes(PAINT, bytes) };
        self.pieces.push((piece, layout));
        piece
    }

    /// The bytes in a piece of their own.
    pub fn copy(&mut self, bytes: &[u8], align: usize) -> *mut u8 {
        let piece = self.piece(bytes.len(), align);
        // SAFETY: the piece has that many bytes.
        unsafe { piece.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
        piece
    }

    /// Memory for `count` elements, of which the library is told: mostly right, else NULL or
    /// without its alignment.
    pub fn buffer<T>(&mut self, choices: &mut Choices<'_>, count: usize) -> (*mut T, Ends) {
        let bytes = count * size_of::<T>();
        match choices.u8() {
            0..4 => (std::ptr::null_mut(), Ends::Badly),
            4..8 if align_of::<T>() > 1 => (self.piece(bytes + 1, align_of::<T>()).wrapping_add(1).cast(), Ends::Badly),
            _ => (self.piece(bytes, align_of::<T>()).cast(), Ends::Well),
        }
    }

    /// A structure that the library writes, or that it reads: `value`, whose first field is its
    /// size. Mostly right; else NULL, without its alignment, cut, or longer than the library knows.
    pub fn structure<T: Copy>(&mut self, choices: &mut Choices<'_>, value: T, is_read: bool) -> (*mut T, Ends) {
        let (align, whole) = (align_of::<T>(), size_of::<T>());
        let (size, ends) = match choices.u8() {
            0..3 => return (std::ptr::null_mut(), Ends::Badly),
            3..6 => return (self.sized(&value, whole, whole + 1, align, 1), Ends::Badly),
            6..9 => (4 + choices.below(whole - 4), Ends::Badly),
            9..18 => (whole + 4 * (1 + choices.below(16)), Ends::Well),
            18..21 if is_read => {
                let longer = self.sized(&value, whole + 8, whole + 8, align, 0);
                // SAFETY: the last byte of the piece.
                unsafe { longer.cast::<u8>().add(whole + choices.below(8)).write(1) };
                return (longer, Ends::Badly);
            }
            _ => (whole, Ends::Well),
        };
        (self.sized(&value, size, size, align, 0), ends)
    }

    /// The first `size` bytes of a structure, or all and then zeros, `offset` bytes into a piece.
    fn sized<T: Copy>(&mut self, value: &T, size: usize, room: usize, align: usize, offset: usize) -> *mut T {
        let piece = self.piece(room, align);
        let number = u32::try_from(size).unwrap_or_else(|error| panic!("{size}: {error}"));
        // SAFETY: the piece has `room` bytes, `offset` more than are written. `T` is a structure of
        // the header. It has no padding that is not read as bytes.
        unsafe {
            let at = piece.add(offset);
            at.write_bytes(0, room - offset);
            at.copy_from_nonoverlapping(std::ptr::from_ref(value).cast::<u8>(), size.min(size_of::<T>()).min(room - offset));
            at.cast::<u32>().write_unaligned(number);
            at.cast()
        }
    }
}

impl Drop for Memory {
    fn drop(&mut self) {
        for (piece, layout) in self.pieces.drain(..) {
            // SAFETY: allocated with this layout, and freed nowhere else.
            unsafe { dealloc(piece, layout) };
        }
    }
}
