//! Facts about the library, as it says them itself.

use core::ffi::c_char;

use crate::status::hrvit_status;

/// Version of the interface that this header declares. A program may use every library whose
/// `hrvit_abi_version` is the same: fields and functions are added without a new number.
pub const HRVIT_ABI_VERSION: u32 = 1;

/// Alignment of arenas, and of images that are not copied, in bytes.
pub const HRVIT_ALIGNMENT: usize = 64;

const _: () = assert!(HRVIT_ALIGNMENT == hrvit_core::ALIGN);

/// For `hrvit_features`: files, and memory of the library's own.
pub const HRVIT_FEATURE_STD: u32 = 1;
/// For `hrvit_features`: more than one worker.
pub const HRVIT_FEATURE_THREADS: u32 = 2;
/// For `hrvit_features`: images with 16-bit activations.
pub const HRVIT_FEATURE_INT16X8: u32 = 4;
/// For `hrvit_features`: images with half-precision steps.
pub const HRVIT_FEATURE_FP16: u32 = 8;

/// The `HRVIT_ABI_VERSION` of the library.
///
/// Errors: none. Thread-safety: any thread, any time.
///
/// ```c
/// if (hrvit_abi_version() != HRVIT_ABI_VERSION)
///     return fail("libhrvit and hrvit.h do not belong together");
/// ```
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn hrvit_abi_version() -> u32 {
    HRVIT_ABI_VERSION
}

/// The version of the project, such as `"0.1.0"`. It lives as long as the library.
///
/// Errors: none. Thread-safety: any thread, any time.
///
/// ```c
/// printf("libhrvit %s\n", hrvit_version());
/// ```
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn hrvit_version() -> *const c_char {
    const VERSION: &str = concat!(env!("CARGO_PKG_VERSION"), "\0");
    VERSION.as_ptr().cast()
}

/// Abilities of this build of the library: a sum of `HRVIT_FEATURE_...`.
///
/// Errors: none. Thread-safety: any thread, any time.
///
/// ```c
/// if (!(hrvit_features() & HRVIT_FEATURE_STD))
///     options.arena = arena;  // nobody else brings one
/// ```
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn hrvit_features() -> u32 {
    let mut features = 0;
    if cfg!(feature = "std") {
        features |= HRVIT_FEATURE_STD | HRVIT_FEATURE_THREADS;
    }
    if cfg!(feature = "int16x8") {
        features |= HRVIT_FEATURE_INT16X8;
    }
    if cfg!(feature = "fp16") {
        features |= HRVIT_FEATURE_FP16;
    }
    features
}

/// One sentence in English for a code; for other numbers a sentence that says so. Never NULL. It
/// lives as long as the library. `hrvit_error.text` says more.
///
/// Errors: none. Thread-safety: any thread, any time.
///
/// ```c
/// puts(hrvit_status_text(hrvit_engine_close(engine, NULL)));
/// ```
// SAFETY: no other function of this name.
#[unsafe(no_mangle)]
pub extern "C" fn hrvit_status_text(status: i32) -> *const c_char {
    hrvit_status::of(status).map_or(c"not a status of this library", hrvit_status::sentence).as_ptr()
}
