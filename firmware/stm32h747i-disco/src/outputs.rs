//! LEDs, and the serial port that the board's debugger shows to the host: 115200 baud.

use core::cell::RefCell;

use critical_section::Mutex;
use embassy_stm32::{
    Peri,
    gpio::{Level, Output, Speed},
    mode::Blocking,
    peripherals,
    usart::{Config, Uart, UartRx, UartTx},
};
use embedded_hal_nb::serial::Read;

/// Pins and port.
pub struct Pins {
    /// The port.
    pub port: Peri<'static, peripherals::USART1>,
    /// Pin that it sends on.
    pub send: Peri<'static, peripherals::PA9>,
    /// Pin that it receives on.
    pub receive: Peri<'static, peripherals::PA10>,
    /// LD1, lit when low.
    pub green: Peri<'static, peripherals::PI12>,
    /// LD3, lit when low.
    pub red: Peri<'static, peripherals::PI14>,
}

struct Outputs {
    /// `None` where the port refused its configuration: then nobody is there to say so to.
    serial: Option<(UartTx<'static, Blocking>, UartRx<'static, Blocking>)>,
    green: Output<'static>,
    red: Output<'static>,
}

static OUTPUTS: Mutex<RefCell<Option<Outputs>>> = Mutex::new(RefCell::new(None));

/// Sets them up, dark, and sends the log over the serial port too.
pub fn begin(Pins { port, send: pin, receive, green, red }: Pins) {
    let outputs = Outputs {
        serial: Uart::new_blocking(port, receive, pin, Config::default()).ok().map(Uart::split),
        green: Output::new(green, Level::High, Speed::Low),
        red: Output::new(red, Level::High, Speed::Low),
    };
    critical_section::with(|section| *OUTPUTS.borrow_ref_mut(section) = Some(outputs));
    board::show_with(board::Outputs { send, flush, good, bad, hertz: crate::clocks::HERTZ });
}

fn with<T>(work: impl FnOnce(&mut Outputs) -> T) -> Option<T> {
    critical_section::with(|section| OUTPUTS.borrow(section).try_borrow_mut().ok().and_then(|mut outputs| outputs.as_mut().map(work)))
}

/// The next byte that has come, if one has; one that came damaged is left out.
pub fn receive() -> Option<u8> {
    with(|outputs| outputs.serial.as_mut().and_then(|(_, receiver)| receiver.read().ok())).flatten()
}

fn send(bytes: &[u8]) {
    _ = with(|outputs| outputs.serial.as_mut().map(|(sender, _)| sender.blocking_write(bytes)));
}

fn flush() {
    _ = with(|outputs| outputs.serial.as_mut().map(|(sender, _)| sender.blocking_flush()));
}

fn good(on: bool) {
    _ = with(|outputs| outputs.green.set_level(if on { Level::Low } else { Level::High }));
}

fn bad(on: bool) {
    _ = with(|outputs| outputs.red.set_level(if on { Level::Low } else { Level::High }));
}
