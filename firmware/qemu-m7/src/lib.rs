//! QEMU `mps2-an500`: a Cortex-M7 with 4 MB of flash, 4 MB of RAM and 16 MB of PSRAM.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, cmsdk, memory};

runner::planned!();

/// Timer 0 on the system clock. (The emulated DWT has no cycle counter.)
type Timer0 = cmsdk::Timer<0x4000_0000, 25_000_000>;

/// The machine. To be called once.
pub fn machine() -> Machine<Timer0> {
    // SAFETY: the PSRAM, to which nothing here writes.
    let memory = unsafe { memory(0x6000_0000, 16 << 20) };
    // Two images of `b1` would not fit.
    Machine::new(planned(), Loaded::One(memory))
}
