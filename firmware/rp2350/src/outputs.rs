//! The LED and a serial port: UART0 at 115200 baud, sent on GP0, received on GP1.

use core::cell::RefCell;

use critical_section::Mutex;
use embassy_rp::{
    Peri,
    gpio::{Level, Output},
    peripherals,
    uart::{Blocking, Config, Uart, UartRx, UartTx},
};
use embedded_hal_nb::serial::Read;

/// Pins and port.
pub struct Pins {
    /// The port.
    pub port: Peri<'static, peripherals::UART0>,
    /// Pin that it sends on.
    pub send: Peri<'static, peripherals::PIN_0>,
    /// Pin that it receives on.
    pub receive: Peri<'static, peripherals::PIN_1>,
    /// The board's only LED, lit when high.
    pub led: Peri<'static, peripherals::PIN_25>,
}

struct Outputs {
    serial: UartTx<'static, Blocking>,
    receiver: UartRx<'static, Blocking>,
    led: Output<'static>,
}

static OUTPUTS: Mutex<RefCell<Option<Outputs>>> = Mutex::new(RefCell::new(None));

/// Sets them up, dark, and sends the log over the serial port too.
pub fn begin(Pins { port, send: pin, receive, led }: Pins, hertz: u32) {
    let (serial, receiver) = Uart::new_blocking(port, pin, receive, Config::default()).split();
    let outputs = Outputs { serial, receiver, led: Output::new(led, Level::Low) };
    critical_section::with(|section| *OUTPUTS.borrow_ref_mut(section) = Some(outputs));
    // One LED: on where all is well, blinking where not.
    board::show_with(board::Outputs { send, flush, good: light, bad: light, hertz });
}

fn with<T>(work: impl FnOnce(&mut Outputs) -> T) -> Option<T> {
    critical_section::with(|section| OUTPUTS.borrow(section).try_borrow_mut().ok().and_then(|mut outputs| outputs.as_mut().map(work)))
}

/// The next byte that has come, if one has; one that came damaged is left out.
pub fn receive() -> Option<u8> {
    with(|outputs| outputs.receiver.read().ok()).flatten()
}

fn send(bytes: &[u8]) {
    // A byte that is not taken has nobody to say so to.
    _ = with(|outputs| outputs.serial.blocking_write(bytes));
}

fn flush() {
    _ = with(|outputs| outputs.serial.blocking_flush());
}

fn light(on: bool) {
    _ = with(|outputs| outputs.led.set_level(on.into()));
}
