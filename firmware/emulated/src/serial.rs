//! The log over a serial port.

use core::{cell::Cell, convert::Infallible};

use critical_section::Mutex;
use embedded_io::{ErrorType, Write};
use hrvit_log::answer;
use runner::clock::Counter;
use static_cell::ConstStaticCell;

/// A serial port of an emulated machine.
pub trait Uart {
    /// Sets it up.
    fn start();
    /// Sends a byte, once the port takes it.
    fn send(byte: u8);
    /// The next byte that has come, if one has.
    fn receive() -> Option<u8>;
}

/// Port that defmt writes to.
struct Sender(fn(u8));

impl ErrorType for Sender {
    type Error = Infallible;
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        bytes.iter().for_each(|byte| (self.0)(*byte));
        Ok(bytes.len())
    }

    /// Emulated ports hold nothing back.
    fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}

/// Seconds that a program waits to be heard.
const HEARD_WITHIN: u32 = 5;

/// Waits until somebody has read the end of the log: an emulator's port loses unread bytes when the
/// emulator ends.
static WAIT: Mutex<Cell<Option<fn()>>> = Mutex::new(Cell::new(None));

fn wait<U: Uart, T: Counter>() {
    let start = T::read();
    while U::receive() != Some(answer::HEARD) && T::read().wrapping_sub(start) / T::HERTZ < HEARD_WITHIN {}
}

/// Returns when somebody says that the end of the log has come, or nobody does for some seconds.
pub(crate) fn wait_until_heard() {
    if let Some(wait) = critical_section::with(|section| WAIT.borrow(section).get()) {
        wait();
    }
}

/// Sets the port up and sends the log over it; `T` is a clock that runs. To be called once.
pub(crate) fn begin<U: Uart, T: Counter>() {
    critical_section::with(|section| WAIT.borrow(section).set(Some(wait::<U, T>)));
    static SENDER: ConstStaticCell<Sender> = ConstStaticCell::new(Sender(|_| ()));
    U::start();
    let sender = SENDER.take();
    sender.0 = U::send;
    defmt_serial::defmt_serial(sender);
}
