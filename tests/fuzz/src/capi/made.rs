//! Counts of calls, by what was called and how it ended: a long run says with them that it met
//! every error.

use std::collections::BTreeMap;
use std::ffi::CStr;
use std::fmt::Write;
use std::sync::{Mutex, PoisonError};

use hrvit_capi::{hrvit_status, hrvit_status_text};

/// How often a thing ended in a code.
static MADE: Mutex<BTreeMap<(&'static str, i32), u64>> = Mutex::new(BTreeMap::new());

/// One more.
pub fn count(what: &'static str, status: hrvit_status) {
    let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    *made.entry((what, status as i32)).or_default() += 1;
}

/// The calls of all sequences so far: one line for each thing that was called, one for each code,
/// and their sum.
pub fn calls_made() -> String {
    let made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
    let (mut things, mut codes) = (BTreeMap::<&str, [u64; 2]>::new(), BTreeMap::<i32, u64>::new());
    for ((what, status), count) in made.iter() {
        let ended = usize::from(*status != hrvit_status::HRVIT_OK as i32);
        things.entry(what).or_default()[ended] += count;
        *codes.entry(*status).or_default() += count;
    }
    let mut text = String::new();
    let mut line = |count: u64, of: std::fmt::Arguments<'_>| writeln!(text, "{count:>12}  {of}").unwrap_or_default();
    for (what, [well, badly]) in things {
        line(well + badly, format_args!("{what}: {well} ended well"));
    }
    for (status, count) in &codes {
        // SAFETY: a text of the library, with a NUL.
        let said = unsafe { CStr::from_ptr(hrvit_status_text(*status)) };
        line(*count, format_args!("code {status}: {}", said.to_string_lossy()));
    }
    line(codes.values().sum(), format_args!("calls"));
    text
}
