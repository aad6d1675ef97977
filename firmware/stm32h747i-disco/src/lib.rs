//! STM32H747I-DISCO: Cortex-M7 at 400 MHz (480 MHz on a board that was changed to LDO supply), 512 KB of AXI SRAM, 128 MB of serial flash.
#![no_std]

use core::mem::MaybeUninit;

use cortex_m_machine::{enable_caches, exit};
use defmt_rtt as _;
use embassy_stm32::{
    SharedData,
    gpio::{Level, Output, Speed},
};
use runner::{Image, Machine, PinMarker, Program, clock::CycleCounter};

mod clocks;
mod flash;

runner::planned!();

/// What embassy shares between the two cores; only this one is used.
#[unsafe(link_section = ".uninit.shared")]
static SHARED: MaybeUninit<SharedData> = MaybeUninit::uninit();

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    let board = embassy_stm32::init_primary(clocks::config(), &SHARED);
    let image = flash::map(flash::Pins {
        qspi: board.QUADSPI,
        clock: board.PF10,
        select: board.PG6,
        first: (board.PD11, board.PF9, board.PF7, board.PF6),
        second: (board.PH2, board.PH3, board.PG9, board.PG14),
    });
    enable_caches();
    let machine =
        Machine { planned: planned(), clock: CycleCounter::start(clocks::HERTZ), marker: PinMarker::new(Output::new(board.PI12, Level::Low, Speed::High)) };
    exit(runner::run(program, machine, Image::two(image)))
}
