//! QEMU `raspi3b`, a Raspberry Pi 3 without an operating system: one of four Cortex-A53, MMU and
//! caches on.
#![no_std]

use aarch64_machine::Cycles;
use emulated::{Loaded, Machine, memory};

runner::planned!();

/// The machine. To be called once.
pub fn machine() -> Machine<Cycles> {
    // SAFETY: RAM from 256 MB on, to which nothing here writes.
    let memory = unsafe { memory(0x1000_0000, 160 << 20) };
    Machine::new(planned(), Loaded::Two(memory))
}
