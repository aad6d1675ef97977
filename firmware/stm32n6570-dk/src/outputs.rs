//! LEDs and serial port.

use core::{cell::Cell, convert::Infallible};

use board::Outputs;
use bring_up::n6::{Pin, Port, Serial};
use cortex_m_machine::Mapped;
use critical_section::Mutex;
use embedded_hal::digital::{ErrorType, OutputPin};

use crate::SPEED;

/// LD1, green, lit when high.
const GREEN: Pin = Pin::new(Port::O, 1);
/// LD2, red, lit when low: the marker of steps, and where errors show.
const RED: Pin = Pin::new(Port::G, 10);
/// Pin D5 of the Arduino connector: the marker of frames.
const FRAME: Pin = Pin::new(Port::E, 10);

static SERIAL: Mutex<Cell<Option<Serial>>> = Mutex::new(Cell::new(None));

/// Sets them up, dark, and sends the log over the serial port too.
pub fn begin(registers: &mut Mapped) {
    GREEN.output(registers, false);
    RED.output(registers, true);
    FRAME.output(registers, false);
    let serial = Serial::new(registers);
    critical_section::with(|section| SERIAL.borrow(section).set(Some(serial)));
    board::show_with(Outputs { send, flush, good, bad, hertz: SPEED.hertz });
}

fn serial() -> Option<Serial> {
    critical_section::with(|section| SERIAL.borrow(section).get())
}

fn send(bytes: &[u8]) {
    if let Some(serial) = serial() {
        // A port that takes no byte has nobody to say so to.
        _ = serial.send(&mut Mapped::default(), bytes);
    }
}

/// The next byte that has come, if one has.
pub fn receive() -> Option<u8> {
    serial()?.receive(&mut Mapped::default())
}

fn flush() {
    if let Some(serial) = serial() {
        _ = serial.flush(&mut Mapped::default());
    }
}

fn good(on: bool) {
    GREEN.set(&mut Mapped::default(), on);
}

fn bad(on: bool) {
    RED.set(&mut Mapped::default(), !on);
}

/// A pin that marks something.
pub struct Marker(Pin);

impl Marker {
    /// Of steps: PG10.
    pub const STEP: Self = Self(RED);
    /// Of frames: PE10.
    pub const FRAME: Self = Self(FRAME);
}

impl ErrorType for Marker {
    type Error = Infallible;
}

impl OutputPin for Marker {
    fn set_low(&mut self) -> Result<(), Infallible> {
        self.0.set(&mut Mapped::default(), false);
        Ok(())
    }

    fn set_high(&mut self) -> Result<(), Infallible> {
        self.0.set(&mut Mapped::default(), true);
        Ok(())
    }
}
