//! Pictures from outside: whole, or an error; and none that takes more memory than it is allowed.

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use image::{DynamicImage, ImageDecoder, ImageFormat, RgbImage};
use zune_core::{bytestream::ZCursor, colorspace::ColorSpace, options::DecoderOptions};
use zune_jpeg::JpegDecoder;

/// The most pixels that a picture may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPixels(pub u64);

static OF_PROCESS: AtomicU64 = AtomicU64::new(MaxPixels::DEFAULT);

impl MaxPixels {
    /// More than a camera of 48 megapixels has.
    pub const DEFAULT: u64 = 50_000_000;
    /// Bytes that a pixel may take as it is decoded: red, green, blue and alpha.
    const BYTES: u64 = 4;

    /// What holds for this process: `--max-pixels`.
    pub fn of_process() -> Self {
        Self(OF_PROCESS.load(Ordering::Relaxed))
    }

    /// Lets it hold for this process.
    pub fn set(self) {
        OF_PROCESS.store(self.0, Ordering::Relaxed);
    }

    /// Bytes that a decoder may take for a picture of so many pixels, and what comes with it.
    pub(crate) fn memory(self) -> usize {
        self.bytes().max(64 << 20)
    }

    /// Bytes that a picture of so many pixels may take.
    fn bytes(self) -> usize {
        usize::try_from(self.0.saturating_mul(Self::BYTES)).unwrap_or(usize::MAX)
    }

    /// Checks what a header says, with the bytes that a pixel takes as it is decoded.
    ///
    /// # Errors
    /// If the picture has more pixels, or takes more than 4 bytes for each that it may have.
    pub(crate) fn check(self, width: u32, height: u32, pixel: u64) -> Result<()> {
        let pixels = u64::from(width) * u64::from(height);
        let most = self.0;
        ensure!(pixels <= most, "{width}x{height} are {pixels} pixels, at most {most} are allowed: make the picture smaller, or raise --max-pixels");
        let (bytes, most) = (pixels.saturating_mul(pixel), self.bytes());
        ensure!(
            bytes <= most as u64,
            "{width}x{height} pixels take {bytes} bytes, at most {most} are allowed: make the picture smaller, or raise --max-pixels"
        );
        Ok(())
    }
}

/// Decodes a JPEG or PNG to 8-bit RGB.
///
/// # Errors
/// If it is neither, has more pixels than allowed, or is cut or damaged.
pub fn rgb(bytes: &[u8], most: MaxPixels) -> Result<RgbImage> {
    match image::guess_format(bytes) {
        Ok(ImageFormat::Jpeg) => jpeg(bytes, most),
        Ok(ImageFormat::Png) => png(bytes, most),
        Ok(other) => bail!("expected JPEG or PNG, found {}", other.to_mime_type()),
        Err(_) => bail!("expected JPEG or PNG"),
    }
}

fn png(bytes: &[u8], most: MaxPixels) -> Result<RgbImage> {
    let mut limits = image::Limits::no_limits();
    limits.max_alloc = Some(most.memory() as u64);
    let decoder = image::codecs::png::PngDecoder::with_limits(Cursor::new(bytes), limits).context("damaged PNG, or one that takes too much memory")?;
    let (width, height) = decoder.dimensions();
    most.check(width, height, decoder.color_type().bytes_per_pixel().into())?;
    Ok(DynamicImage::from_decoder(decoder).context("damaged or truncated PNG")?.into_rgb8())
}

/// Bits of a scan that are all ones, more than one pass over a block can take as they are.
const ONES: [[u8; 2]; 128] = [[0xff, 0]; 128];

/// As [`image`] decodes it, but strictly: what is missing of a JPEG is an error there, not grey.
fn jpeg(bytes: &[u8], most: MaxPixels) -> Result<RgbImage> {
    // Cameras leave stuffing between headers, which strictness refuses: it begins with the pixels.
    let lax = DecoderOptions::default().set_max_width(usize::MAX).set_max_height(usize::MAX).set_strict_mode(false);
    let mut decoder = JpegDecoder::new_with_options(ZCursor::new(bytes), lax);
    decoder.decode_headers().context("damaged or truncated JPEG")?;
    let (width, height) = decoder.dimensions().context("JPEG without dimensions")?;
    let side = |n: usize| u32::try_from(n).context("JPEG of impossible dimensions");
    let (width, height) = (side(width)?, side(height)?);
    let grey = decoder.input_colorspace() == Some(ColorSpace::Luma);
    most.check(width, height, if grey { 1 } else { 3 })?;
    let end = end(bytes).context("truncated JPEG: it ends before its end marker")?;
    // Where the end marker comes too early, the decoder takes zeros for pixels. Ones before the marker are no pixels: no code of a JPEG has only ones.
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
    Ok(image.context("JPEG of other pixels than it says")?.into_rgb8())
}

/// Where the end marker begins that the segments and scans of a JPEG lead to.
fn end(jpeg: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        // Up to the next marker: stuffing between segments, coded pixels behind the header of a scan, where 0 follows a byte of 255 that is none.
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

#[cfg(test)]
pub(crate) mod tests {
    use image::{Rgb, codecs::jpeg::JpegEncoder};

    use super::*;

    const MOST: MaxPixels = MaxPixels(MaxPixels::DEFAULT);

    fn picture(width: u32, height: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 7 + y * 3) as u8, (x * y) as u8, (x ^ y) as u8]))
    }

    fn encoded(format: ImageFormat, picture: &DynamicImage) -> Vec<u8> {
        let mut bytes = Cursor::new(Vec::new());
        match format {
            ImageFormat::Jpeg => picture.write_with_encoder(JpegEncoder::new_with_quality(&mut bytes, 85)),
            format => picture.write_to(&mut bytes, format),
        }
        .unwrap();
        bytes.into_inner()
    }

    /// Why bytes are no picture.
    fn refused(bytes: &[u8], most: MaxPixels) -> String {
        rgb(bytes, most).map(|picture| panic!("a picture of {:?} pixels", picture.dimensions())).unwrap_or_else(|error| format!("{error:#}"))
    }

    /// A PNG of which nothing is there but its header, and that data follow.
    pub(crate) fn header_of(width: u32, height: u32, bits: png::BitDepth, colour: png::ColorType) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, height);
        encoder.set_depth(bits);
        encoder.set_color(colour);
        drop(encoder.write_header().unwrap());
        // The signature, the header's chunk, and the beginning of one of data.
        bytes.truncate(8 + 25);
        bytes.extend_from_slice(b"\0\0\x10\0IDAT");
        bytes
    }

    #[test]
    fn whole_pictures_are_what_image_makes_of_them() {
        for (width, height) in [(1, 1), (8, 8), (33, 17), (160, 90)] {
            let picture = DynamicImage::ImageRgb8(picture(width, height));
            for format in [ImageFormat::Jpeg, ImageFormat::Png] {
                for shown in [picture.clone(), picture.to_luma8().into()] {
                    let bytes = encoded(format, &shown);
                    assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8(), "{format:?} {width}x{height}");
                }
            }
            for shown in [DynamicImage::from(picture.to_rgba8()), picture.to_rgb16().into(), picture.to_luma_alpha8().into()] {
                let bytes = encoded(ImageFormat::Png, &shown);
                assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8());
            }
        }
    }

    #[test]
    fn a_picture_that_is_cut_anywhere_is_an_error() {
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(format, &picture(96, 64).into());
            // The last chunk of a PNG says nothing.
            let needed = if format == ImageFormat::Png { bytes.len() - 12 } else { bytes.len() };
            for cut in (0..needed).step_by(3).chain([needed - 1]) {
                refused(&bytes[..cut], MOST);
            }
            assert!(rgb(&[&bytes[..], b"camera's own data"].concat(), MOST).is_ok(), "{format:?}: what follows the picture is nobody's business");
        }
        let bytes = encoded(ImageFormat::Jpeg, &picture(96, 64).into());
        assert!(refused(&bytes[..bytes.len() / 2], MOST).contains("truncated JPEG"));
        assert!(refused(&bytes[..bytes.len() - 2], MOST).contains("truncated JPEG"));
    }

    #[test]
    fn a_jpeg_whose_end_marker_comes_too_early_is_an_error() {
        for (width, height) in [(96, 64), (33, 17), (8, 8)] {
            let colour = DynamicImage::from(picture(width, height));
            for shown in [colour.clone(), colour.to_luma8().into()] {
                let bytes = encoded(ImageFormat::Jpeg, &shown);
                let (scan, end) = (bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap(), end(&bytes).unwrap());
                let header = usize::from(u16::from_be_bytes([bytes[scan + 2], bytes[scan + 3]]));
                // The last two bytes may be one coefficient. Half a stuffed byte would make another marker of the end.
                for cut in (scan + 2 + header..end - 2).filter(|&cut| bytes[cut - 1] != 0xff) {
                    let error = refused(&[&bytes[..cut], b"\xff\xd9"].concat(), MOST);
                    assert!(error.contains("truncated JPEG"), "{width}x{height}, {cut} of {end}: {error}");
                }
                let filled = [&bytes[..end], b"\xff\xff\xff\xd9"].concat();
                assert_eq!(rgb(&filled, MOST).unwrap(), rgb(&bytes, MOST).unwrap(), "bytes of 255 before a marker are none of a picture's");
            }
        }
    }

    #[test]
    fn a_marker_among_coded_pixels_is_an_error() {
        let mut bytes = encoded(ImageFormat::Jpeg, &picture(96, 64).into());
        let scan = bytes.windows(2).position(|pair| pair == [0xff, 0xda]).unwrap();
        bytes[scan + 200..scan + 202].copy_from_slice(&[0xff, 0xc8]);
        refused(&bytes, MOST);
    }

    #[test]
    fn a_png_with_a_damaged_chunk_is_an_error() {
        let bytes = encoded(ImageFormat::Png, &picture(96, 64).into());
        let data = bytes.windows(4).position(|name| name == b"IDAT").unwrap();
        for at in [data + 4, data + 40, bytes.len() - 20] {
            let mut damaged = bytes.clone();
            damaged[at] ^= 0x10;
            refused(&damaged, MOST);
        }
    }

    #[test]
    fn a_picture_of_too_many_pixels_is_refused_by_its_header() {
        use png::{BitDepth, ColorType};
        // Nothing but the header is there: nothing else can have been looked at.
        let bomb = header_of(20_000, 20_000, BitDepth::One, ColorType::Grayscale);
        assert!(bomb.len() < 100);
        let error = refused(&bomb, MOST);
        assert!(error.contains("20000x20000") && error.contains("--max-pixels"), "{error}");
        // Few pixels, but of 8 bytes each.
        let error = refused(&header_of(8000, 6000, BitDepth::Sixteen, ColorType::Rgba), MOST);
        assert!(error.contains("384000000 bytes") && error.contains("--max-pixels"), "{error}");
        for format in [ImageFormat::Jpeg, ImageFormat::Png] {
            let bytes = encoded(format, &picture(96, 64).into());
            assert!(refused(&bytes, MaxPixels(96 * 64 - 1)).contains("96x64 are 6144 pixels, at most 6143"));
            assert!(rgb(&bytes, MaxPixels(96 * 64)).is_ok(), "{format:?}");
        }
    }

    #[test]
    fn other_formats_are_named() {
        assert!(refused(b"GIF89a\x01\x00\x01\x00", MOST).contains("image/gif"));
        assert!(refused(b"not a picture", MOST).contains("expected JPEG or PNG"));
        assert!(refused(b"", MOST).contains("expected JPEG or PNG"));
    }

    #[test]
    fn a_shipped_frame_is_a_whole_one() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../data/calib");
        let frames = crate::frames::list(folder.as_ref()).unwrap();
        for path in &frames {
            let bytes = std::fs::read(path).unwrap();
            assert_eq!(rgb(&bytes, MOST).unwrap(), image::load_from_memory(&bytes).unwrap().into_rgb8(), "{}", path.display());
        }
        assert!(frames.len() > 8);
    }
}
