//! The codes that functions return.

/// The end of a call. `HRVIT_OK` is 0; every other code is an error, and nothing was done
/// unless the function says otherwise. Numbers never change; later versions may add some.
#[repr(i32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(non_camel_case_types, reason = "the name in the header")]
pub enum hrvit_status {
    /// All is well.
    HRVIT_OK = 0,
    /// A pointer is NULL that must not be.
    HRVIT_ERROR_NULL = 1,
    /// Not an open handle of this kind: NULL, closed, or never opened.
    HRVIT_ERROR_HANDLE = 2,
    /// Another call works with this handle, or with the tables of the library: sleep for a tick,
    /// then try again.
    HRVIT_ERROR_BUSY = 3,
    /// The model has open engines: close them first.
    HRVIT_ERROR_IN_USE = 4,
    /// Too many models or engines are open at a time.
    HRVIT_ERROR_SLOTS = 5,
    /// A structure's `struct_size` is not one that this library knows, or fields that it does not
    /// know are not zero.
    HRVIT_ERROR_STRUCT_SIZE = 6,
    /// An argument or a field is out of its range.
    HRVIT_ERROR_ARGUMENT = 7,
    /// A pointer does not have the alignment that is asked for.
    HRVIT_ERROR_ALIGNMENT = 8,
    /// Buffers overlap each other, an arena or an image.
    HRVIT_ERROR_OVERLAP = 9,
    /// A buffer does not have the size that is asked for.
    HRVIT_ERROR_SIZE = 10,
    /// The arena is smaller than the plan.
    HRVIT_ERROR_ARENA = 11,
    /// There is no memory for what the library was to allocate.
    HRVIT_ERROR_MEMORY = 12,
    /// The file cannot be read.
    HRVIT_ERROR_FILE = 13,
    /// The bytes are no valid model image: cut, corrupt or contradictory.
    HRVIT_ERROR_IMAGE = 14,
    /// The image has a format version that this library does not read.
    HRVIT_ERROR_VERSION = 15,
    /// The image's weights are packed for another processor (`hrvit_engine_open`), or in a way that
    /// this library does not know (`hrvit_model_open`).
    HRVIT_ERROR_PACKING = 16,
    /// This build of the library cannot do it: see `hrvit_features`.
    HRVIT_ERROR_UNSUPPORTED = 17,
    /// The model's head does not give this result.
    HRVIT_ERROR_HEAD = 18,
    /// There is no plan for this input size, number of workers or arena limit.
    HRVIT_ERROR_PLAN = 19,
    /// The step callback stopped the frame.
    HRVIT_ERROR_STOPPED = 20,
    /// The row callback could not give a row.
    HRVIT_ERROR_ROW = 21,
    /// The image does not have it: names, colours, a golden frame.
    HRVIT_ERROR_MISSING = 22,
    /// A defect of this library. Close what was open, and report it.
    HRVIT_ERROR_INTERNAL = 23,
}

pub use hrvit_status::*;

impl hrvit_status {
    /// One sentence; ends with a NUL.
    pub(crate) const fn sentence(self) -> &'static core::ffi::CStr {
        match self {
            HRVIT_OK => c"all is well",
            HRVIT_ERROR_NULL => c"a pointer is NULL that must not be",
            HRVIT_ERROR_HANDLE => c"not an open handle of this kind: NULL, closed, or never opened",
            HRVIT_ERROR_BUSY => c"another call works with this handle: try again later",
            HRVIT_ERROR_IN_USE => c"the model has open engines: close them first",
            HRVIT_ERROR_SLOTS => c"too many models or engines are open at a time",
            HRVIT_ERROR_STRUCT_SIZE => c"struct_size is not one that this library knows, or fields that it does not know are not zero",
            HRVIT_ERROR_ARGUMENT => c"an argument or a field is out of its range",
            HRVIT_ERROR_ALIGNMENT => c"a pointer does not have the alignment that is asked for",
            HRVIT_ERROR_OVERLAP => c"buffers overlap each other, an arena or an image",
            HRVIT_ERROR_SIZE => c"a buffer does not have the size that is asked for",
            HRVIT_ERROR_ARENA => c"the arena is smaller than the plan",
            HRVIT_ERROR_MEMORY => c"there is no memory for what the library was to allocate",
            HRVIT_ERROR_FILE => c"the file cannot be read",
            HRVIT_ERROR_IMAGE => c"the bytes are no valid model image",
            HRVIT_ERROR_VERSION => c"the model image has a format version that this library does not read",
            HRVIT_ERROR_PACKING => c"the weights are packed for another processor: hrvit pack packs them for this one",
            HRVIT_ERROR_UNSUPPORTED => c"this build of the library cannot do it",
            HRVIT_ERROR_HEAD => c"the model's head does not give this result",
            HRVIT_ERROR_PLAN => c"there is no plan for this input size, number of workers or arena limit",
            HRVIT_ERROR_STOPPED => c"the step callback stopped the frame",
            HRVIT_ERROR_ROW => c"the row callback could not give a row",
            HRVIT_ERROR_MISSING => c"the model image does not have it",
            HRVIT_ERROR_INTERNAL => c"a defect of the library",
        }
    }

    /// The code of a number, if it is one.
    pub(crate) fn of(number: i32) -> Option<Self> {
        ALL.into_iter().find(|status| *status as i32 == number)
    }
}

/// Every code.
pub(crate) const ALL: [hrvit_status; 24] = [
    HRVIT_OK,
    HRVIT_ERROR_NULL,
    HRVIT_ERROR_HANDLE,
    HRVIT_ERROR_BUSY,
    HRVIT_ERROR_IN_USE,
    HRVIT_ERROR_SLOTS,
    HRVIT_ERROR_STRUCT_SIZE,
    HRVIT_ERROR_ARGUMENT,
    HRVIT_ERROR_ALIGNMENT,
    HRVIT_ERROR_OVERLAP,
    HRVIT_ERROR_SIZE,
    HRVIT_ERROR_ARENA,
    HRVIT_ERROR_MEMORY,
    HRVIT_ERROR_FILE,
    HRVIT_ERROR_IMAGE,
    HRVIT_ERROR_VERSION,
    HRVIT_ERROR_PACKING,
    HRVIT_ERROR_UNSUPPORTED,
    HRVIT_ERROR_HEAD,
    HRVIT_ERROR_PLAN,
    HRVIT_ERROR_STOPPED,
    HRVIT_ERROR_ROW,
    HRVIT_ERROR_MISSING,
    HRVIT_ERROR_INTERNAL,
];
