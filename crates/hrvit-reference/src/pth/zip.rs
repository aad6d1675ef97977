//! The directory of a zip archive, of 32 or 64 bits, for entries that are stored as they are.

use std::collections::HashMap;

use super::budget::Budget;
use super::shown;
use super::source::Source;

/// Bytes of the record at the end of an archive, and of its comment at most.
const END: u64 = 22;
const MAX_COMMENT: u64 = 0xffff;
/// Bytes of the 64-bit record, and of what points to it from before the end.
const END64: u64 = 56;
const LOCATOR: u64 = 20;
/// Bytes of an entry in the directory and of the header before its bytes, without names.
const ITEM: usize = 46;
const HEADER: u64 = 30;
/// Bytes that an entry takes in memory beside its name.
const ENTRY: u64 = 256;

/// An entry.
#[derive(Debug)]
pub(super) struct Entry {
    /// Offset of its header.
    header: u64,
    /// Number of its bytes.
    pub(super) len: u64,
    /// Offset of the next header or the directory.
    end: u64,
    /// CRC-32 of its bytes.
    pub(super) crc: u32,
    flags: u16,
    method: u16,
    /// Number of its bytes once they are unpacked.
    unpacked: u64,
}

/// The entries by name. No two share a byte or a name.
pub(super) fn directory(source: &mut Source<'_>, budget: &mut Budget) -> Result<HashMap<String, Entry>, String> {
    let (at, len, count) = end(source)?;
    budget.take(len)?;
    let bytes = source.read(at, len)?;
    let mut rest = bytes.as_slice();
    let mut listed = Vec::new();
    for _ in 0..count {
        budget.take(ENTRY)?;
        let item = Fields(rest);
        let name_len = usize::from(item.u16(28)?);
        let next = ITEM + name_len + usize::from(item.u16(30)?) + usize::from(item.u16(32)?);
        if item.u32(0)? != 0x0201_4b50 || rest.len() < next {
            return Err(damaged("its directory has another form than a zip archive's"));
        }
        let name = String::from_utf8_lossy(&rest[ITEM..ITEM + name_len]).into_owned();
        budget.take(2 * name.len() as u64)?;
        listed.push((name, entry(item, &rest[ITEM + name_len..next])?));
        rest = &rest[next..];
    }
    listed.sort_by_key(|(_, entry)| entry.header);
    let mut limit = at;
    for (name, entry) in listed.iter_mut().rev() {
        entry.end = limit;
        let least = entry.header.checked_add(HEADER + name.len() as u64).and_then(|start| start.checked_add(entry.len));
        if least.is_none_or(|end| end > limit) {
            return Err(format!("{}: shares bytes with another entry of the archive: not a checkpoint of torch.save, or damaged", shown(name)));
        }
        limit = entry.header;
    }
    let mut entries = HashMap::new();
    for (name, entry) in listed {
        if let Some(name) = entries.contains_key(&name).then(|| name.clone()) {
            return Err(format!("{}: the archive has this entry twice: not a checkpoint of torch.save, or damaged", shown(&name)));
        }
        entries.insert(name, entry);
    }
    Ok(entries)
}

/// Offset of the directory, its bytes and its number of entries.
fn end(source: &mut Source<'_>) -> Result<(u64, u64, u64), String> {
    let tail_len = source.len().min(END + MAX_COMMENT);
    let tail_at = source.len() - tail_len;
    let tail = source.read(tail_at, tail_len)?;
    // Records with their comments, the last first.
    let records = (0..tail.len()).rev().filter_map(|at| {
        let comment = tail[at..].starts_with(b"PK\x05\x06").then(|| Fields(&tail[at..]).u16(20))?.ok()?;
        Some((at, at + 22 + usize::from(comment))).filter(|&(_, stop)| stop <= tail.len())
    });
    // A copy may have bytes behind the archive, which PyTorch passes over as well.
    let found = records.clone().find(|&(_, stop)| stop == tail.len()).or_else(|| records.clone().next());
    let (found, _) = found.ok_or_else(|| damaged("it does not end as a zip archive does"))?;
    let record = Fields(&tail[found..]);
    let end_at = tail_at + found as u64;
    let (disk, count, len, at) = (record.u32(4)?, u64::from(record.u16(10)?), u64::from(record.u32(12)?), u64::from(record.u32(16)?));
    let wide = count == 0xffff || len == 0xffff_ffff || at == 0xffff_ffff;
    let (at, len, count, limit) = if wide { end64(source, end_at)? } else { (at, len, count, end_at) };
    if !(disk == 0 || wide && disk == u32::MAX) {
        return Err(damaged("it is one of several parts"));
    }
    if at.checked_add(len).is_none_or(|end| end > limit) {
        return Err(damaged("its directory reaches past its end"));
    }
    Ok((at, len, count))
}

/// The same and where the record is, from the record of 64 bits.
fn end64(source: &mut Source<'_>, end_at: u64) -> Result<(u64, u64, u64, u64), String> {
    let missing = || damaged("it has no directory of 64 bits");
    let locator = source.read(end_at.checked_sub(LOCATOR).ok_or_else(missing)?, LOCATOR)?;
    let locator = Fields(&locator);
    let at = locator.u64(8)?;
    if locator.u32(0)? != 0x0706_4b50 || at.checked_add(END64 + LOCATOR).is_none_or(|end| end > end_at) {
        return Err(missing());
    }
    let record = source.read(at, END64)?;
    let record = Fields(&record);
    if record.u32(0)? != 0x0606_4b50 {
        return Err(missing());
    }
    Ok((record.u64(48)?, record.u64(40)?, record.u64(32)?, at))
}

/// An entry of the directory, whose extra fields and comment are `rest`.
fn entry(item: Fields<'_>, rest: &[u8]) -> Result<Entry, String> {
    let mut wide = extra64(rest.get(..usize::from(item.u16(30)?)).unwrap_or_default());
    let mut field = |at: usize| {
        let narrow = item.u32(at)?;
        if narrow != u32::MAX {
            return Ok(u64::from(narrow));
        }
        let value = Fields(wide).u64(0)?;
        wide = &wide[8..];
        Ok::<_, String>(value)
    };
    let unpacked = field(24)?;
    let len = field(20)?;
    let header = field(42)?;
    Ok(Entry { header, len, end: 0, crc: item.u32(16)?, flags: item.u16(8)?, method: item.u16(10)?, unpacked })
}

/// The extra field that holds numbers of 64 bits.
fn extra64(mut extra: &[u8]) -> &[u8] {
    while let [a, b, c, d, rest @ ..] = extra {
        let len = usize::from(u16::from_le_bytes([*c, *d])).min(rest.len());
        if u16::from_le_bytes([*a, *b]) == 1 {
            return &rest[..len];
        }
        extra = &rest[len..];
    }
    &[]
}

impl Entry {
    /// Offset of its bytes.
    pub(super) fn locate(&self, source: &mut Source<'_>, name: &str) -> Result<u64, String> {
        if self.flags & 1 != 0 {
            return Err(format!("{}: encrypted; expected an entry that is stored as it is, as torch.save does", shown(name)));
        }
        if self.method != 0 || self.len != self.unpacked {
            let method = match self.method {
                8 => "deflate".to_owned(),
                other => format!("method {other}"),
            };
            return Err(format!(
                "{}: packed by {method}; expected entries that are stored as they are: unpack the archive and pack it by `zip -0 -r`",
                shown(name)
            ));
        }
        let header = source.read(self.header, HEADER)?;
        let fields = Fields(&header);
        let name_len = u64::from(fields.u16(26)?);
        let at = self.header + HEADER + name_len + u64::from(fields.u16(28)?);
        if fields.u32(0)? != 0x0403_4b50 || at.checked_add(self.len).is_none_or(|end| end > self.end) {
            return Err(format!("{}: the header of the entry differs from the directory: the file is damaged, copy it again", shown(name)));
        }
        let named = source.read(self.header + HEADER, name_len)?;
        if String::from_utf8_lossy(&named) != name {
            return Err(format!("{}: the entry has another name in its header: the file is damaged, copy it again", shown(name)));
        }
        Ok(at)
    }
}

/// Little-endian numbers at places of a record.
#[derive(Clone, Copy)]
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn array<const N: usize>(self, at: usize) -> Result<[u8; N], String> {
        self.0.get(at..).and_then(|rest| rest.first_chunk()).copied().ok_or_else(|| damaged("a record of it is cut"))
    }

    fn u16(self, at: usize) -> Result<u16, String> {
        self.array(at).map(u16::from_le_bytes)
    }

    fn u32(self, at: usize) -> Result<u32, String> {
        self.array(at).map(u32::from_le_bytes)
    }

    fn u64(self, at: usize) -> Result<u64, String> {
        self.array(at).map(u64::from_le_bytes)
    }
}

fn damaged(what: &str) -> String {
    format!("not a whole zip archive, {what}: the file is cut or damaged, copy it again")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_64_bits_come_from_the_extra_field_in_the_order_of_the_directory() {
        let mut item = [0; ITEM];
        item[20..28].fill(0xff);
        item[42..46].fill(0xff);
        let extra =
            [b"FB\x02\0zz".to_vec(), vec![1, 0, 24, 0], 5u64.to_le_bytes().to_vec(), 6u64.to_le_bytes().to_vec(), (1u64 << 33).to_le_bytes().to_vec()].concat();
        item[30] = extra.len() as u8;
        let read = entry(Fields(&item), &extra).unwrap();
        assert_eq!((read.unpacked, read.len, read.header), (5, 6, 1 << 33));
        item[30] = 0;
        assert!(entry(Fields(&item), &extra).is_err(), "no extra field");
        item[30] = extra.len() as u8 - 8;
        assert!(entry(Fields(&item), &extra).is_err(), "a cut extra field");
    }
}
