//! The log over a serial port.

use core::convert::Infallible;

use embedded_io::{ErrorType, Write};
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

/// What defmt writes to.
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

/// Sets the port up and sends the log over it. To be called once.
pub(crate) fn begin<U: Uart>() {
    static SENDER: ConstStaticCell<Sender> = ConstStaticCell::new(Sender(|_| ()));
    U::start();
    let sender = SENDER.take();
    sender.0 = U::send;
    defmt_serial::defmt_serial(sender);
}
