//! Whether all bytes of a picture are there, where its decoder takes nothing for something.

use anyhow::{Context, Result, ensure};
use image::codecs::pnm::PnmDecoder;
use image::{DynamicImage, ImageFormat};

use super::{exif, jpeg};

/// How a phone marks pictures that are stored behind the one to be shown.
const PICTURES_OF_ONE_SHOT: &[u8] = b"MPF\0";

/// Whether another picture begins where the first ends, as where several are piped one behind
/// another. TIFF is not looked at: it has no end.
pub fn is_followed(bytes: &[u8]) -> bool {
    let end = match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg::end(bytes)
            .filter(|&end| !bytes[..end].windows(PICTURES_OF_ONE_SHOT.len()).any(|found| found == PICTURES_OF_ONE_SHOT))
            .and_then(|marker| Some(marker + bytes[marker..].iter().position(|&byte| byte != 0xff)? + 1)),
        Ok(ImageFormat::Png) => png_end(bytes),
        Ok(ImageFormat::WebP) => u32_le(bytes, 4).map(|length| length.saturating_add(8).next_multiple_of(2)),
        Ok(ImageFormat::Bmp) => u32_le(bytes, 2),
        Ok(ImageFormat::Pnm) => pnm_end(bytes),
        _ => None,
    };
    end.and_then(|end| bytes.get(end..)).is_some_and(|rest| image::guess_format(rest).is_ok())
}

fn u32_le(bytes: &[u8], at: usize) -> Option<usize> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_le_bytes(*bytes) as usize)
}

/// The end of the samples of a binary PNM of 8 bits.
fn pnm_end(bytes: &[u8]) -> Option<usize> {
    let mut stream = std::io::Cursor::new(bytes);
    DynamicImage::from_decoder(PnmDecoder::new(&mut stream).ok()?).ok()?;
    usize::try_from(stream.position()).ok()
}

/// Checks that the last chunk of a PNG is there.
///
/// # Errors
/// If it is not.
pub fn png(bytes: &[u8]) -> Result<()> {
    ensure!(png_end(bytes).is_some(), "truncated PNG: it ends before its last chunk");
    Ok(())
}

/// The end of the last chunk of a PNG.
fn png_end(bytes: &[u8]) -> Option<usize> {
    let mut end = 8;
    exif::chunks(bytes).find(|(name, data)| {
        // Its length, its name and its checksum.
        end += data.len() + 12;
        *name == b"IEND"
    })?;
    Some(end)
}

/// Checks that a WebP has the bytes that it and each of its chunks say.
///
/// # Errors
/// If it has fewer.
pub fn webp(bytes: &[u8]) -> Result<()> {
    let said = u32_le(bytes, 4).context("truncated WebP")?.saturating_add(8);
    ensure!(said <= bytes.len(), "truncated WebP: {} of {said} bytes", bytes.len());
    let mut at = 12;
    while at < said {
        let end = u32_le(bytes, at + 4).context("truncated WebP")?.saturating_add(at + 8);
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
