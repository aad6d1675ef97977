//! System counter of the SSE-300: 64 bits, 32 MHz, of which the lower word is read. (The emulated
//! DWT has no cycle counter.)

use core::ptr;

use runner::clock::Counter;

const CONTROL: *mut u32 = 0x5810_0000 as *mut u32;
const COUNT: *const u32 = 0x5810_1000 as *const u32;

/// The counter's lower word.
#[derive(Clone, Copy, Debug)]
pub struct SystemCounter;

impl Counter for SystemCounter {
    const HERTZ: u32 = 32_000_000;

    fn start() {
        // SAFETY: a register that only this module uses.
        unsafe { ptr::write_volatile(CONTROL, 1) }
    }

    #[inline(always)]
    fn read() -> u32 {
        // SAFETY: reading the count changes nothing.
        unsafe { ptr::read_volatile(COUNT) }
    }
}
