//! The LED and a serial port: UART0 at 115200 baud, sent on GP0.

use core::cell::RefCell;

use critical_section::Mutex;
use embassy_rp::{
    Peri,
    gpio::{Level, Output},
    peripherals,
    uart::{Blocking, Config, UartTx},
};

/// Pins and port.
pub struct Pins {
    /// The port.
    pub port: Peri<'static, peripherals::UART0>,
    /// What it sends on.
    pub send: Peri<'static, peripherals::PIN_0>,
    /// The board's only LED, lit when high.
    pub led: Peri<'static, peripherals::PIN_25>,
}

struct Outputs {
    serial: UartTx<'static, Blocking>,
    led: Output<'static>,
}

static OUTPUTS: Mutex<RefCell<Option<Outputs>>> = Mutex::new(RefCell::new(None));

/// Sets them up, dark, and sends the log over the serial port too.
pub fn begin(Pins { port, send: pin, led }: Pins, hertz: u32) {
    let outputs = Outputs { serial: UartTx::new_blocking(port, pin, Config::default()), led: Output::new(led, Level::Low) };
    critical_section::with(|section| *OUTPUTS.borrow_ref_mut(section) = Some(outputs));
    // One LED: on where all is well, blinking where not.
    board::show_with(board::Outputs { send, flush, good: light, bad: light, hertz });
}

fn with(work: impl FnOnce(&mut Outputs)) {
    critical_section::with(|section| {
        if let Ok(mut outputs) = OUTPUTS.borrow(section).try_borrow_mut() {
            outputs.as_mut().map(work);
        }
    });
}

fn send(bytes: &[u8]) {
    // A byte that is not taken has nobody to say so to.
    with(|outputs| _ = outputs.serial.blocking_write(bytes));
}

fn flush() {
    with(|outputs| _ = outputs.serial.blocking_flush());
}

fn light(on: bool) {
    with(|outputs| outputs.led.set_level(on.into()));
}
