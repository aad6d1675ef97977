//! Raspberry Pi Pico 2: RP2350 with two Cortex-M33 at 150 MHz, of which one is used; 520 KB of SRAM, 4 MB of flash.
#![no_std]

use cortex_m_rt::ExceptionFrame;
use defmt_rtt as _;
use embassy_rp::gpio::{Level, Output};
use hrvit_core::arena::Arena;
use panic_probe as _;
use runner::{Image, Machine, PinMarker, Program, clock::CycleCounter};
use semihosting::process;
use static_cell::ConstStaticCell;

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

/// The upper 3 MB of the flash, read in place through the XIP cache.
const MODEL: (*const u8, usize) = (0x1010_0000 as *const u8, 3 << 20);

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    // SAFETY: the section has only the two statics above, all zeros, which are taken afterwards.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    // Clocks: the crystal's 12 MHz, 150 MHz for the processor.
    let board = embassy_rp::init(Default::default());
    let machine = Machine {
        name: "rp2350",
        clock: CycleCounter::start(embassy_rp::clocks::clk_sys_freq()),
        marker: PinMarker::new(Output::new(board.PIN_15, Level::Low)),
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        // The heap, which nobody uses, begins where the statics end.
        stack_lowest: (&raw const __sheap).addr(),
        frames: FRAMES,
    };
    // SAFETY: flash, mapped by the boot ROM; this program does not write to it.
    let image = unsafe { core::slice::from_raw_parts(MODEL.0, MODEL.1) };
    process::exit(runner::run(program, machine, Image::Mapped(image)))
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
