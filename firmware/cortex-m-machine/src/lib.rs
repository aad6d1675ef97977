//! What machines with a Cortex-M processor share: panics and faults end a program with exit code 1, and caches are turned on in one way.
#![no_std]

use cortex_m_rt::ExceptionFrame;
use hrvit_log::DeviceError;
use panic_probe as _;

pub use semihosting::process::exit;

/// Turns both caches of the processor on, where it has them. To be called once.
pub fn enable_caches() {
    // SAFETY: nothing else in these programs uses the processor's own peripherals.
    let mut core = unsafe { cortex_m::Peripherals::steal() };
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("{}", DeviceError { code: 1, text: Fault { at: frame.pc(), from: frame.lr() } });
    exit(1)
}

/// Where the processor stopped.
struct Fault {
    at: u32,
    from: u32,
}

impl defmt::Format for Fault {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "fault of the processor at {=u32:08x}, called from {=u32:08x}", self.at, self.from);
    }
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    panic_probe::hard_fault()
}
