//! How deep a call goes: the free stack is painted, and read back afterwards.

use core::ptr;

const PAINT: u32 = 0x5ac3_5ac3;
/// Words below the stack pointer that are painted; the stack has more than 2 MB.
const WORDS: usize = 64 << 10;
/// Words next to the stack pointer that are left alone: the frames of painting and reading themselves.
const SPARED: usize = 64;

/// Calls `work` and returns what it returned, with the bytes of stack that it took (rounded up to a word, the spared words included).
#[inline(never)]
pub fn measure<T>(work: impl FnOnce() -> T) -> (T, usize) {
    let top = cortex_m::register::msp::read() as usize / 4 * 4;
    let first = (top - 4 * SPARED) as *mut u32;
    for word in 0..WORDS {
        // SAFETY: these words lie below the stack pointer and above the end of .bss (RAM has 4 MB, statics take 1.6 MB): nobody's memory now.
        unsafe { ptr::write_volatile(first.sub(word), PAINT) };
    }
    let result = work();
    // SAFETY: as above; reading what was painted.
    let untouched = (0..WORDS).rev().take_while(|&word| unsafe { ptr::read_volatile(first.sub(word)) } == PAINT).count();
    (result, 4 * (SPARED + WORDS - untouched))
}
