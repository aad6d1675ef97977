//! CMSDK timer 0: 32 bits, 25 MHz, counts down. (The emulated DWT has no cycle counter.)

use core::ptr;

use runner::clock::Counter;

const CTRL: *mut u32 = 0x4000_0000 as *mut u32;
const VALUE: *mut u32 = 0x4000_0004 as *mut u32;
const RELOAD: *mut u32 = 0x4000_0008 as *mut u32;

/// The timer as a counter that counts up.
#[derive(Clone, Copy, Debug)]
pub struct Timer0;

impl Counter for Timer0 {
    const HERTZ: u32 = 25_000_000;

    /// From its highest value, over and over.
    fn start() {
        // SAFETY: registers of the timer, which only this module uses.
        unsafe {
            ptr::write_volatile(RELOAD, u32::MAX);
            ptr::write_volatile(VALUE, u32::MAX);
            ptr::write_volatile(CTRL, 1);
        }
    }

    #[inline(always)]
    fn read() -> u32 {
        // SAFETY: reading the value changes nothing.
        !unsafe { ptr::read_volatile(VALUE) }
    }
}
