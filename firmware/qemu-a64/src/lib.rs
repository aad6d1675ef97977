//! QEMU `virt`: one 64-bit ARM core without an operating system, MMU and caches on, 512 MB of RAM.
#![no_std]

use aarch64_machine::Cycles;
use emulated::{Loaded, Machine, memory};

runner::planned!();

/// The machine. To be called once.
pub fn machine() -> Machine<Cycles> {
    // SAFETY: RAM from 256 MB on, to which nothing here writes.
    let memory_of_images = unsafe { memory(0x5000_0000, 256 << 20) };
    let machine = Machine::new(planned(), Loaded::Two(memory_of_images));
    // SAFETY: 2 MB between the arena and the images, to which nothing here writes.
    #[cfg(feature = "camera")]
    let machine = machine.with_camera(unsafe { memory(0x4fe0_0000, 2 << 20) });
    machine
}
