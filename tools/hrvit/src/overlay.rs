//! Pictures of segmentations: labels over the frame, a legend of the classes in it, and panels side
//! by side.

use anyhow::{Result, ensure};
use image::{Rgb, RgbImage};

use crate::canvas::{CHARACTER_WIDTH, Canvas, LINE_HEIGHT};
use crate::labels::LabelMap;
use crate::palette::Classes;

/// Share of the class colour inside a region.
const TINT: f32 = 0.45;
/// Pixels between the parts of a picture.
const GAP: u32 = 6;
/// Side of a legend's colour patch.
const PATCH: u32 = 12;

/// The frame tinted by the class of each pixel, with the regions' outlines in full colour. A label
/// that is no class leaves the frame as it is.
///
/// # Errors
/// If frame and labels differ in size.
pub fn tinted(frame: &RgbImage, labels: &LabelMap, classes: &Classes) -> Result<RgbImage> {
    let (width, height) = (frame.width() as usize, frame.height() as usize);
    ensure!((labels.height, labels.width) == (height, width), "labels of {}x{} over a frame of {height}x{width}", labels.height, labels.width);
    let label = |x: usize, y: usize| labels.data[y * width + x];
    let mut picture = frame.clone();
    for (x, y, pixel) in picture.enumerate_pixels_mut() {
        let (x, y) = (x as usize, y as usize);
        let here = label(x, y);
        let Some(colour) = classes.colour(here) else { continue };
        let outline = (x + 1 < width && label(x + 1, y) != here) || (y + 1 < height && label(x, y + 1) != here);
        let share = if outline { 1.0 } else { TINT };
        for (value, tint) in pixel.0.iter_mut().zip(colour) {
            *value = (f32::from(*value) * (1.0 - share) + f32::from(tint) * share).round() as u8;
        }
    }
    Ok(picture)
}

/// The labels alone, each in its class's colour; labels that are no class in black.
///
/// # Errors
/// If the labels' size exceeds what an image can hold.
pub fn coloured(labels: &LabelMap, classes: &Classes) -> Result<RgbImage> {
    let (width, height) = (u32::try_from(labels.width)?, u32::try_from(labels.height)?);
    Ok(RgbImage::from_fn(width, height, |x, y| {
        let label = labels.data[y as usize * labels.width + x as usize];
        Rgb(classes.colour(label).unwrap_or([0; 3]))
    }))
}

/// A strip as wide as the picture with patch and name of every class that occurs in one of `maps`,
/// wrapped into lines.
pub fn legend(width: u32, maps: &[&LabelMap], classes: &Classes) -> RgbImage {
    let mut entries = Vec::new();
    let (mut x, mut line) = (GAP, 0);
    for (number, class) in classes.iter().enumerate() {
        if !maps.iter().any(|map| map.histogram(classes.len())[number] > 0) {
            continue;
        }
        let length = PATCH + 4 + CHARACTER_WIDTH * class.name.chars().count() as u32;
        if x > GAP && x + length > width {
            (x, line) = (GAP, line + 1);
        }
        entries.push((x, line, class));
        x += length + 2 * GAP;
    }
    let mut canvas = Canvas::new(width, (line + 1) * LINE_HEIGHT + GAP);
    for (x, line, class) in entries {
        let y = GAP / 2 + line * LINE_HEIGHT;
        canvas.rectangle(x, y + 2, PATCH, PATCH, class.colour);
        canvas.text(x + PATCH + 4, y + 1, &class.name);
    }
    canvas.into_image()
}

/// The tinted frame above its legend.
///
/// # Errors
/// As [`tinted`].
pub fn with_legend(frame: &RgbImage, labels: &LabelMap, classes: &Classes) -> Result<RgbImage> {
    let picture = tinted(frame, labels, classes)?;
    let strip = legend(picture.width(), &[labels], classes);
    let mut canvas = Canvas::new(picture.width(), picture.height() + strip.height());
    canvas.place(0, 0, &picture);
    canvas.place(0, picture.height(), &strip);
    Ok(canvas.into_image())
}

/// Pictures side by side under their titles, above a legend of all classes in `maps`.
pub fn panel(parts: &[(&str, &RgbImage)], maps: &[&LabelMap], classes: &Classes) -> RgbImage {
    let width = parts.iter().map(|(_, picture)| picture.width() + GAP).sum::<u32>().saturating_sub(GAP);
    let height = parts.iter().map(|(_, picture)| picture.height()).max().unwrap_or(0);
    let strip = legend(width, maps, classes);
    let mut canvas = Canvas::new(width, LINE_HEIGHT + height + strip.height());
    let mut x = 0;
    for (title, picture) in parts {
        canvas.text(x + GAP, 2, title);
        canvas.place(x, LINE_HEIGHT, picture);
        x += picture.width() + GAP;
    }
    canvas.place(0, LINE_HEIGHT + height, &strip);
    canvas.into_image()
}

/// The bytes of a PNG file.
///
/// # Errors
/// If the picture has no pixels.
pub fn encode_png(picture: &RgbImage) -> Result<Vec<u8>> {
    let mut bytes = std::io::Cursor::new(Vec::new());
    picture.write_to(&mut bytes, image::ImageFormat::Png)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn classes() -> Classes {
        Classes::camvid11()
    }

    #[test]
    fn outline_has_the_full_colour_and_the_inside_a_tint() {
        let frame = RgbImage::from_pixel(3, 1, Rgb([100; 3]));
        let labels = LabelMap::new(1, 3, vec![1, 1, 0]).unwrap();
        let picture = tinted(&frame, &labels, &classes()).unwrap();
        assert_eq!(picture.get_pixel(1, 0).0, [128, 0, 0]);
        assert_eq!(picture.get_pixel(0, 0).0, [113, 55, 55]);
    }

    #[test]
    fn void_leaves_the_frame() {
        let frame = RgbImage::from_pixel(2, 1, Rgb([7, 8, 9]));
        let labels = LabelMap::new(1, 2, vec![11, 255]).unwrap();
        assert_eq!(tinted(&frame, &labels, &classes()).unwrap(), frame);
    }

    #[test]
    fn other_size_is_an_error() {
        let labels = LabelMap::new(1, 3, vec![0; 3]).unwrap();
        assert!(tinted(&RgbImage::new(2, 1), &labels, &classes()).is_err());
    }

    #[test]
    fn legend_grows_by_lines_and_shows_present_classes_only() {
        let labels = LabelMap::new(1, 11, (0..11).collect()).unwrap();
        let (wide, narrow) = (legend(2000, &[&labels], &classes()), legend(120, &[&labels], &classes()));
        assert!(narrow.height() >= 6 * wide.height() / 2, "{} and {}", narrow.height(), wide.height());
        let shows = |strip: &RgbImage, colour: [u8; 3]| strip.pixels().any(|pixel| pixel.0 == colour);
        assert!(classes().colours().all(|colour| shows(&wide, colour)));
        let sky = LabelMap::new(1, 1, vec![0]).unwrap();
        let strip = legend(2000, &[&sky], &classes());
        assert!(shows(&strip, [128, 128, 128]) && !shows(&strip, [128, 0, 0]));
    }

    #[test]
    fn legend_has_text_beside_the_patch() {
        let sky = LabelMap::new(1, 1, vec![0]).unwrap();
        assert!(legend(200, &[&sky], &classes()).enumerate_pixels().any(|(x, _, pixel)| x > GAP + PATCH && pixel.0 == [0; 3]));
    }

    #[test]
    fn panel_is_as_wide_as_its_parts() {
        let (one, other) = (RgbImage::new(100, 50), RgbImage::new(80, 60));
        let labels = LabelMap::new(1, 1, vec![0]).unwrap();
        let picture = panel(&[("frame", &one), ("float", &other)], &[&labels], &classes());
        assert_eq!(picture.width(), 100 + GAP + 80);
        assert!(picture.height() > 60 + LINE_HEIGHT);
    }
}
