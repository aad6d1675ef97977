//! Pictures inside of the page: data URIs of frames, label maps and what differs between them.

use std::path::Path;

use anyhow::Result;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::{Rgb, RgbImage};

use crate::dataset::Labelled;
use crate::fit::Placement;
use crate::inference::Inference;
use crate::labels::{self, LabelMap, NO_LABEL};
use crate::palette::Classes;
use crate::segmenter::Segmenter;
use crate::{frames, overlay};

/// Columns of a small picture.
const WIDTH: usize = 240;

/// Colours of a difference: both alike, float alone is right, the other alone is right, both are
/// wrong or there is no label.
pub const DIFFERENCES: [([u8; 3], &str); 4] = [
    ([238, 238, 238], "same class"),
    ([200, 40, 40], "only float is right"),
    ([40, 140, 70], "only the other is right"),
    ([230, 170, 40], "neither is right, or no label"),
];

/// One frame, as data URIs of PNGs.
pub struct Pictures {
    /// Title and address, side by side.
    pub parts: Vec<(&'static str, String)>,
}

/// `bytes` as an address.
pub fn data_uri(mime: &str, bytes: &[u8]) -> String {
    format!("data:{mime};base64,{}", BASE64_STANDARD.encode(bytes))
}

/// A small picture of a frame as an address.
///
/// # Errors
/// If the frame cannot be read.
pub fn thumbnail(path: &Path) -> Result<String> {
    let frame = frames::read(path)?;
    let height = (u64::from(frame.height()) * WIDTH as u64 / u64::from(frame.width())).max(1);
    let small = image::imageops::resize(&frame, u32::try_from(WIDTH)?, u32::try_from(height)?, image::imageops::FilterType::Triangle);
    Ok(png(&overlay::encode_png(&small)?))
}

/// Draws one frame: itself, its labels, what float and the other say, and where they differ.
///
/// # Errors
/// If a file cannot be read or does not fit the network.
pub fn draw(item: &Labelled, inference: Inference, float: &dyn Segmenter, other: &dyn Segmenter, classes: &Classes) -> Result<Pictures> {
    let frame = frames::read(&item.frame)?;
    let truth = item.truth()?;
    let input = inference.input(&frame, float.size())?;
    let width = truth.width.min(WIDTH);
    let height = (truth.height * width / truth.width).max(1);
    let small = |segmenter: &dyn Segmenter| {
        let found = inference.predict(segmenter, &input, (truth.height, truth.width), false)?;
        Ok::<_, anyhow::Error>(shrink(&found.labels, height, width))
    };
    let (by_float, by_other, truth) = (small(float)?, small(other)?, shrink(&truth, height, width));
    let thumbnail = image::imageops::resize(&frame, u32::try_from(width)?, u32::try_from(height)?, image::imageops::FilterType::Triangle);
    let map = |labels: &LabelMap| Ok::<_, anyhow::Error>(png(&labels::encode(labels, classes)?));
    Ok(Pictures {
        parts: vec![
            ("frame", png(&overlay::encode_png(&thumbnail)?)),
            ("label", map(&truth)?),
            (float.name(), map(&by_float)?),
            (other.name(), map(&by_other)?),
            ("difference", png(&overlay::encode_png(&difference(&truth, &by_float, &by_other)?)?)),
        ],
    })
}

fn png(bytes: &[u8]) -> String {
    data_uri("image/png", bytes)
}

/// The label in the middle of what every pixel of the smaller map covers.
fn shrink(map: &LabelMap, height: usize, width: usize) -> LabelMap {
    labels::nearest(map, &Placement::WHOLE, height, width, NO_LABEL)
}

fn difference(truth: &LabelMap, float: &LabelMap, other: &LabelMap) -> Result<RgbImage> {
    let colour = |at: usize| {
        let (truth, float, other) = (truth.data[at], float.data[at], other.data[at]);
        // A crop leaves pixels out, on which both say nothing.
        let kind = if float == other && float != NO_LABEL {
            0
        } else if float == truth {
            1
        } else if other == truth {
            2
        } else {
            3
        };
        Rgb(DIFFERENCES[kind].0)
    };
    let (width, height) = (u32::try_from(truth.width)?, u32::try_from(truth.height)?);
    Ok(RgbImage::from_fn(width, height, |x, y| colour(y as usize * truth.width + x as usize)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: &[u8]) -> LabelMap {
        LabelMap::new(1, data.len(), data.to_vec()).unwrap()
    }

    #[test]
    fn differences_say_who_is_right() {
        let picture = difference(&map(&[0, 0, 0, 9]), &map(&[1, 0, 1, 1]), &map(&[1, 1, 0, 2])).unwrap();
        let found: Vec<_> = picture.pixels().map(|pixel| DIFFERENCES.iter().position(|(colour, _)| *colour == pixel.0)).collect();
        assert_eq!(found, [Some(0), Some(1), Some(2), Some(3)]);
    }

    #[test]
    fn shrinking_takes_labels_that_are_there() {
        let small = shrink(&LabelMap::new(2, 6, vec![1, 1, 5, 5, 7, 7, 1, 1, 5, 5, 7, 7]).unwrap(), 1, 3);
        assert_eq!(small.data, [1, 5, 7]);
    }

    #[test]
    fn bytes_become_an_address() {
        assert_eq!(data_uri("image/png", b"abc"), "data:image/png;base64,YWJj");
    }
}
