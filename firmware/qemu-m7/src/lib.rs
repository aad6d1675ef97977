//! QEMU `mps2-an500`: a Cortex-M7 with 4 MB of flash, 4 MB of RAM and 16 MB of PSRAM.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, memory};

mod timer;

runner::planned!();

/// The machine. To be called once.
pub fn machine() -> Machine<timer::Timer0> {
    // SAFETY: the PSRAM, to which nothing here writes.
    let memory = unsafe { memory(0x6000_0000, 16 << 20) };
    // Two images of `b1` would not fit.
    Machine::new(planned(), Loaded::One(memory))
}
