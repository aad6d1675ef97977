//! QEMU `mps2-an505` (and `mps2-an521`, which has two): a Cortex-M33 with DSP and float unit, 8 MB
//! of SSRAM and 16 MB of PSRAM. Programs stay in the secure state, in which it starts.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, cmsdk, memory};

#[cfg(feature = "two-cores")]
mod second;

runner::planned!();

/// Timer 0 by its secure address, on the system clock (Arm DAI0505B, memory map and clocks).
type Timer0 = cmsdk::Timer<0x5000_0000, 20_000_000>;

/// Serial port 0 by its secure address (Arm DAI0505B, memory map).
#[cfg(feature = "serial")]
type Serial0 = emulated::cmsdk::SerialPort<0x5020_0000>;

/// Half seconds that the program waits for somebody to send a frame.
#[cfg(feature = "serial")]
const PATIENCE: u16 = 120;

/// The machine. To be called once.
pub fn machine() -> Machine<Timer0> {
    // SAFETY: the first 14 MB of PSRAM, to which nothing here writes.
    let memory_of_images = unsafe { memory(0x8000_0000, 14 << 20) };
    #[cfg(feature = "two-cores")]
    second::start();
    // Two images of `b1` would not fit.
    let machine = Machine::new(planned(), Loaded::One(memory_of_images));
    #[cfg(feature = "serial")]
    let machine = machine.with_serial::<Serial0>(PATIENCE);
    // SAFETY: the last 2 MB of PSRAM, to which nothing here writes.
    #[cfg(feature = "camera")]
    let machine = machine.with_camera(unsafe { memory(0x80e0_0000, 2 << 20) });
    machine
}
