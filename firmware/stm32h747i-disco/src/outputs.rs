//! LEDs, and the serial port that the board's debugger shows to the host: 115200 baud.

use core::cell::RefCell;

use critical_section::Mutex;
use embassy_stm32::{
    Peri,
    gpio::{Level, Output, Speed},
    mode::Blocking,
    peripherals,
    usart::{Config, UartTx},
};

/// Pins and port.
pub struct Pins {
    /// The port.
    pub port: Peri<'static, peripherals::USART1>,
    /// What it sends on.
    pub send: Peri<'static, peripherals::PA9>,
    /// LED1, lit when low.
    pub green: Peri<'static, peripherals::PI12>,
    /// LED3, lit when low.
    pub red: Peri<'static, peripherals::PI14>,
}

struct Outputs {
    /// `None` where the port refused its configuration: then nobody is there to say so to.
    serial: Option<UartTx<'static, Blocking>>,
    green: Output<'static>,
    red: Output<'static>,
}

static OUTPUTS: Mutex<RefCell<Option<Outputs>>> = Mutex::new(RefCell::new(None));

/// Sets them up, dark, and sends the log over the serial port too.
pub fn begin(Pins { port, send: pin, green, red }: Pins) {
    let outputs = Outputs {
        serial: UartTx::new_blocking(port, pin, Config::default()).ok(),
        green: Output::new(green, Level::High, Speed::Low),
        red: Output::new(red, Level::High, Speed::Low),
    };
    critical_section::with(|section| *OUTPUTS.borrow_ref_mut(section) = Some(outputs));
    board::show_with(board::Outputs { send, flush, good, bad, hertz: crate::clocks::HERTZ });
}

fn with(work: impl FnOnce(&mut Outputs)) {
    critical_section::with(|section| {
        if let Ok(mut outputs) = OUTPUTS.borrow(section).try_borrow_mut() {
            outputs.as_mut().map(work);
        }
    });
}

fn send(bytes: &[u8]) {
    with(|outputs| _ = outputs.serial.as_mut().map(|serial| serial.blocking_write(bytes)));
}

fn flush() {
    with(|outputs| _ = outputs.serial.as_mut().map(UartTx::blocking_flush));
}

fn good(on: bool) {
    with(|outputs| outputs.green.set_level(if on { Level::Low } else { Level::High }));
}

fn bad(on: bool) {
    with(|outputs| outputs.red.set_level(if on { Level::Low } else { Level::High }));
}
