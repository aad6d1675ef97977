//! The registers of the chip that the program runs on.

use bring_up::Registers;
use cortex_m::asm;

/// Registers at their addresses.
#[derive(Debug)]
pub struct Mapped {
    /// The processor's clock, for waits.
    hertz: u32,
}

impl Default for Mapped {
    /// At the 64 MHz that STM32 wake up with; others are slower, or say so.
    fn default() -> Self {
        Self { hertz: 64_000_000 }
    }
}

/// The address as a pointer.
fn pointer<T>(address: u32) -> *mut T {
    core::ptr::with_exposed_provenance_mut(address as usize)
}

impl Registers for Mapped {
    fn load(&mut self, address: u32) -> u32 {
        // SAFETY: sequences name registers only; they are no memory of the program's.
        unsafe { pointer::<u32>(address).read_volatile() }
    }

    fn store(&mut self, address: u32, value: u32) {
        // SAFETY: as in `load`.
        unsafe { pointer::<u32>(address).write_volatile(value) }
    }

    fn load_byte(&mut self, address: u32) -> u8 {
        // SAFETY: as in `load`.
        unsafe { pointer::<u8>(address).read_volatile() }
    }

    fn store_byte(&mut self, address: u32, value: u8) {
        // SAFETY: as in `load`.
        unsafe { pointer::<u8>(address).write_volatile(value) }
    }

    fn wait(&mut self, microseconds: u32) {
        // A turn of the loop is counted as three cycles and may take one.
        asm::delay((self.hertz / 1_000_000).saturating_mul(microseconds).saturating_mul(3));
    }

    fn barrier(&mut self) {
        asm::dsb();
        asm::isb();
    }

    fn clock(&mut self, hertz: u32) {
        self.hertz = hertz;
    }
}
