//! Timer of the Cortex-M System Design Kit (Arm DDI0479, section "APB timer"): 32 bits, counts down.

use core::ptr;

use runner::clock::Counter;

/// The timer at an address, as a counter of so many hertz that counts up.
#[derive(Clone, Copy, Debug)]
pub struct Timer<const ADDRESS: usize, const HERTZ: u32>;

impl<const ADDRESS: usize, const HERTZ: u32> Timer<ADDRESS, HERTZ> {
    const CTRL: *mut u32 = ADDRESS as *mut u32;
    const VALUE: *mut u32 = (ADDRESS + 4) as *mut u32;
    const RELOAD: *mut u32 = (ADDRESS + 8) as *mut u32;
}

impl<const ADDRESS: usize, const HERTZ: u32> Counter for Timer<ADDRESS, HERTZ> {
    const HERTZ: u32 = HERTZ;

    /// From its highest value, over and over.
    fn start() {
        // SAFETY: registers of the timer, which only this module uses.
        unsafe {
            ptr::write_volatile(Self::RELOAD, u32::MAX);
            ptr::write_volatile(Self::VALUE, u32::MAX);
            ptr::write_volatile(Self::CTRL, 1);
        }
    }

    #[inline(always)]
    fn read() -> u32 {
        // SAFETY: reading the value changes nothing.
        !unsafe { ptr::read_volatile(Self::VALUE) }
    }
}
