//! How deep a call goes: the free stack is painted, and read back afterwards.

use core::ptr;

const PAINT: u32 = 0x5ac3_5ac3;
/// Words next to the stack pointer that are left alone while painting and reading, which need none
/// of their own.
const SPARED: usize = 8;
/// The most words that are painted: four times the bound.
const MOST: usize = crate::STACK_BOUND;

#[inline(always)]
fn stack_pointer() -> usize {
    let pointer: usize;
    // SAFETY: reads a register.
    #[cfg(any(target_arch = "arm", target_arch = "aarch64"))]
    unsafe {
        core::arch::asm!("mov {}, sp", out(reg) pointer, options(nomem, nostack, preserves_flags))
    }
    #[cfg(not(any(target_arch = "arm", target_arch = "aarch64")))]
    {
        pointer = 0;
    }
    pointer
}

/// Calls `work` and returns what it returned, with the bytes of stack that it took (rounded up to a
/// word, the spared words included). If the stack's end is nearer than it goes, the result is the
/// room there was.
///
/// # Safety
/// From `lowest` up to the stack pointer there is stack: memory that nothing else uses.
#[inline(never)]
pub unsafe fn measure<T>(lowest: usize, work: impl FnOnce() -> T) -> (T, usize) {
    let top = stack_pointer() / 4 * 4;
    let words = (top.saturating_sub(lowest) / 4).saturating_sub(SPARED + 1).min(MOST);
    let first = top.wrapping_sub(4 * SPARED) as *mut u32;
    for word in 0..words {
        // SAFETY: these words lie below the stack pointer and not below `lowest`: the caller
        // vouches for them.
        unsafe { ptr::write_volatile(first.wrapping_sub(word), PAINT) };
    }
    let result = work();
    // SAFETY: as above; reading what was painted.
    let untouched = (0..words).rev().take_while(|&word| unsafe { ptr::read_volatile(first.wrapping_sub(word)) } == PAINT).count();
    (result, 4 * (SPARED + words - untouched))
}
