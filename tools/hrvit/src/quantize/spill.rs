//! States of every frame in a file without a name, so that memory does not grow with the number of
//! frames.

use std::{
    fs::File,
    io,
    sync::{Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context, Result};

/// One blob of bytes per frame, in an unlinked temporary file. Threads read and write different
/// frames at the same time.
pub struct Spill {
    file: File,
    layout: Mutex<Layout>,
}

struct Layout {
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
        Ok(Self { file, layout: Mutex::new(Layout { end: 0, slots: vec![Slot::default(); frames] }) })
    }

    /// Replaces the blob of `frame`.
    ///
    /// # Errors
    /// If the disk is full.
    pub fn put(&self, frame: usize, bytes: &[u8]) -> Result<()> {
        let slot = self.lock().place(frame, bytes.len());
        write_at(&self.file, bytes, slot.offset)
            .with_context(|| format!("writing {} bytes of calibration state to {} (is the disk full?)", bytes.len(), std::env::temp_dir().display()))?;
        self.lock().slots[frame] = slot;
        Ok(())
    }

    /// The blob of `frame`.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn get(&self, frame: usize) -> Result<Vec<u8>> {
        let slot = self.lock().slots[frame];
        let mut bytes = vec![0; slot.len];
        read_at(&self.file, &mut bytes, slot.offset).context("reading calibration state back")?;
        Ok(bytes)
    }

    fn lock(&self) -> MutexGuard<'_, Layout> {
        // A panic elsewhere cannot leave a slot half written: it is stored last.
        self.layout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Layout {
    /// Place for a blob of `len` bytes of `frame`: its old place if it fits, else the end of the
    /// file.
    fn place(&mut self, frame: usize, len: usize) -> Slot {
        let old = self.slots[frame];
        if old.capacity >= len {
            return Slot { len, ..old };
        }
        let offset = self.end;
        self.end += len as u64;
        Slot { offset, capacity: len, len }
    }
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(unix)]
fn read_at(file: &File, bytes: &mut [u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::read_exact_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            count => (bytes, offset) = (&bytes[count..], offset + count as u64),
        }
    }
    Ok(())
}

#[cfg(windows)]
fn read_at(file: &File, mut bytes: &mut [u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_read(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::UnexpectedEof.into()),
            count => (bytes, offset) = (&mut bytes[count..], offset + count as u64),
        }
    }
    Ok(())
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

    #[test]
    fn threads_write_and_read_their_own_blobs() {
        let spill = Spill::new(8).unwrap();
        std::thread::scope(|scope| {
            for frame in 0..8 {
                let spill = &spill;
                scope.spawn(move || {
                    for len in [1000, 10, 70_000] {
                        spill.put(frame, &vec![frame as u8; len]).unwrap();
                        assert_eq!(spill.get(frame).unwrap(), vec![frame as u8; len]);
                    }
                });
            }
        });
    }
}
