//! A serial NOR flash on an SPI bus, as a place for model images.

use core::fmt::Debug;

use defmt::{Debug2Format, Format};
use embedded_hal::spi::{Operation, SpiDevice};
use hrvit_core::ReadImage;

/// Read, 24-bit address (JEDEC).
pub const READ: u8 = 0x03;
/// Read, 32-bit address.
pub const READ_WIDE: u8 = 0x13;
/// Read the identification: manufacturer, type, base-2 logarithm of the bytes.
pub const IDENTIFY: u8 = 0x9f;
/// Up to this many bytes are reached with 24-bit addresses.
const NARROW_BYTES: usize = 1 << 24;

/// Why the flash could not be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NorError<E> {
    /// The bus failed.
    Bus(E),
    /// Nothing answers as a serial NOR flash does; the three bytes that came back.
    NotFound([u8; 3]),
    /// The read begins or ends behind the last byte of the flash.
    OutOfRange {
        /// First byte behind the read.
        end: usize,
        /// Bytes of the flash.
        capacity: usize,
    },
}

impl<E: Debug> Format for NorError<E> {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            // Drivers of buses need not know defmt.
            Self::Bus(error) => defmt::write!(f, "SPI bus: {}", Debug2Format(error)),
            Self::NotFound(id) => defmt::write!(f, "no serial flash answers (identification {=[u8; 3]:02x}): check wiring and chip select", *id),
            Self::OutOfRange { end, capacity } => defmt::write!(f, "read up to byte {}, the flash has {}", end, capacity),
        }
    }
}

/// The flash; `base` is where the image begins.
#[derive(Debug)]
pub struct Nor<S> {
    spi: S,
    base: usize,
    capacity: usize,
}

impl<S: SpiDevice> Nor<S> {
    /// Asks the flash how large it is.
    pub fn new(mut spi: S, base: usize) -> Result<Self, NorError<S::Error>> {
        let mut id = [0; 3];
        spi.transaction(&mut [Operation::Write(&[IDENTIFY]), Operation::Read(&mut id)]).map_err(NorError::Bus)?;
        match id {
            // 64 KB to 2 GB, as the third byte of all common flashes says it.
            [maker, _, log @ 16..=31] if maker != 0 && maker != 0xff => Ok(Self { spi, base, capacity: 1 << log }),
            _ => Err(NorError::NotFound(id)),
        }
    }

    /// Bytes of the flash.
    pub fn capacity(&self) -> usize {
        self.capacity
    }
}

impl<S: SpiDevice> ReadImage for Nor<S> {
    type Error = NorError<S::Error>;

    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), Self::Error> {
        if into.is_empty() {
            return Ok(());
        }
        let start = self.base.saturating_add(offset);
        let end = start.saturating_add(into.len());
        if end > self.capacity {
            return Err(NorError::OutOfRange { end, capacity: self.capacity });
        }
        let [a, b, c, d] = (start as u32).to_be_bytes();
        let (narrow, wide) = ([READ, b, c, d], [READ_WIDE, a, b, c, d]);
        let command: &[u8] = if self.capacity <= NARROW_BYTES { &narrow } else { &wide };
        self.spi.transaction(&mut [Operation::Write(command), Operation::Read(into)]).map_err(NorError::Bus)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fake_nor::{FakeNor, Fault};

    fn memory() -> [u8; 1024] {
        core::array::from_fn(|i| (i * 7 + i / 256) as u8)
    }

    #[test]
    fn narrow_and_wide_addresses_reach_the_same_bytes() {
        let memory = memory();
        for log in [20, 24, 25, 27] {
            let mut nor = Nor::new(FakeNor::new(&memory, log), 16).unwrap();
            assert_eq!(nor.capacity(), 1 << log);
            let mut bytes = [0; 300];
            nor.read(200, &mut bytes).unwrap();
            assert_eq!(bytes[..], memory[216..516], "2^{log} bytes");
        }
    }

    #[test]
    fn an_empty_bus_is_no_flash() {
        for answer in [0x00, 0xff] {
            let mut fake = FakeNor::new(&[], 24);
            fake.id = [answer; 3];
            assert_eq!(Nor::new(fake, 0).unwrap_err(), NorError::NotFound([answer; 3]));
        }
    }

    #[test]
    fn reads_past_the_end_are_refused() {
        let memory = memory();
        let mut nor = Nor::new(FakeNor::new(&memory, 16), 65_000).unwrap();
        assert!(matches!(nor.read(0, &mut [0; 537]), Err(NorError::OutOfRange { end: 65_537, capacity: 65_536 })));
        assert!(matches!(nor.read(usize::MAX, &mut [0; 2]), Err(NorError::OutOfRange { .. })));
        nor.read(usize::MAX, &mut []).unwrap();
    }

    #[test]
    fn errors_of_the_bus_come_through() {
        let (memory, reads) = (memory(), core::cell::Cell::new(0));
        let mut fake = FakeNor::new(&memory, 20);
        (fake.reads, fake.fault) = (Some(&reads), Some((1, Fault::Error)));
        let mut nor = Nor::new(fake, 0).unwrap();
        nor.read(0, &mut [0; 8]).unwrap();
        assert!(matches!(nor.read(0, &mut [0; 8]), Err(NorError::Bus(_))));
        nor.read(0, &mut [0; 8]).unwrap();
        assert_eq!(reads.get(), 3);
    }
}
