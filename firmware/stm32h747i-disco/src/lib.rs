//! STM32H747I-DISCO: Cortex-M7 at 400 MHz (480 MHz on a board that was changed to LDO supply), 512 KB of AXI SRAM, 128 MB of serial flash.
#![no_std]

use core::mem::MaybeUninit;
use cortex_m_rt::ExceptionFrame;
use defmt_rtt as _;

use embassy_stm32::{
    SharedData,
    gpio::{Level, Output, Speed},
};
use hrvit_core::arena::Arena;
use panic_probe as _;
use runner::{Image, Machine, PinMarker, Program, clock::CycleCounter};
use semihosting::process;
use static_cell::ConstStaticCell;

mod clocks;
mod flash;

include!(concat!(env!("OUT_DIR"), "/plan.rs"));

#[unsafe(link_section = ".arena")]
static ARENA: ConstStaticCell<Arena<ARENA_BYTES>> = ConstStaticCell::new(Arena::new());
#[unsafe(link_section = ".arena.labels")]
static LABELS: ConstStaticCell<[u8; LABEL_BYTES]> = ConstStaticCell::new([0; LABEL_BYTES]);
/// What embassy shares between the two cores; only this one is used.
#[unsafe(link_section = ".uninit.shared")]
static SHARED: MaybeUninit<SharedData> = MaybeUninit::uninit();

unsafe extern "C" {
    static mut __sarena: u32;
    static mut __earena: u32;
    static __sheap: u32;
}

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    // SAFETY: the section has only the two statics above, all zeros, which are taken afterwards.
    unsafe { runner::clear(&raw mut __sarena, &raw mut __earena) };
    let board = embassy_stm32::init_primary(clocks::config(), &SHARED);
    let image = flash::map(flash::Pins {
        qspi: board.QUADSPI,
        clock: board.PF10,
        select: board.PG6,
        first: (board.PD11, board.PF9, board.PF7, board.PF6),
        second: (board.PH2, board.PH3, board.PG9, board.PG14),
    });
    caches();
    let machine = Machine {
        name: "stm32h747i-disco",
        clock: CycleCounter::start(clocks::HERTZ),
        marker: PinMarker::new(Output::new(board.PI12, Level::Low, Speed::High)),
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
