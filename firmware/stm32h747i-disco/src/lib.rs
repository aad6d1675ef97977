//! STM32H747I-DISCO: Cortex-M7 at 400 MHz (480 MHz on a board that was changed to LDO supply), 512
//! KB of AXI SRAM, 128 MB of serial flash.
#![no_std]

use core::mem::MaybeUninit;

use board::end;
use cortex_m_machine::enable_caches;
use embassy_stm32::{
    SharedData,
    gpio::{Level, Output, Speed},
};
use runner::{Code, Image, Machine, PinMarker, Program, Workers, clock::CycleCounter};

mod clocks;
mod flash;
mod outputs;

runner::planned!();

/// Data that embassy shares between the two cores; only this one is used.
#[unsafe(link_section = ".uninit.shared")]
static SHARED: MaybeUninit<SharedData> = MaybeUninit::uninit();

/// Runs `program` and shows its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    board::begin();
    let board = embassy_stm32::init_primary(clocks::config(), &SHARED);
    outputs::begin(outputs::Pins { port: board.USART1, send: board.PA9, receive: board.PA10, green: board.PI12, red: board.PI14 });
    let flash = flash::map(flash::Pins {
        qspi: board.QUADSPI,
        clock: board.PF10,
        select: board.PG6,
        first: (board.PD11, board.PF9, board.PF7, board.PF6),
        second: (board.PH2, board.PH3, board.PG9, board.PG14),
    });
    let image = match flash {
        Ok(image) => image,
        Err(unknown) => end(Code::Board.because(unknown) as i32),
    };
    enable_caches();
    let marker = PinMarker::new(Output::new(board.PI15, Level::Low, Speed::High), Output::new(board.PJ5, Level::Low, Speed::High));
    let machine = Machine {
        planned: planned(),
        clock: CycleCounter::start(clocks::HERTZ),
        marker,
        port: Some(board::port(outputs::receive)),
        workers: Workers::default(),
    };
    end(runner::run(program, machine, Image::two(image)))
}
