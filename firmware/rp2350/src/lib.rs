//! Raspberry Pi Pico 2: RP2350 with two Cortex-M33 at 150 MHz, of which one is used; 520 KB of SRAM, 4 MB of flash.
#![no_std]

use cortex_m_machine::exit;
use defmt_rtt as _;
use embassy_rp::gpio::{Level, Output};
use runner::{Image, Machine, PinMarker, Program, clock::CycleCounter};

runner::planned!();

/// The upper 3 MB of the flash, read in place through the XIP cache.
const MODEL: (*const u8, usize) = (0x1010_0000 as *const u8, 3 << 20);

/// Runs `program` and reports its exit code to the debugger. To be called once.
pub fn run(program: impl Program) -> ! {
    // Clocks: the crystal's 12 MHz, 150 MHz for the processor.
    let board = embassy_rp::init(Default::default());
    let machine = Machine {
        planned: planned(),
        clock: CycleCounter::start(embassy_rp::clocks::clk_sys_freq()),
        marker: PinMarker::new(Output::new(board.PIN_15, Level::Low)),
    };
    // SAFETY: flash, mapped by the boot ROM; this program does not write to it.
    let image = unsafe { core::slice::from_raw_parts(MODEL.0, MODEL.1) };
    exit(runner::run(program, machine, Image::Mapped(image)))
}
