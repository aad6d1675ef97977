//! QEMU `mps3-an547`: a Cortex-M55 with MVE, 512 KB of ITCM and DTCM each, SRAM and DDR.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, memory};

mod timer;

runner::planned!();

/// The machine. To be called once.
pub fn machine() -> Machine<timer::SystemCounter> {
    // SAFETY: the first 64 MB of DDR, to which nothing here writes.
    let memory = unsafe { memory(0x6000_0000, 64 << 20) };
    Machine::new(planned(), Loaded::Two(memory))
}
