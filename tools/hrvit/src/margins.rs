//! How sure the label of every pixel is: the engine's margins, their unit, and a picture of them.

use anyhow::{Context, Result, ensure};
use image::{Rgb, RgbImage};

use crate::{
    canvas::{CHARACTER_WIDTH, Canvas, LINE_HEIGHT},
    fit::Placement,
    labels::{LabelMap, nearest},
};

/// Largest margin that a code should tell apart, in logits: a class that is 8 ahead has 3000 times
/// the probability of the next.
pub const RANGE: f32 = 8.0;
/// Colour of a pixel whose two best classes are tied.
const UNSURE: [u8; 3] = [230, 30, 60];
/// Pixels around a legend.
const GAP: u32 = 6;
/// Columns of the legend's ramp.
const RAMP: u32 = 96;

/// Distance of the two largest logits of every pixel, `min(255, distance / unit)`.
#[derive(Clone, Debug, PartialEq)]
pub struct Margins {
    /// The codes, `[height, width]`.
    pub codes: LabelMap,
    /// Real value of one code.
    pub unit: f32,
}

impl Margins {
    /// The codes of a frame of another size, each from the nearest pixel; 255 where the network did
    /// not see it.
    pub fn resized(&self, placement: &Placement, height: usize, width: usize) -> Self {
        Self { codes: nearest(&self.codes, placement, height, width, u8::MAX), ..*self }
    }

    /// Mean of the margins as they were stored, in logits, where a frame lies so in them.
    pub fn mean(&self, placement: &Placement) -> f32 {
        let (rows, columns) = (placement.rows.reach(self.codes.height), placement.columns.reach(self.codes.width));
        let row = |y: usize| self.codes.data[y * self.codes.width..][columns.clone()].iter().map(|&code| u64::from(code)).sum::<u64>();
        let sum: u64 = rows.clone().map(row).sum();
        (sum as f64 / (rows.len() * columns.len()).max(1) as f64) as f32 * self.unit
    }

    /// The bytes of a grey PNG whose pixel values are the codes.
    ///
    /// # Errors
    /// If the map has no pixels.
    pub fn encode(&self) -> Result<Vec<u8>> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, u32::try_from(self.codes.width)?, u32::try_from(self.codes.height)?);
        encoder.set_color(png::ColorType::Grayscale);
        encoder.set_depth(png::BitDepth::Eight);
        let mut writer = encoder.write_header().context("margins that PNG cannot hold")?;
        writer.write_image_data(&self.codes.data)?;
        writer.finish()?;
        Ok(bytes)
    }

    /// The frame, red where classes are nearly tied, above a legend in logits.
    ///
    /// # Errors
    /// If frame and margins differ in size.
    pub fn picture(&self, frame: &RgbImage) -> Result<RgbImage> {
        let LabelMap { height, width, data } = &self.codes;
        ensure!((*height, *width) == (frame.height() as usize, frame.width() as usize), "margins of {height}x{width} over another frame");
        let mut picture = frame.clone();
        for (pixel, &code) in picture.pixels_mut().zip(data) {
            *pixel = tinted(*pixel, code);
        }
        let mut canvas = Canvas::new(frame.width(), frame.height() + LINE_HEIGHT + GAP);
        canvas.place(0, 0, &picture);
        let (y, most) = (frame.height() + GAP / 2, f32::from(u8::MAX) * self.unit);
        let mut x = GAP;
        let mut say = |canvas: &mut Canvas, text: &str| {
            canvas.text(x, y + 1, text);
            x += CHARACTER_WIDTH * text.chars().count() as u32 + GAP;
            x
        };
        let ramp = say(&mut canvas, "margin 0");
        for column in 0..RAMP {
            let Rgb(colour) = tinted(Rgb([160; 3]), (column * 255 / (RAMP - 1)) as u8);
            canvas.rectangle(ramp + column, y + 2, 1, LINE_HEIGHT - 4, colour);
        }
        canvas.text(ramp + RAMP + GAP, y + 1, &format!("{most:.1} logits or more"));
        Ok(canvas.into_image())
    }
}

/// A pixel whose margin is `code`.
fn tinted(Rgb(pixel): Rgb<u8>, code: u8) -> Rgb<u8> {
    let unsure = (1.0 - f32::from(code) / 255.0).powi(2);
    let mix = |value: u8, tint: u8| (f32::from(value) * (1.0 - unsure) + f32::from(tint) * unsure).round() as u8;
    Rgb([mix(pixel[0], UNSURE[0]), mix(pixel[1], UNSURE[1]), mix(pixel[2], UNSURE[2])])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_are_red_and_sure_pixels_as_they_are() {
        let codes = LabelMap::new(1, 2, vec![0, 255]).unwrap();
        let margins = Margins { codes, unit: 0.125 };
        assert_eq!(margins.mean(&Placement::WHOLE), 127.5 * 0.125);
        let frame = RgbImage::from_fn(2, 1, |_, _| Rgb([10, 200, 90]));
        let picture = margins.picture(&frame).unwrap();
        assert_eq!((picture.get_pixel(0, 0).0, picture.get_pixel(1, 0).0), (UNSURE, [10, 200, 90]));
        assert!(margins.picture(&RgbImage::new(1, 2)).is_err());
    }
}
