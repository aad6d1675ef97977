//! Pictures from outside: upright and whole, or an error; and none that takes more memory than it
//! is allowed.
//!
//! Upright is a picture as its EXIF orientation asks to show it.

mod exif;
mod jpeg;
mod whole;

use std::io::Cursor;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, bail, ensure};
use image::codecs::{bmp::BmpDecoder, png::PngDecoder, pnm::PnmDecoder, tiff::TiffDecoder, webp::WebPDecoder};
use image::{DynamicImage, ImageDecoder, ImageFormat, Limits, RgbImage, metadata::Orientation};

pub use whole::is_followed;

/// The most pixels that a picture may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MaxPixels(pub u64);

static OF_PROCESS: AtomicU64 = AtomicU64::new(MaxPixels::DEFAULT);

impl MaxPixels {
    /// More than a camera of 48 megapixels has.
    pub const DEFAULT: u64 = 50_000_000;
    /// Bytes that a pixel may take as it is decoded: red, green, blue and alpha.
    const BYTES: u64 = 4;

    /// Limits of this process: `--max-pixels`.
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

/// Formats that are decoded, for errors.
const FORMATS: &str = "JPEG, PNG, WebP, BMP, TIFF or PPM";

/// Decodes a picture to 8-bit RGB, turned upright.
///
/// # Errors
/// If it is no JPEG, PNG, WebP, BMP, TIFF or PPM, has more pixels than allowed, or is cut or
/// damaged.
pub fn rgb(bytes: &[u8], most: MaxPixels) -> Result<RgbImage> {
    let Ok(format) = image::guess_format(bytes) else { bail!("expected {FORMATS}") };
    let stream = Cursor::new(bytes);
    let (mut picture, orientation) = match format {
        ImageFormat::Jpeg => jpeg::decode(bytes, most)?,
        ImageFormat::Png => {
            let decoder = PngDecoder::with_limits(stream, limits(most)).context("damaged PNG, or one that takes too much memory")?;
            let (picture, _) = decode(decoder, "PNG", most)?;
            whole::png(bytes)?;
            (picture, exif::of_png(bytes))
        }
        ImageFormat::WebP => {
            whole::webp(bytes)?;
            let mut decoder = WebPDecoder::new(stream).context("damaged WebP")?;
            let orientation = decoder.exif_metadata().context("damaged WebP")?.map_or(Orientation::NoTransforms, |chunk| exif::orientation(&chunk));
            (decode(decoder, "WebP", most)?.0, orientation)
        }
        ImageFormat::Bmp => decode(BmpDecoder::new(stream).context("damaged or truncated BMP")?, "BMP", most)?,
        ImageFormat::Tiff => {
            whole::tiff(bytes)?;
            decode(TiffDecoder::new(stream).context("damaged or truncated TIFF")?, "TIFF", most)?
        }
        ImageFormat::Pnm => decode(PnmDecoder::new(stream).context("damaged or truncated PPM")?, "PPM", most)?,
        other => bail!("expected {FORMATS}, found {}", other.to_mime_type()),
    };
    picture.apply_orientation(orientation);
    Ok(picture.into_rgb8())
}

fn limits(most: MaxPixels) -> Limits {
    let mut limits = Limits::no_limits();
    limits.max_alloc = Some(most.memory() as u64);
    limits
}

/// The pixels as they are stored, and how they are to be turned.
fn decode(mut decoder: impl ImageDecoder, name: &str, most: MaxPixels) -> Result<(DynamicImage, Orientation)> {
    let (width, height) = decoder.dimensions();
    most.check(width, height, decoder.color_type().bytes_per_pixel().into())?;
    decoder.set_limits(limits(most)).with_context(|| format!("{name} that takes too much memory"))?;
    let orientation = decoder.orientation().with_context(|| format!("damaged {name}"))?;
    Ok((DynamicImage::from_decoder(decoder).with_context(|| format!("damaged or truncated {name}"))?, orientation))
}

#[cfg(test)]
pub(crate) mod tests;
