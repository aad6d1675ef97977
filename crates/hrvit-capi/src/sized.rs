//! Structures that begin with their size, so that programs and libraries of different age
//! understand each other.
//!
//! A caller's structure may be older than the library (shorter: the rest is zeros) or younger
//! (longer: what the library does not know must be zeros).

use core::mem::MaybeUninit;
use core::ptr;

use crate::failure::Failure;
use crate::status::*;

/// The most bytes that a structure may say it has.
const MOST: usize = 4096;

/// A structure of the header whose first field is `uint32_t struct_size`.
///
/// # Safety
/// The type is `repr(C)`, begins with a `u32`, and is valid whatever its bytes are, as long as
/// pointers and callbacks come from the caller: integers, floats, raw pointers, options of
/// function pointers.
pub(crate) unsafe trait SizedStruct: Copy {
    /// Bytes of the structure's first version.
    const FIRST: usize;
    /// Its name in the header.
    const NAME: &'static str = "a structure";
    /// The name of its first field.
    const SIZE_NAME: &'static str = "struct_size";

    /// A structure of zeros that has its size.
    fn new() -> Self {
        // SAFETY: zeros are valid, as the trait asks.
        let mut new = unsafe { MaybeUninit::<Self>::zeroed().assume_init() };
        let size = u32::try_from(size_of::<Self>()).unwrap_or(0);
        // SAFETY: it begins with a `u32`, as the trait asks.
        unsafe { ptr::from_mut(&mut new).cast::<u32>().write(size) };
        new
    }
}

/// Refuses flags of a caller's structure that are not among the `known` ones.
pub(crate) fn only_flags(known: u32, found: u32) -> Result<(), Failure> {
    if found & !known == 0 { Ok(()) } else { Err(Failure::text(HRVIT_ERROR_ARGUMENT, "flags that this library does not know")) }
}

/// The caller's structure, in the library's own form.
///
/// # Safety
/// `from` is NULL, or leads to as many readable bytes as the `uint32_t` there says.
pub(crate) unsafe fn read<T: SizedStruct>(from: *const T) -> Result<T, Failure> {
    // SAFETY: the caller of this function vouches for it.
    let size = unsafe { size(from)? };
    let mut own = T::new();
    let bytes = from.cast::<u8>();
    // SAFETY: both have that many bytes; `own` is this function's.
    unsafe { ptr::copy_nonoverlapping(bytes, ptr::from_mut(&mut own).cast::<u8>(), size.min(size_of::<T>())) };
    for at in size_of::<T>()..size {
        // SAFETY: below `size`, which the caller vouches for.
        if unsafe { bytes.add(at).read() } != 0 {
            return Err(Failure::of(HRVIT_ERROR_STRUCT_SIZE));
        }
    }
    Ok(own)
}

/// The caller's structure, or one of zeros where there is none.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn read_or_zeros<T: SizedStruct>(from: *const T) -> Result<T, Failure> {
    // SAFETY: as the caller says.
    if from.is_null() { Ok(T::new()) } else { unsafe { read(from) } }
}

/// Writes `own` into the caller's structure, as much as it has room for, and zeros where it has
/// more; `struct_size` stays.
///
/// # Safety
/// As [`read`], and the bytes may be written.
pub(crate) unsafe fn write<T: SizedStruct>(to: *mut T, own: &T) -> Result<(), Failure> {
    // SAFETY: the caller of this function vouches for it.
    let size = unsafe { size(to)? };
    let (bytes, known, head) = (to.cast::<u8>(), size.min(size_of::<T>()), size_of::<u32>());
    // SAFETY: both have `known` bytes, and at least those of the first field, as `size` checked.
    unsafe { ptr::copy_nonoverlapping(ptr::from_ref(own).cast::<u8>().add(head), bytes.add(head), known - head) };
    // SAFETY: the bytes from `known` to `size` are the caller's.
    unsafe { ptr::write_bytes(bytes.add(known), 0, size - known) };
    Ok(())
}

/// Checks a caller's structure without reading more than its size.
///
/// # Safety
/// As [`read`].
pub(crate) unsafe fn check<T: SizedStruct>(from: *const T) -> Result<(), Failure> {
    // SAFETY: as the caller says.
    unsafe { size(from) }.map(drop)
}

/// The size that a caller's structure says it has.
///
/// # Safety
/// As [`read`].
unsafe fn size<T: SizedStruct>(from: *const T) -> Result<usize, Failure> {
    if from.is_null() {
        return Err(Failure::null(T::NAME));
    }
    if !from.is_aligned() {
        return Err(Failure::misaligned(T::NAME, align_of::<T>()));
    }
    // SAFETY: not NULL, aligned, and readable, as the caller vouches.
    let size = unsafe { from.cast::<u32>().read() } as usize;
    if (T::FIRST..=MOST).contains(&size) { Ok(size) } else { Err(Failure::outside(HRVIT_ERROR_STRUCT_SIZE, T::SIZE_NAME, size, (T::FIRST, MOST))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::structs::hrvit_engine_options;

    /// A younger header's structure.
    #[repr(C)]
    struct Longer {
        options: hrvit_engine_options,
        more: [u64; 2],
    }

    #[test]
    fn a_longer_structure_is_read_if_what_is_unknown_is_zero() {
        let mut longer = Longer { options: hrvit_engine_options::new(), more: [0; 2] };
        longer.options.struct_size = u32::try_from(size_of::<Longer>()).unwrap();
        longer.options.workers = 3;
        let pointer = ptr::from_ref(&longer).cast::<hrvit_engine_options>();
        // SAFETY: `struct_size` is the structure's.
        assert_eq!(unsafe { read(pointer) }.unwrap().workers, 3);
        longer.more[1] = 1;
        let pointer = ptr::from_ref(&longer).cast::<hrvit_engine_options>();
        // SAFETY: as above.
        assert_eq!(unsafe { read(pointer) }.unwrap_err().status, HRVIT_ERROR_STRUCT_SIZE);
    }

    #[test]
    fn sizes_that_no_version_has_are_refused() {
        for size in [0, 4, hrvit_engine_options::FIRST - 1, MOST + 1, usize::from(u16::MAX)] {
            let mut options = hrvit_engine_options::new();
            options.struct_size = u32::try_from(size).unwrap();
            // SAFETY: only the first field is read of a structure that is refused.
            let refused = unsafe { read(&raw const options) }.unwrap_err();
            let text = format!("hrvit_engine_options.struct_size is {size}: expected {} to {MOST}", hrvit_engine_options::FIRST);
            assert_eq!((refused.status, refused.to_string()), (HRVIT_ERROR_STRUCT_SIZE, text));
        }
        // SAFETY: NULL is refused.
        let refused = unsafe { read(ptr::null::<hrvit_engine_options>()) }.unwrap_err();
        assert_eq!((refused.status, refused.to_string()), (HRVIT_ERROR_NULL, "hrvit_engine_options is NULL, which it may not be".to_owned()));
    }

    #[test]
    fn a_written_structure_keeps_its_size_and_ends_in_zeros() {
        let mut longer = Longer { options: hrvit_engine_options::new(), more: [7; 2] };
        let size = u32::try_from(size_of::<Longer>()).unwrap();
        longer.options.struct_size = size;
        let mut own = hrvit_engine_options::new();
        own.workers = 2;
        // SAFETY: `struct_size` is the structure's.
        unsafe { write(ptr::from_mut(&mut longer).cast(), &own) }.unwrap();
        assert_eq!((longer.options.struct_size, longer.options.workers, longer.more), (size, 2, [0; 2]));
    }
}
