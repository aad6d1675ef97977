//! STM32N6570-DK: Cortex-M55 with MVE at 800 MHz, 4.2 MB of SRAM, 128 MB of octal flash.
#![no_std]

use cortex_m_rt::ExceptionFrame;
use defmt_rtt as _;
use embassy_stm32::gpio::{Level, Output, Speed};
use hrvit_core::arena::Arena;
use panic_probe as _;
use runner::{Code, Image, Machine, PinMarker, Program, clock::CycleCounter};
use semihosting::process;
use static_cell::ConstStaticCell;

mod clocks;
mod flash;

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

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    clocks::raise_voltage();
    let board = embassy_stm32::init(clocks::config());
    clocks::enable_memories();
    // SAFETY: the section has only the two statics above, all zeros, which are taken afterwards.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    caches();
    let flash = flash::map(flash::Pins {
        xspi: board.XSPI2,
        clock: board.PN6,
        select: board.PN1,
        low: (board.PN2, board.PN3, board.PN4, board.PN5),
        high: (board.PN8, board.PN9, board.PN10, board.PN11),
    });
    let image = match flash {
        Ok(image) => image,
        Err(error) => process::exit(Code::ImageInvalid.because(error) as i32),
    };
    let machine = Machine {
        name: "stm32n6570-dk",
        clock: CycleCounter::start(clocks::HERTZ),
        marker: PinMarker::new(Output::new(board.PG10, Level::Low, Speed::High)),
        arena: ARENA.take().bytes_mut(),
        labels: LABELS.take(),
        // The heap, which nobody uses, begins where the statics end.
        stack_lowest: (&raw const __sheap).addr(),
        frames: FRAMES,
    };
    let (a, b) = image.split_at(image.len() / 2);
    process::exit(runner::run(program, machine, Image::Slots([a, b])))
}

fn caches() {
    // SAFETY: nothing else uses the processor's own peripherals.
    let mut core = unsafe { cortex_m::Peripherals::steal() };
    core.SCB.enable_icache();
    core.SCB.enable_dcache(&mut core.CPUID);
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
