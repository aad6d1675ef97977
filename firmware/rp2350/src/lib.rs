//! Raspberry Pi Pico 2: RP2350 with two Cortex-M33 at 150 MHz, of which one is used, or both with
//! feature `two-cores`; 520 KB of SRAM, 4 MB of flash.
#![no_std]

use board::end;
use embassy_rp::gpio::{Level, Output};
use runner::{Image, Machine, PinMarker, Program, Workers, clock::CycleCounter};

mod flash;
mod outputs;

runner::planned!();

/// The upper 3 MB of the flash, read in place through the XIP cache.
const MODEL: (*const u8, usize) = (0x1010_0000 as *const u8, 3 << 20);

/// The stack of the second core, which runs jobs of single steps.
#[cfg(feature = "two-cores")]
static STACK: static_cell::ConstStaticCell<embassy_rp::multicore::Stack<8192>> = static_cell::ConstStaticCell::new(embassy_rp::multicore::Stack::new());

/// Runs `program` and shows its exit code. To be called once.
pub fn run(program: impl Program) -> ! {
    board::begin();
    // Clocks: the crystal's 12 MHz, 150 MHz for the processor.
    let board = embassy_rp::init(Default::default());
    let hertz = embassy_rp::clocks::clk_sys_freq();
    outputs::begin(outputs::Pins { port: board.UART0, send: board.PIN_0, receive: board.PIN_1, led: board.PIN_25 }, hertz);
    flash::read_faster();
    #[cfg(feature = "two-cores")]
    embassy_rp::multicore::spawn_core1(board.CORE1, STACK.take(), || runner::pair::attend());
    let machine = Machine {
        planned: planned(),
        clock: CycleCounter::start(hertz),
        marker: PinMarker::new(Output::new(board.PIN_15, Level::Low), Output::new(board.PIN_14, Level::Low)),
        port: Some(board::port(outputs::receive)),
        workers: Workers::default(),
    };
    // SAFETY: flash, mapped by the boot ROM; this program does not write to it.
    let image = unsafe { core::slice::from_raw_parts(MODEL.0, MODEL.1) };
    end(runner::run(program, machine, Image::Mapped(image)))
}
