//! A device that holds a model image, and fails as flashes do.

use hrvit_core::ReadImage;

/// A failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The device reports an error.
    Error,
    /// The second half of the bytes stays what it was, without an error.
    Short,
    /// One bit in the middle is wrong, without an error.
    Flip,
}

/// An image behind [`ReadImage`], with one fault at the read of that number.
#[derive(Clone, Debug)]
pub struct Flash<'a> {
    /// The image.
    pub image: &'a [u8],
    /// The fault, and at which read it happens, counted from 0.
    pub fault: Option<(usize, Fault)>,
    /// Reads so far; empty ones do not count.
    pub reads: usize,
}

impl<'a> Flash<'a> {
    /// A device without faults.
    pub fn new(image: &'a [u8]) -> Self {
        Self { image, fault: None, reads: 0 }
    }
}

impl ReadImage for Flash<'_> {
    type Error = &'static str;

    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), &'static str> {
        if into.is_empty() {
            return Ok(());
        }
        let bytes = self.image.get(offset..offset + into.len()).ok_or("read past the end")?;
        let fault = self.fault.filter(|&(at, _)| at == self.reads).map(|(_, fault)| fault);
        self.reads += 1;
        let len = match fault {
            Some(Fault::Error) => return Err("the device failed"),
            Some(Fault::Short) => bytes.len() / 2,
            Some(Fault::Flip) | None => bytes.len(),
        };
        into[..len].copy_from_slice(&bytes[..len]);
        if fault == Some(Fault::Flip) {
            into[len / 2] ^= 0x10;
        }
        Ok(())
    }
}
