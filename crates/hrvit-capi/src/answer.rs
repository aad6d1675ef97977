//! The one way out of the library: a code, the caller's error structure, and no panic.

use core::fmt::Write;

use crate::failure::Failure;
use crate::sized::{self, SizedStruct};
use crate::status::*;
use crate::structs::hrvit_error;
use crate::text::Text;

/// Makes a call and says what became of it.
///
/// # Safety
/// `error` is NULL or leads to an `hrvit_error` of as many bytes as its `struct_size` says.
pub(crate) unsafe fn answer(error: *mut hrvit_error, call: impl FnOnce() -> Result<(), Failure>) -> hrvit_status {
    // Before anything is done: what could not be told must not have happened.
    // SAFETY: the caller vouches for `error`.
    if let Some(Err(refused)) = (!error.is_null()).then(|| unsafe { sized::check(error) }) {
        return refused.status;
    }
    let result = guarded(call);
    let status = result.as_ref().map_or_else(|failure| failure.status, |()| HRVIT_OK);
    if !error.is_null() {
        // SAFETY: the caller vouches for `error`.
        unsafe { tell(error, status, result.as_ref().err()) };
    }
    status
}

/// Fills in the caller's error structure, which was checked.
///
/// # Safety
/// As [`answer`].
#[inline(never)] // its text would lie on the stack of every frame
unsafe fn tell(error: *mut hrvit_error, status: hrvit_status, failure: Option<&Failure>) {
    let mut told = hrvit_error::new();
    told.status = status as i32;
    if let Some(failure) = failure {
        // Writing into memory does not fail.
        let _ = write!(Text::new(&mut told.text), "{failure}");
    }
    // SAFETY: the caller vouches for `error`.
    let _checked_before = unsafe { sized::write(error, &told) };
}

#[cfg(feature = "std")]
fn guarded(call: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    // Slots change in one assignment, and an arena has no state between frames.
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str).or_else(|| panic.downcast_ref::<&str>().copied());
        let text = said.unwrap_or("an exception came through a callback");
        Err(Failure::owned(HRVIT_ERROR_INTERNAL, format!("a defect of the library: {text}")))
    })
}

#[cfg(not(feature = "std"))]
fn guarded(call: impl FnOnce() -> Result<(), Failure>) -> Result<(), Failure> {
    call()
}
