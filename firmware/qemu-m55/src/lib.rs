//! QEMU `mps3-an547`: a Cortex-M55 with MVE, 512 KB of ITCM and DTCM each, SRAM and DDR.
#![no_std]

use cortex_m_machine as _;
use emulated::{Loaded, Machine, memory};

mod timer;

runner::planned!();

/// Serial port 0 by its secure address (Arm DAI0547B, memory map).
#[cfg(feature = "serial")]
type Serial0 = emulated::cmsdk::SerialPort<0x5930_3000>;

/// Half seconds that the program waits for somebody to send a frame.
#[cfg(feature = "serial")]
const PATIENCE: u16 = 120;

/// The machine. To be called once.
pub fn machine() -> Machine<timer::SystemCounter> {
    // SAFETY: the first 64 MB of DDR, to which nothing here writes.
    let memory_of_images = unsafe { memory(0x6000_0000, 64 << 20) };
    let machine = Machine::new(planned(), Loaded::Two(memory_of_images));
    #[cfg(feature = "serial")]
    let machine = machine.with_serial::<Serial0>(PATIENCE);
    // SAFETY: the last 2 MB of DDR, to which nothing here writes.
    #[cfg(feature = "camera")]
    let machine = machine.with_camera(unsafe { memory(0x67e0_0000, 2 << 20) });
    machine
}
