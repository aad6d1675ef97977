//! Pictures of a frame, made when somebody asks for one.

use anyhow::{Context, Result};
use hrvit_camera::{Format, FrameMut, Ink};
use image::codecs::jpeg::JpegEncoder;
use image::{ExtendedColorType, ImageEncoder};

use super::worker::Shown;

/// Quality of JPEG, of 100.
const QUALITY: u8 = 85;
/// Colour of a pixel whose two best classes are tied.
const UNSURE: [u8; 3] = [230, 30, 60];

/// Contents of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Picture {
    /// The frame itself.
    Frame,
    /// Classes in their colours over it, so much of 255.
    Overlay(u8),
    /// Red where two classes are nearly tied, over it.
    Margin,
}

impl Shown {
    /// A JPEG.
    ///
    /// # Errors
    /// If the frame cannot be drawn on.
    pub fn jpeg(&self, picture: Picture) -> Result<Vec<u8>> {
        let mut rgb = self.camera.picture()?;
        let (width, height) = rgb.dimensions();
        let (columns, rows) = (width as usize, height as usize);
        match picture {
            Picture::Frame => {}
            Picture::Overlay(alpha) => {
                let inks: Vec<Ink> = self.about.classes.iter().map(|class| Ink { colour: class.colour, alpha }).collect();
                FrameMut::packed(Format::Rgb, columns, rows, rgb.as_mut())?.overlay(&self.geometry, &self.labels, &inks)?;
            }
            Picture::Margin => {
                // A code is the class of its own colour: red as it falls below what counts as sure.
                let inks: Vec<Ink> = (0..=255u8).map(|code| Ink { colour: UNSURE, alpha: (255 - code).saturating_sub(64) }).collect();
                FrameMut::packed(Format::Rgb, columns, rows, rgb.as_mut())?.overlay(&self.geometry, &self.margins, &inks)?;
            }
        }
        let mut bytes = Vec::new();
        JpegEncoder::new_with_quality(&mut bytes, QUALITY).write_image(&rgb, width, height, ExtendedColorType::Rgb8).context("making a JPEG")?;
        Ok(bytes)
    }
}
