//! A serial NOR flash made of memory, for machines that have none. It understands the commands of
//! [`crate::nor`], and can fail on purpose.

use core::cell::Cell;

use embedded_hal::spi::{Error, ErrorKind, ErrorType, Operation, SpiDevice};

use crate::nor::{IDENTIFY, READ, READ_WIDE};

/// Fault of the flash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The bus reports an error.
    Error,
    /// After half of the bytes the line stays high, without an error.
    Short,
    /// One bit in the middle is wrong, without an error.
    Flip,
}

/// Error that the fake's bus reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BusError;

impl Error for BusError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The flash: `memory`, and erased bytes behind it.
#[derive(Clone, Debug)]
pub struct FakeNor<'m> {
    /// Bytes that were written to it.
    pub memory: &'m [u8],
    /// Its answer to [`IDENTIFY`].
    pub id: [u8; 3],
    /// Counts reads of memory.
    pub reads: Option<&'m Cell<usize>>,
    /// The fault, and at which read of memory it happens, counted from 0.
    pub fault: Option<(usize, Fault)>,
}

impl<'m> FakeNor<'m> {
    /// A flash of 2^`log` bytes without faults.
    pub fn new(memory: &'m [u8], log: u8) -> Self {
        Self { memory, id: [0xc2, 0x20, log], reads: None, fault: None }
    }

    /// Answers `command` into `into`; commands that a flash does not know leave the line high.
    fn answer(&mut self, command: &[u8], into: &mut [u8]) -> Result<(), BusError> {
        into.fill(0xff);
        let address = match *command {
            [IDENTIFY] => {
                into.iter_mut().zip(self.id).for_each(|(to, from)| *to = from);
                return Ok(());
            }
            [READ, a, b, c] => u32::from_be_bytes([0, a, b, c]),
            [READ_WIDE, a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
            _ => return Ok(()),
        };
        let read = self.reads.map_or(0, Cell::get);
        self.reads.inspect(|reads| reads.set(read + 1));
        let fault = self.fault.filter(|&(at, _)| at == read).map(|(_, fault)| fault);
        let half = into.len() / 2;
        let len = match fault {
            Some(Fault::Error) => return Err(BusError),
            Some(Fault::Short) => half,
            Some(Fault::Flip) | None => into.len(),
        };
        let bytes = self.memory.get(address as usize..).unwrap_or_default();
        into.iter_mut().take(len).zip(bytes).for_each(|(to, from)| *to = *from);
        if let (Some(Fault::Flip), Some(byte)) = (fault, into.get_mut(half)) {
            *byte ^= 0x10;
        }
        Ok(())
    }
}

impl ErrorType for FakeNor<'_> {
    type Error = BusError;
}

impl SpiDevice for FakeNor<'_> {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), BusError> {
        let mut command: &[u8] = &[];
        for operation in operations {
            match operation {
                Operation::Write(bytes) => command = bytes,
                Operation::Read(into) => self.answer(command, into)?,
                // Nothing in this crate transfers both ways or waits.
                Operation::Transfer(..) | Operation::TransferInPlace(_) | Operation::DelayNs(_) => return Err(BusError),
            }
        }
        Ok(())
    }
}
