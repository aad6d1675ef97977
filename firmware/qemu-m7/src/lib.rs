//! QEMU `mps2-an500`: a Cortex-M7 with 4 MB of flash, 4 MB of RAM and 16 MB of PSRAM.
#![no_std]

use cortex_m_rt::ExceptionFrame;
use defmt_semihosting as _;
use hrvit_core::arena::Arena;
use panic_probe as _;
use runner::{Machine, NoMarker, Program, clock::Emulated};
use semihosting::process;
use static_cell::ConstStaticCell;

mod image;
mod timer;

include!(concat!(env!("OUT_DIR"), "/plan.rs"));

#[unsafe(link_section = ".arena")]
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
#[unsafe(link_section = ".arena.labels")]
static LABELS: ConstStaticCell<[u8; LABEL_BYTES]> = ConstStaticCell::new([0; LABEL_BYTES]);

unsafe extern "C" {
    static mut __sarena: u32;
    static mut __earena: u32;
    static __sheap: u32;
}

/// Runs `program` and ends QEMU with its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    process::exit(image::run(program, machine()))
}

/// Streams weights from a flash that fails on purpose, and ends QEMU with the exit code. To be called once.
#[cfg(feature = "streamed")]
pub fn run_faults() -> ! {
    process::exit(image::run_faults(machine()))
}

fn machine() -> Machine<'static, Emulated<timer::Timer0>, NoMarker> {
    // SAFETY: the section has only this crate's statics, all zeros, which are taken afterwards.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    timer::start();
    Machine {
        name: "qemu-m7",
        clock: Emulated::<timer::Timer0>::calibrate(),
        marker: NoMarker,
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        // The heap, which nobody uses, begins where the statics end.
        stack_lowest: (&raw const __sheap).addr(),
        frames: FRAMES,
    }
}

/// Ends QEMU with the exit code of a program that needs no model.
pub fn exit(code: i32) -> ! {
    process::exit(code)
}

#[cortex_m_rt::exception]
unsafe fn HardFault(frame: &ExceptionFrame) -> ! {
    defmt::error!("hrvit error: code=1 fault of the processor at {=u32:08x}, called from {=u32:08x}", frame.pc(), frame.lr());
    process::exit(1)
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    panic_probe::hard_fault()
}
