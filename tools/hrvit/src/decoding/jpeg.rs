//! JPEG, read strictly.

use anyhow::{Context, Result};
use image::{DynamicImage, RgbImage, metadata::Orientation};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

use super::{MaxPixels, exif};

/// Bits of a scan that are all ones, more than one pass over a block can take as they are.
const ONES: [[u8; 2]; 128] = [[0xff, 0]; 128];

/// As [`image`] decodes it, but strictly: what is missing of a JPEG is an error there, not grey.
/// The pixels as they are stored, and how they are to be turned.
pub fn decode(bytes: &[u8], most: MaxPixels) -> Result<(DynamicImage, Orientation)> {
    // Cameras leave stuffing between headers, which strictness refuses: it begins with the pixels.
    let lax = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX).set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), lax);
    decoder.decode_headers().context("damaged or truncated JPEG")?;
    let (width, height) = decoder.dimensions().context("JPEG without dimensions")?;
    let side = |n: usize| u32::try_from(n).context("JPEG of impossible dimensions");
    let (width, height) = (side(width)?, side(height)?);
    let orientation = decoder.exif().map_or(Orientation::NoTransforms, |chunk| exif::orientation(chunk));
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    most.check(width, height, if grey { 1 } else { 3 })?;
    let end = end(bytes).context("truncated JPEG: it ends before its end marker")?;
    // After an end marker that comes too early the decoder takes zeros for pixels. Ones before the
    // marker are no pixels: no code of a JPEG has only ones.
    let longer = [&bytes[..end], ONES.as_flattened(), &bytes[end..]].concat();
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(&longer), lax);
    decoder.decode_headers().context("damaged JPEG")?;
    decoder.set_options(lax.jpeg_set_out_colorspace(if grey { ColorSpace::Luma } else { ColorSpace::RGB }).set_strict_mode(true));
    let pixels = decoder.decode().context("damaged or truncated JPEG")?;
    let image = if grey {
        image::GrayImage::from_raw(width, height, pixels).map(DynamicImage::ImageLuma8)
    } else {
        RgbImage::from_raw(width, height, pixels).map(DynamicImage::ImageRgb8)
    };
    Ok((image.context("JPEG of other pixels than it says")?, orientation))
}

/// Start of the end marker that the segments and scans of a JPEG lead to.
pub(super) fn end(jpeg: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        // Skips to the next marker: over stuffing between segments, and over coded pixels behind
        // the header of a scan. There 0 follows a byte of 255 that is no marker.
        let found = at + jpeg.get(at..)?.array_windows().position(|&[a, b]| a == 0xff && b != 0xff && b != 0)?;
        at = found + 2;
        match jpeg[found + 1] {
            // The end of the picture; before a marker there may be more bytes of 255.
            0xd9 => return Some(found - jpeg[..found].iter().rev().take_while(|&&byte| byte == 0xff).count()),
            // Its start, restarts inside a scan, and a marker for private use: without a length.
            0xd8 | 0xd0..=0xd7 | 0x01 => {}
            _ => {
                let &[high, low] = jpeg.get(at..)?.first_chunk()?;
                at += usize::from(u16::from_be_bytes([high, low])).max(2);
            }
        }
    }
}
