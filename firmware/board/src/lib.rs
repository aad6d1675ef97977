//! Parts that boards share. The log goes to the debugger, by RTT, and to the serial port, by the
//! same defmt frames. A program ends where somebody looks: a debugger gets its exit code, a person
//! an LED and the last line of the log.
#![no_std]

mod ending;
#[cfg(feature = "itcm")]
mod hot;
mod log;

use core::cell::Cell;

use critical_section::Mutex;
use runner::Port;

pub use ending::end;

/// Means of a board to show things. Functions, since they are called from faults too.
#[derive(Clone, Copy, Debug)]
pub struct Outputs {
    /// Sends bytes over the serial port.
    pub send: fn(&[u8]),
    /// Returns when the last byte has left it.
    pub flush: fn(),
    /// Turns the LED on or off that says that all is well.
    pub good: fn(bool),
    /// The LED of errors; may be the same one.
    pub bad: fn(bool),
    /// The processor's clock.
    pub hertz: u32,
}

static OUTPUTS: Mutex<Cell<Option<Outputs>>> = Mutex::new(Cell::new(None));

/// Copies the code that runs in tightly coupled memory there, and starts the log over RTT. To be
/// called once, first of all.
pub fn begin() {
    #[cfg(feature = "itcm")]
    hot::copy();
    log::begin();
    cortex_m_machine::at_end(end);
}

/// From now on the log goes over the serial port too, and the end shows on LEDs.
pub fn show_with(outputs: Outputs) {
    critical_section::with(|section| OUTPUTS.borrow(section).set(Some(outputs)));
}

/// A serial port that frames may come over. Nobody waits for them longer than two seconds.
pub fn port(receive: fn() -> Option<u8>) -> Port {
    Port { receive, patience: 4 }
}

fn outputs() -> Option<Outputs> {
    critical_section::with(|section| OUTPUTS.borrow(section).get())
}
