//! Reading parts of a file, bounded by its length.

use std::fs::File;
use std::io::{self, Cursor, Read, Seek, SeekFrom};
use std::path::Path;

/// A source that can be read at any place.
trait Seekable: Read + Seek {}
impl<T: Read + Seek> Seekable for T {}

/// A file or bytes in memory, and how long they are.
pub(crate) struct Source<'a> {
    inner: Box<dyn Seekable + 'a>,
    len: u64,
}

impl Source<'static> {
    /// Opens a file, or reads at most `most` bytes of what cannot be read twice, a pipe.
    pub(crate) fn open(path: &Path, most: u64) -> io::Result<Self> {
        let refused = |what: String| Err(io::Error::new(io::ErrorKind::InvalidInput, what));
        let file = File::open(path)?;
        let about = file.metadata()?;
        if about.is_dir() {
            return refused("a folder; expected a .pth or .safetensors checkpoint".to_owned());
        }
        if about.is_file() {
            return Ok(Self { inner: Box::new(file), len: about.len() });
        }
        let mut bytes = Vec::new();
        if file.take(most.saturating_add(1)).read_to_end(&mut bytes)? as u64 > most {
            return refused(format!("not a regular file, and more than {most} bytes; copy it to a file"));
        }
        Ok(Self { len: bytes.len() as u64, inner: Box::new(Cursor::new(bytes)) })
    }
}

impl<'a> Source<'a> {
    /// Bytes in memory.
    pub(crate) fn of(bytes: &'a [u8]) -> Self {
        Self { inner: Box::new(Cursor::new(bytes)), len: bytes.len() as u64 }
    }

    /// Length in bytes.
    pub(crate) fn len(&self) -> u64 {
        self.len
    }

    /// The first `len` bytes, or fewer if the file is shorter.
    pub(crate) fn head(&mut self, len: u64) -> io::Result<Vec<u8>> {
        self.bytes(0, len.min(self.len))
    }

    /// `len` bytes from `at` on.
    pub(crate) fn read(&mut self, at: u64, len: u64) -> Result<Vec<u8>, String> {
        self.inside(at, len)?;
        self.bytes(at, len).map_err(|error| unreadable(at, &error))
    }

    /// `len` bytes from `at` on, one after the other.
    pub(super) fn stream(&mut self, at: u64, len: u64) -> Result<impl Read, String> {
        self.inside(at, len)?;
        self.inner.seek(SeekFrom::Start(at)).map_err(|error| unreadable(at, &error))?;
        Ok(self.inner.as_mut().take(len))
    }

    fn inside(&self, at: u64, len: u64) -> Result<(), String> {
        match at.checked_add(len) {
            Some(end) if end <= self.len => Ok(()),
            _ => Err(format!("{len} bytes from byte {at} on lie past the end of the file, {} bytes: it is cut or damaged, copy it again", self.len)),
        }
    }

    fn bytes(&mut self, at: u64, len: u64) -> io::Result<Vec<u8>> {
        let len = usize::try_from(len).map_err(io::Error::other)?;
        self.inner.seek(SeekFrom::Start(at))?;
        let mut bytes = vec![0; len];
        self.inner.read_exact(&mut bytes)?;
        Ok(bytes)
    }
}

fn unreadable(at: u64, error: &io::Error) -> String {
    format!("byte {at} cannot be read: {error}")
}
