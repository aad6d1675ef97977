//! QEMU `mps2-an500`: a Cortex-M7 with 4 MB of flash, 4 MB of RAM and 16 MB of PSRAM.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, cmsdk, memory};

runner::planned!();

/// Timer 0 on the system clock. (The emulated DWT has no cycle counter.)
type Timer0 = cmsdk::Timer<0x4000_0000, 25_000_000>;

/// Serial port 0 (Arm DAI0500, memory map).
#[cfg(feature = "serial")]
type Serial0 = emulated::cmsdk::SerialPort<0x4000_4000>;

/// Half seconds that the program waits for somebody to send a frame.
#[cfg(feature = "serial")]
const PATIENCE: u16 = 120;

/// The machine. To be called once.
pub fn machine() -> Machine<Timer0> {
    // SAFETY: the first 14 MB of PSRAM, to which nothing here writes.
    let memory_of_images = unsafe { memory(0x6000_0000, 14 << 20) };
    // Two images of `b1` would not fit.
    let machine = Machine::new(planned(), Loaded::One(memory_of_images));
    #[cfg(feature = "serial")]
    let machine = machine.with_serial::<Serial0>(PATIENCE);
    // SAFETY: the last 2 MB of PSRAM, to which nothing here writes.
    #[cfg(feature = "camera")]
    let machine = machine.with_camera(unsafe { memory(0x60e0_0000, 2 << 20) });
    machine
}
