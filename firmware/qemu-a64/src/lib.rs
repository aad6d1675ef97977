//! QEMU `virt`: one 64-bit ARM core without an operating system, MMU and caches on, 512 MB of RAM.
#![no_std]

use core::panic::PanicInfo;

use defmt_semihosting as _;
use hrvit_core::arena::Arena;
use runner::{Machine, NoMarker, Program, clock::Emulated};
use semihosting::process;
use static_cell::ConstStaticCell;

mod cycles;
mod image;
mod interrupts;
mod start;

include!(concat!(env!("OUT_DIR"), "/plan.rs"));

#[unsafe(link_section = ".arena")]
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
#[unsafe(link_section = ".arena.labels")]
static LABELS: ConstStaticCell<[u8; LABEL_BYTES]> = ConstStaticCell::new([0; LABEL_BYTES]);

unsafe extern "C" {
    static mut __sarena: u32;
    static mut __earena: u32;
    static __lowest_stack: u32;
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

fn machine() -> Machine<'static, Emulated<cycles::Cycles>, NoMarker> {
    // SAFETY: the section has only this crate's statics, all zeros, which are taken afterwards.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    cycles::start();
    Machine {
        name: "qemu-a64",
        clock: Emulated::<cycles::Cycles>::calibrate(),
        marker: NoMarker,
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        stack_lowest: (&raw const __lowest_stack).addr(),
        frames: FRAMES,
    }
}

/// Where all exceptions lead.
extern "C" fn fault() -> ! {
    let (cause, at, address): (u64, u64, u64);
    // SAFETY: reads what the exception left in registers.
    unsafe {
        core::arch::asm!(
            "mrs {}, esr_el1", "mrs {}, elr_el1", "mrs {}, far_el1",
            out(reg) cause, out(reg) at, out(reg) address, options(nomem, nostack, preserves_flags)
        )
    };
    defmt::error!("hrvit error: code=1 exception at {=u64:016x}, cause {=u64:08x}, address {=u64:016x}", at, cause, address);
    process::exit(1)
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    defmt::error!("hrvit error: code=1 {}", defmt::Display2Format(info));
    process::exit(1)
}

#[defmt::panic_handler]
fn defmt_panic() -> ! {
    process::exit(1)
}
