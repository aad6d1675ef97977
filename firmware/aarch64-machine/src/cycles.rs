//! The cycle counter of the performance monitors. QEMU lets it run at 1 GHz of emulated time.

use core::arch::asm;

use runner::clock::Counter;

/// PMCCNTR_EL0, its lower word.
#[derive(Clone, Copy, Debug)]
pub struct Cycles;

impl Counter for Cycles {
    const HERTZ: u32 = 1_000_000_000;

    /// All 64 bits of it.
    fn start() {
        // SAFETY: sets up performance monitors, which only this module uses.
        unsafe {
            asm!(
                "msr pmccfiltr_el0, xzr",
                "msr pmcntenset_el0, {enable}",
                "msr pmcr_el0, {control}",
                "isb",
                enable = in(reg) 1u64 << 31,
                control = in(reg) 0x47u64,
                options(nomem, nostack, preserves_flags)
            )
        }
    }

    #[inline(always)]
    fn read() -> u32 {
        let count: u64;
        // SAFETY: reads a counter.
        unsafe { asm!("mrs {}, pmccntr_el0", out(reg) count, options(nomem, nostack, preserves_flags)) };
        count as u32
    }
}
