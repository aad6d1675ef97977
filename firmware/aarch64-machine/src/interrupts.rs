//! Critical sections on one core: interrupts masked.

use core::arch::asm;

use critical_section::{Impl, RawRestoreState, set_impl};

struct Masked;
set_impl!(Masked);

// SAFETY: with all interrupts masked and one core there is nobody else.
unsafe impl Impl for Masked {
    unsafe fn acquire() -> RawRestoreState {
        let before: u64;
        // SAFETY: reads and sets interrupt masks. A compiler barrier as well, since memory is not
        // declared untouched.
        unsafe { asm!("mrs {}, daif", "msr daifset, #15", out(reg) before, options(nostack, preserves_flags)) };
        before
    }

    unsafe fn release(before: RawRestoreState) {
        // SAFETY: restores what `acquire` found.
        unsafe { asm!("msr daif, {}", in(reg) before, options(nostack, preserves_flags)) };
    }
}
