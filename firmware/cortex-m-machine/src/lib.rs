//! Parts that machines with a Cortex-M processor share. Panics and faults end a program with exit
//! code 1. Caches are turned on in one way.
#![no_std]

mod mapped;

use core::cell::Cell;

use bring_up::{Registers, cortex};
use cortex_m_rt::ExceptionFrame;
use critical_section::Mutex;
use hrvit_log::DeviceError;
use panic_probe as _;

pub use mapped::Mapped;
pub use semihosting::process::exit;

/// Function that ends programs, if it is not [`exit`].
static END: Mutex<Cell<Option<fn(i32) -> !>>> = Mutex::new(Cell::new(None));

/// From now on panics and faults end the program by `end`, with exit code 1, instead of [`exit`].
pub fn at_end(end: fn(i32) -> !) {
    critical_section::with(|section| END.borrow(section).set(Some(end)));
}

/// Turns on both caches of the processor and its cache of loops, where it has them. To be called
/// once.
pub fn enable_caches() {
    // SAFETY: nothing else in these programs uses the processor's own peripherals.
    let mut core = unsafe { cortex_m::Peripherals::steal() };
    cortex::loop_cache(&mut Mapped::default());
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
}

/// Whether a debugger listens: `DHCSR.C_DEBUGEN`. Without one a breakpoint, by which [`exit`] ends
/// a program, is a fault.
pub fn debugger_listens() -> bool {
    const DHCSR: u32 = 0xe000_edf0;
    Mapped::default().load(DHCSR) & 1 == 1
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("{}", DeviceError { code: 1, text: Fault { at: frame.pc(), from: frame.lr() } });
    match critical_section::with(|section| END.borrow(section).get()) {
        Some(end) => end(1),
        None => exit(1),
    }
}

/// Place at which the processor stopped.
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
