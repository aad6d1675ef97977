//! STM32N6570-DK: Cortex-M55 with MVE at 800 MHz, 4.2 MB of SRAM, 128 MB of octal flash.
#![no_std]

use cortex_m_machine::{enable_caches, exit};
use defmt_rtt as _;
use embassy_stm32::gpio::{Level, Output, Speed};
use runner::{Code, Image, Machine, PinMarker, Program, clock::CycleCounter};

mod clocks;
mod flash;

runner::planned!();

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    clocks::raise_voltage();
    let board = embassy_stm32::init(clocks::config());
    clocks::enable_memories();
    enable_caches();
    let flash = flash::map(flash::Pins {
        xspi: board.XSPI2,
        clock: board.PN6,
        select: board.PN1,
        low: (board.PN2, board.PN3, board.PN4, board.PN5),
        high: (board.PN8, board.PN9, board.PN10, board.PN11),
    });
    let image = match flash {
        Ok(image) => image,
        Err(error) => exit(Code::ImageInvalid.because(error) as i32),
    };
    let machine =
        Machine { planned: planned(), clock: CycleCounter::start(clocks::HERTZ), marker: PinMarker::new(Output::new(board.PG10, Level::Low, Speed::High)) };
    exit(runner::run(program, machine, Image::two(image)))
}
