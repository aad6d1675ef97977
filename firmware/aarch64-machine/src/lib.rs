//! Parts that 64-bit ARM machines without an operating system share: one core at exception level 1,
//! MMU and caches on, every exception a fault.
#![no_std]

use core::panic::PanicInfo;

use hrvit_log::DeviceError;
use semihosting::process;

mod cycles;
mod interrupts;
mod start;

pub use cycles::Cycles;

/// Handler of all exceptions.
extern "C" fn fault() -> ! {
    let (cause, at, address): (u64, u64, u64);
    // SAFETY: reads what the exception left in registers.
    unsafe {
        core::arch::asm!(
            "mrs {}, esr_el1", "mrs {}, elr_el1", "mrs {}, far_el1",
            out(reg) cause, out(reg) at, out(reg) address, options(nomem, nostack, preserves_flags)
        )
    };
    defmt::error!("{}", DeviceError { code: 1, text: Exception { at, cause, address } });
    process::exit(1)
}

/// The processor's registers for an exception.
struct Exception {
    at: u64,
    cause: u64,
    address: u64,
}

impl defmt::Format for Exception {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "exception at {=u64:016x}, cause {=u64:08x}, address {=u64:016x}", self.at, self.cause, self.address);
    }
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("{}", DeviceError { code: 1, text: defmt::Display2Format(info) });
    process::exit(1)
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    process::exit(1)
}
