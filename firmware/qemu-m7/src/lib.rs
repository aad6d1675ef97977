//! QEMU `mps2-an500`: a Cortex-M7 with 4 MB of flash, 4 MB of RAM and 16 MB of PSRAM.
#![no_std]

use cortex_m_rt::ExceptionFrame;
use defmt_semihosting as _;
use hrvit_core::arena::Arena;
use panic_probe as _;
use runner::{Machine, NoMarker, Placement, Program, clock::Emulated};
use semihosting::process;
use static_cell::ConstStaticCell;

mod timer;

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
    static __sheap: u32;
}

/// Where the model image lies, and how it came there.
fn image() -> (&'static [u8], Placement) {
    #[cfg(feature = "embedded-model")]
    return (&MODEL.0, Placement::Embedded);
    #[cfg(not(feature = "embedded-model"))]
    {
        /// PSRAM, filled by QEMU's loader device.
        const PSRAM: (*const u8, usize) = (0x6000_0000 as *const u8, 16 << 20);
        // SAFETY: the machine has that memory, and nothing in this program writes to it.
        (unsafe { core::slice::from_raw_parts(PSRAM.0, PSRAM.1) }, Placement::Mapped)
    }
}

/// Runs `program` and ends QEMU with its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    // SAFETY: the section has only the two statics above, all zeros, which are taken below.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    timer::start();
    let machine = Machine {
        name: "qemu-m7",
        clock: Emulated::<timer::Timer0>::calibrate(),
        marker: NoMarker,
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        // The heap, which nobody uses, begins where the statics end.
        stack_lowest: (&raw const __sheap).addr(),
        frames: FRAMES,
    };
    let (image, placement) = image();
    process::exit(runner::run_mapped(program, machine, image, placement))
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
