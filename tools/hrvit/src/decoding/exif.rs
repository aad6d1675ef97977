//! How a picture is to be turned, by its EXIF data.

use image::metadata::Orientation;

/// What some writers put before the data.
const PREFIX: &[u8] = b"Exif\0\0";

/// The orientation that EXIF data ask for; none where they name none.
pub fn orientation(chunk: &[u8]) -> Orientation {
    Orientation::from_exif_chunk(chunk.strip_prefix(PREFIX).unwrap_or(chunk)).unwrap_or(Orientation::NoTransforms)
}

/// That of a PNG, whose chunk may stand before the pixels or behind them.
pub fn of_png(png: &[u8]) -> Orientation {
    let mut rest = png.get(8..).unwrap_or_default();
    while let Some((length, after)) = rest.split_first_chunk() {
        let length = u32::from_be_bytes(*length) as usize;
        let Some((name, after)) = after.split_first_chunk::<4>() else { break };
        let Some(data) = after.get(..length) else { break };
        if name == b"eXIf" {
            return orientation(data);
        }
        // The checksum.
        rest = after.get(length.saturating_add(4)..).unwrap_or_default();
    }
    Orientation::NoTransforms
}
