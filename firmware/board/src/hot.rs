//! Code in tightly coupled memory.

use cortex_m::asm::{dsb, isb};

unsafe extern "C" {
    static mut __shot: u32;
    static mut __ehot: u32;
    static __sihot: u32;
}

/// Copies section `.hot` from where it was loaded to where it runs. Nothing of it has run before.
pub fn copy() {
    let (start, end, source) = (&raw mut __shot, &raw mut __ehot, &raw const __sihot);
    let words = (end.addr() - start.addr()) / size_of::<u32>();
    // SAFETY: the linker script made room for these words at both places; they hold instructions,
    // which nothing reads as data.
    unsafe { core::ptr::copy_nonoverlapping(source, start, words) };
    dsb();
    isb();
}
