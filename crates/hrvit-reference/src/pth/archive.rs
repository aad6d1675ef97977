//! Zip archives as `torch.save` writes them: entries stored as they are, the pickle in `data.pkl`,
//! every storage in `data/KEY`.
//!
//! Every byte of the file belongs to one entry at most, so what is read of an archive is never more
//! than it has.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};

use super::budget::Budget;
use super::input;
use super::machine;
use super::shown;
use super::source::Source;
use super::value::{Heap, Value};
use super::zip::{self, Entry};

/// The entries of an archive.
pub(super) struct Archive {
    entries: HashMap<String, Entry>,
    /// Offsets of the bytes of entries that have been checked.
    checked: HashMap<String, u64>,
    /// Folder of the pickle inside the archive, with its slash.
    folder: String,
}

impl Archive {
    /// Reads the directory.
    pub(super) fn open(source: &mut Source<'_>, budget: &mut Budget) -> Result<Self, String> {
        let entries = zip::directory(source, budget)?;
        let folders = entries.keys().filter_map(|name| name.strip_suffix("data.pkl")).filter(|folder| folder.is_empty() || folder.ends_with('/'));
        let folder = folders.min_by_key(|folder| (folder.len(), *folder)).ok_or("a zip archive without data.pkl: not a PyTorch checkpoint")?.to_owned();
        let mut archive = Self { entries, checked: HashMap::new(), folder };
        let order = archive.name("byteorder");
        if archive.entries.contains_key(&order) {
            let (at, len) = archive.bytes(source, &order)?;
            if source.read(at, len.min(3))? == b"big" {
                return Err("written by a big-endian machine; expected little-endian: save it again on a little-endian one".to_owned());
            }
        }
        Ok(archive)
    }

    /// Whether the archive holds code, as TorchScript does.
    pub(super) fn is_torchscript(&self) -> bool {
        self.entries.contains_key(&self.name("constants.pkl"))
    }

    /// Reads the pickle.
    pub(super) fn pickle(&mut self, source: &mut Source<'_>, budget: &mut Budget) -> Result<(Heap, Value), String> {
        let name = self.name("data.pkl");
        let (at, len) = self.bytes(source, &name)?;
        machine::run(&mut input::open(source, at, len)?, budget).map_err(|reason| format!("{}: {reason}", shown(&name)))
    }

    /// Start and bytes of a storage's values.
    pub(super) fn storage(&mut self, source: &mut Source<'_>, key: &str) -> Result<(u64, u64), String> {
        self.bytes(source, &self.name(&format!("data/{key}")))
    }

    fn name(&self, rest: &str) -> String {
        format!("{}{rest}", self.folder)
    }

    /// Start and length of an entry's bytes, whose checksum is checked the first time.
    fn bytes(&mut self, source: &mut Source<'_>, name: &str) -> Result<(u64, u64), String> {
        let entry = self.entries.get(name).ok_or_else(|| format!("the archive has no entry {}: it is cut or damaged, copy it again", shown(name)))?;
        if let Some(&at) = self.checked.get(name) {
            return Ok((at, entry.len));
        }
        let at = entry.locate(source, name)?;
        // Zero: torch.save was told to leave checksums out.
        if entry.crc != 0 {
            let found = checksum(source, at, entry.len)?;
            if found != entry.crc {
                return Err(format!("{}: checksum {found:08x}, expected {:08x}: the file is damaged, copy it again", shown(name), entry.crc));
            }
        }
        self.checked.insert(name.to_owned(), at);
        Ok((at, entry.len))
    }
}

/// CRC-32 of `len` bytes from `at` on.
fn checksum(source: &mut Source<'_>, at: u64, len: u64) -> Result<u32, String> {
    let mut reader = BufReader::with_capacity(1 << 16, source.stream(at, len)?);
    let mut hasher = crc32fast::Hasher::new();
    loop {
        let bytes = reader.fill_buf().map_err(|error| format!("byte {at} and what follows cannot be read: {error}"))?;
        if bytes.is_empty() {
            return Ok(hasher.finalize());
        }
        hasher.update(bytes);
        let read = bytes.len();
        reader.consume(read);
    }
}
