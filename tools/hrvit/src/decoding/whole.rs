//! Whether all bytes of a picture are there, where its decoder takes nothing for something.

use anyhow::{Context, Result, ensure};

use super::exif;

/// Checks that the last chunk of a PNG is there.
///
/// # Errors
/// If it is not.
pub fn png(bytes: &[u8]) -> Result<()> {
    ensure!(exif::chunks(bytes).any(|(name, _)| name == b"IEND"), "truncated PNG: it ends before its last chunk");
    Ok(())
}

/// Checks that a WebP has the bytes that it and each of its chunks say.
///
/// # Errors
/// If it has fewer.
pub fn webp(bytes: &[u8]) -> Result<()> {
    let length = |at: usize| bytes.get(at..)?.first_chunk().map(|chunk| u32::from_le_bytes(*chunk) as usize);
    let said = length(4).context("truncated WebP")?.saturating_add(8);
    ensure!(said <= bytes.len(), "truncated WebP: {} of {said} bytes", bytes.len());
    let mut at = 12;
    while at < said {
        let end = length(at + 4).context("truncated WebP")?.saturating_add(at + 8);
        ensure!(end <= said, "truncated WebP: a chunk ends at byte {end} of {said}");
        at = end.next_multiple_of(2);
    }
    Ok(())
}

/// Numbers of a TIFF, in its byte order.
struct Tiff<'a> {
    bytes: &'a [u8],
    big: bool,
}

impl Tiff<'_> {
    fn u16(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some(usize::from(if self.big { u16::from_be_bytes(bytes) } else { u16::from_le_bytes(bytes) }))
    }

    fn u32(&self, at: usize) -> Option<usize> {
        let bytes = *self.bytes.get(at..)?.first_chunk()?;
        Some((if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) }) as usize)
    }

    /// The values of a tag in the first directory; empty where it has none of 16 or 32 bits.
    fn values(&self, tag: usize) -> Option<Vec<usize>> {
        let directory = self.u32(4)?;
        let entries = self.u16(directory)?;
        let entry = |number: usize| directory + 2 + 12 * number;
        let Some(at) = (0..entries).map(entry).find(|&at| self.u16(at) == Some(tag)) else { return Some(Vec::new()) };
        let width = match self.u16(at + 2)? {
            3 => 2,
            4 => 4,
            _ => return Some(Vec::new()),
        };
        let count = self.u32(at + 4)?;
        let bytes = count.checked_mul(width)?;
        // Up to four bytes stand in the entry itself.
        let first = if bytes <= 4 { at + 8 } else { self.u32(at + 8)? };
        self.bytes.get(first..first.checked_add(bytes)?)?;
        (0..count).map(|i| if width == 2 { self.u16(first + 2 * i) } else { self.u32(first + 4 * i) }).collect()
    }
}

/// Checks that the strips or tiles of a TIFF's first picture lie within it.
///
/// # Errors
/// If one ends behind it.
pub fn tiff(bytes: &[u8]) -> Result<()> {
    let tiff = Tiff { bytes, big: bytes.starts_with(b"MM") };
    for [offsets, lengths] in [[273, 279], [324, 325]] {
        let values = |tag| tiff.values(tag).context("truncated TIFF: its directory is not all there");
        for (offset, length) in values(offsets)?.into_iter().zip(values(lengths)?) {
            let end = offset.saturating_add(length);
            ensure!(end <= bytes.len(), "truncated TIFF: pixels end at byte {end} of {}", bytes.len());
        }
    }
    Ok(())
}
