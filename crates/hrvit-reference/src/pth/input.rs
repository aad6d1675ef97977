//! A pickle's bytes, one after the other.

use std::io::{self, BufReader, Read};

use super::REMEDY;
use super::source::Source;

/// The longest name of a module or class.
const MAX_LINE: usize = 1024;

/// A pickle that is being read.
pub(super) struct Input<R> {
    reader: BufReader<R>,
    at: u64,
    left: u64,
}

/// A pickle in the `len` bytes of `source` from `at` on, or in the first of them.
pub(super) fn open<'a>(source: &'a mut Source<'_>, at: u64, len: u64) -> Result<Input<impl Read + 'a>, String> {
    Ok(Input { reader: BufReader::new(source.stream(at, len)?), at: 0, left: len })
}

impl<R: Read> Input<R> {
    /// Bytes read so far.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The next `N` bytes.
    pub(super) fn array<const N: usize>(&mut self) -> Result<[u8; N], String> {
        self.advance(N as u64)?;
        let mut bytes = [0; N];
        self.reader.read_exact(&mut bytes).map_err(|error| self.broken(&error))?;
        Ok(bytes)
    }

    /// The next byte.
    pub(super) fn byte(&mut self) -> Result<u8, String> {
        Ok(self.array::<1>()?[0])
    }

    /// A length of 8 bytes.
    pub(super) fn long(&mut self) -> Result<u64, String> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    /// A length of 4 bytes.
    pub(super) fn int(&mut self) -> Result<u64, String> {
        Ok(u64::from(u32::from_le_bytes(self.array()?)))
    }

    /// Passes over `len` bytes.
    pub(super) fn skip(&mut self, len: u64) -> Result<(), String> {
        self.advance(len)?;
        let skipped = io::copy(&mut self.reader.by_ref().take(len), &mut io::sink()).map_err(|error| self.broken(&error))?;
        if skipped == len { Ok(()) } else { Err(self.cut(len)) }
    }

    /// Appends the next `len` bytes to `text`.
    pub(super) fn append(&mut self, len: u64, text: &mut Vec<u8>) -> Result<(), String> {
        self.advance(len)?;
        let read = self.reader.by_ref().take(len).read_to_end(text).map_err(|error| self.broken(&error))?;
        if read as u64 == len { Ok(()) } else { Err(self.cut(len)) }
    }

    /// Bytes up to the next line feed, which is passed over.
    pub(super) fn line(&mut self) -> Result<Vec<u8>, String> {
        let mut line = Vec::new();
        loop {
            match self.byte()? {
                b'\n' => return Ok(line),
                byte if line.len() < MAX_LINE => line.push(byte),
                _ => return Err(format!("the pickle has a name of more than {MAX_LINE} bytes at byte {}: {REMEDY}", self.at)),
            }
        }
    }

    /// Checks that `len` bytes are left.
    pub(super) fn holds(&self, len: u64) -> Result<(), String> {
        if len <= self.left { Ok(()) } else { Err(self.cut(len)) }
    }

    fn advance(&mut self, len: u64) -> Result<(), String> {
        self.holds(len)?;
        self.left -= len;
        self.at += len;
        Ok(())
    }

    fn cut(&self, len: u64) -> String {
        format!("the pickle asks for {len} bytes at byte {} where {} are left: the file is cut or damaged, copy it again", self.at, self.left)
    }

    fn broken(&self, error: &io::Error) -> String {
        format!("the pickle cannot be read at byte {}: {error}", self.at)
    }
}
