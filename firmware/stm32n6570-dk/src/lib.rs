//! STM32N6570-DK: Cortex-M55 with MVE at 800 MHz, 4.2 MB of SRAM, 128 MB of octal flash.
#![no_std]

mod outputs;
mod reason;

use board::end;
use bring_up::n6::{self, FlashError, Speed};
use cortex_m_machine::{Mapped, enable_caches};
use reason::Reason;
use runner::{Code, Image, Machine, PinMarker, Program, Workers, clock::CycleCounter};
use stm32_metapac as _;

runner::planned!();

const SPEED: Speed = if cfg!(feature = "nominal") { Speed::NOMINAL } else { Speed::FULL };
/// The beginning of the flash is the program's, if it starts from there: slots for model images
/// follow.
const PROGRAM: usize = 1 << 20;

/// Runs `program` and shows its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    board::begin();
    let mut registers = Mapped::default();
    let started = n6::start(&mut registers, &SPEED);
    outputs::begin(&mut registers);
    if let Err(stuck) = started {
        end(Code::Board.because(Reason(FlashError::Stuck(stuck))) as i32)
    }
    enable_caches();
    let flash = match n6::map(&mut registers) {
        // SAFETY: the controller answers reads there from now on, and nothing writes to the flash.
        Ok(()) => unsafe { core::slice::from_raw_parts(core::ptr::with_exposed_provenance(n6::MAPPED_AT), n6::FLASH_BYTES) },
        Err(error) => end(Code::Board.because(Reason(error)) as i32),
    };
    let marker = PinMarker::new(outputs::Marker::STEP, outputs::Marker::FRAME);
    let machine =
        Machine { planned: planned(), clock: CycleCounter::start(SPEED.hertz), marker, port: Some(board::port(outputs::receive)), workers: Workers::default() };
    end(runner::run(program, machine, Image::two(flash.get(PROGRAM..).unwrap_or_default())))
}
