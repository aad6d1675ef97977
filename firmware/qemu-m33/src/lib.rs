//! QEMU `mps2-an505`: a Cortex-M33 with DSP and float unit, 8 MB of SSRAM and 16 MB of PSRAM. Programs stay in the secure state, in which it starts.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, cmsdk, memory};

runner::planned!();

/// Timer 0 by its secure address, on the system clock (Arm DAI0505B, memory map and clocks).
type Timer0 = cmsdk::Timer<0x5000_0000, 20_000_000>;

/// The machine. To be called once.
pub fn machine() -> Machine<Timer0> {
    // SAFETY: the PSRAM, to which nothing here writes.
    let memory = unsafe { memory(0x8000_0000, 16 << 20) };
    // Two images of `b1` would not fit.
    Machine::new(planned(), Loaded::One(memory))
}
