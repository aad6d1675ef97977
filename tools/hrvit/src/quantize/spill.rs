//! States of every frame in a file without a name, so that memory does not grow with the number of frames.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom, Write},
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};

/// One blob of bytes per frame, in an unlinked temporary file.
pub struct Spill {
    inner: Mutex<Inner>,
}

struct Inner {
    file: File,
    end: u64,
    slots: Vec<Slot>,
}

#[derive(Clone, Copy, Default)]
struct Slot {
    offset: u64,
    capacity: usize,
    len: usize,
}

impl Spill {
    /// An empty blob for each of `frames` frames.
    ///
    /// # Errors
    /// If the temporary folder takes no file.
    pub fn new(frames: usize) -> Result<Self> {
        let file = tempfile::tempfile().context("creating a temporary file for the calibration states (is TMPDIR writable?)")?;
        Ok(Self { inner: Mutex::new(Inner { file, end: 0, slots: vec![Slot::default(); frames] }) })
    }

    /// Replaces the blob of `frame`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn put(&self, frame: usize, bytes: &[u8]) -> Result<()> {
        let mut inner = self.lock();
        let mut slot = inner.slots[frame];
        if slot.capacity < bytes.len() {
            slot = Slot { offset: inner.end, capacity: bytes.len(), len: 0 };
            inner.end += bytes.len() as u64;
        }
        slot.len = bytes.len();
        inner
            .file
            .seek(SeekFrom::Start(slot.offset))
            .and_then(|_| inner.file.write_all(bytes))
            .with_context(|| format!("writing {} bytes of calibration state to {} (is the disk full?)", bytes.len(), std::env::temp_dir().display()))?;
        inner.slots[frame] = slot;
        Ok(())
    }

    /// The blob of `frame`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn get(&self, frame: usize) -> Result<Vec<u8>> {
        let mut inner = self.lock();
        let slot = inner.slots[frame];
        let mut bytes = vec![0; slot.len];
        inner.file.seek(SeekFrom::Start(slot.offset)).and_then(|_| inner.file.read_exact(&mut bytes)).context("reading calibration state back")?;
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // A panic elsewhere cannot leave a slot half written: it is stored last.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn blobs_grow_and_shrink_without_touching_each_other() {
        let spill = Spill::new(3).unwrap();
        assert!(spill.get(0).unwrap().is_empty());
        spill.put(0, b"first").unwrap();
        spill.put(2, b"third").unwrap();
        spill.put(0, b"a longer first").unwrap();
        spill.put(2, b"3").unwrap();
        assert_eq!(spill.get(0).unwrap(), b"a longer first");
        assert_eq!(spill.get(1).unwrap(), b"");
        assert_eq!(spill.get(2).unwrap(), b"3");
    }
}
