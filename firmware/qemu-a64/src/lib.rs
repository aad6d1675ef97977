//! QEMU `virt`: one 64-bit ARM core without an operating system, MMU and caches on, 512 MB of RAM.
#![no_std]

use core::panic::PanicInfo;

use defmt_semihosting as _;
use hrvit_core::arena::Arena;
use runner::{Machine, NoMarker, Placement, Program, clock::Emulated};
use semihosting::process;
use static_cell::ConstStaticCell;

mod cycles;
mod interrupts;
mod start;

include!(concat!(env!("OUT_DIR"), "/plan.rs"));

#[unsafe(link_section = ".arena")]
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
#[unsafe(link_section = ".arena.labels")]
static LABELS: ConstStaticCell<[u8; LABEL_BYTES]> = ConstStaticCell::new([0; LABEL_BYTES]);

#[cfg(feature = "embedded-model")]
#[repr(C, align(64))]
struct Aligned<T: ?Sized>(T);
#[cfg(feature = "embedded-model")]
#[unsafe(link_section = ".model")]
static MODEL: &Aligned<[u8]> = &Aligned(*include_bytes!(env!("HRVIT_MODEL_FILE")));

unsafe extern "C" {
    static mut __sarena: u32;
    static mut __earena: u32;
    static __lowest_stack: u32;
}

/// Where the model image lies, and how it came there.
fn image() -> (&'static [u8], Placement) {
    #[cfg(feature = "embedded-model")]
    return (&MODEL.0, Placement::Embedded);
    #[cfg(not(feature = "embedded-model"))]
    {
        /// RAM, filled by QEMU's loader device.
        const RAM: (*const u8, usize) = (0x5000_0000 as *const u8, 256 << 20);
        // SAFETY: the machine has that memory, and nothing in this program writes to it.
        (unsafe { core::slice::from_raw_parts(RAM.0, RAM.1) }, Placement::Mapped)
    }
}

/// Runs `program` and ends QEMU with its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    // SAFETY: the section has only the two statics above, all zeros, which are taken below.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    cycles::start();
    let machine = Machine {
        name: "qemu-a64",
        clock: Emulated::<cycles::Cycles>::calibrate(),
        marker: NoMarker,
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        stack_lowest: (&raw const __lowest_stack).addr(),
        frames: FRAMES,
    };
    let (image, placement) = image();
    process::exit(runner::run_mapped(program, machine, image, placement))
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
