//! How a picture is to be turned, by its EXIF data.

use image::metadata::Orientation;

/// Prefix that some writers put before the data.
const PREFIX: &[u8] = b"Exif\0\0";

/// The orientation that EXIF data ask for; none where they name none.
pub fn orientation(chunk: &[u8]) -> Orientation {
    Orientation::from_exif_chunk(chunk.strip_prefix(PREFIX).unwrap_or(chunk)).unwrap_or(Orientation::NoTransforms)
}

/// Orientation of a PNG, whose chunk may stand before the pixels or behind them.
pub fn of_png(png: &[u8]) -> Orientation {
    chunks(png).find(|(name, _)| *name == b"eXIf").map_or(Orientation::NoTransforms, |(_, data)| orientation(data))
}

/// Name and data of every chunk of a PNG that is there to its end.
pub fn chunks(png: &[u8]) -> impl Iterator<Item = (&[u8; 4], &[u8])> {
    let mut rest = png.get(8..).unwrap_or_default();
    std::iter::from_fn(move || {
        let (length, after) = rest.split_first_chunk()?;
        let (name, after) = after.split_first_chunk::<4>()?;
        let (data, after) = after.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        // The checksum.
        (_, rest) = after.split_first_chunk::<4>()?;
        Some((name, data))
    })
}
