//! Timer and serial port of the Cortex-M System Design Kit (Arm DDI0479, sections "APB timer",
//! which counts down from 32 bits, and "APB UART").

#[cfg(feature = "serial")]
use core::hint;
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

/// Turns of a loop between two looks whether a byte has come: some microseconds of the emulator.
#[cfg(feature = "serial")]
const REST: u32 = 1000;

/// The serial port at an address.
#[cfg(feature = "serial")]
#[derive(Clone, Copy, Debug)]
pub struct SerialPort<const ADDRESS: usize>;

#[cfg(feature = "serial")]
impl<const ADDRESS: usize> SerialPort<ADDRESS> {
    const DATA: *mut u32 = ADDRESS as *mut u32;
    /// Bit 0: it takes no byte now; bit 1: a byte has come.
    const STATE: *mut u32 = (ADDRESS + 4) as *mut u32;
    const CTRL: *mut u32 = (ADDRESS + 8) as *mut u32;
    const BAUD: *mut u32 = (ADDRESS + 16) as *mut u32;
}

#[cfg(feature = "serial")]
impl<const ADDRESS: usize> crate::serial::Uart for SerialPort<ADDRESS> {
    fn start() {
        // SAFETY: registers of the port, which only this module uses; 16 is the smallest divider,
        // and the emulator does not wait for bits.
        unsafe {
            ptr::write_volatile(Self::BAUD, 16);
            ptr::write_volatile(Self::CTRL, 3);
        }
    }

    fn send(byte: u8) {
        // SAFETY: as above.
        unsafe {
            while ptr::read_volatile(Self::STATE) & 1 != 0 {}
            ptr::write_volatile(Self::DATA, byte.into());
        }
    }

    fn receive() -> Option<u8> {
        // SAFETY: as above; reading the data takes the byte.
        let byte = unsafe { (ptr::read_volatile(Self::STATE) & 2 != 0).then(|| ptr::read_volatile(Self::DATA) as u8) };
        if byte.is_none() {
            // Registers are read under the emulator's lock, which what receives for it needs too.
            (0..REST).for_each(|turn| _ = hint::black_box(turn));
        }
        byte
    }
}
