//! How a frame of another shape becomes one input of a network, and where the frame's pixels then
//! lie in it.

use std::borrow::Cow;
use std::ops::Range;

use anyhow::{Context, Result, ensure};
use hrvit_format::{Fit, Preprocess, Size};
use image::{Rgb, RgbImage, imageops};
use serde::{Deserialize, Serialize};

use crate::decoding::MaxPixels;
use crate::frames::{self, Extent};

/// How a frame of another shape becomes one input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fit", rename_all = "snake_case")]
pub enum Fitting {
    /// Resized in each direction on its own.
    #[default]
    Stretch,
    /// The largest part in its middle that has the input's shape.
    Crop,
    /// All of it, in the middle between bars.
    Letterbox {
        /// Colour of the bars.
        bars: [u8; 3],
    },
}

/// Place of a frame's pixels in an input.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Placement {
    /// Rows.
    pub rows: Along,
    /// Columns.
    pub columns: Along,
}

/// Place of pixels in one direction: the middle of pixel `at` of `count` is
/// `(start + span * (at + 1/2) / count) / length` of the input away from its beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Along {
    start: i64,
    span: i64,
    length: i64,
}

/// A part of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Part {
    y: u32,
    x: u32,
    extent: Extent,
}

impl Fitting {
    /// The fit of [`Preprocess::fit`]. [`Fit::KeepRatio`] makes several inputs of a frame: the one
    /// in the middle is a crop's.
    pub fn of(preprocess: &Preprocess) -> Self {
        match preprocess.fit {
            Fit::Stretch => Self::Stretch,
            Fit::Crop | Fit::KeepRatio => Self::Crop,
            Fit::Letterbox => Self::Letterbox { bars: preprocess.mean.map(|mean| mean.round() as u8) },
        }
    }

    /// The part of a frame that the input shows.
    pub fn seen(self, frame: &RgbImage, size: Size) -> Cow<'_, RgbImage> {
        match self {
            Self::Crop => {
                let part = shaped(extent(frame), (size.height.into(), size.width.into()));
                Cow::Owned(imageops::crop_imm(frame, part.x, part.y, part.extent.1, part.extent.0).to_image())
            }
            Self::Stretch | Self::Letterbox { .. } => Cow::Borrowed(frame),
        }
    }

    /// The input made of `frame`, and where the frame lies in it.
    ///
    /// # Errors
    /// If the frame has no pixels.
    pub fn input(self, frame: &RgbImage, size: Size) -> Result<(RgbImage, Placement)> {
        let (own, input) = (extent(frame), (u32::from(size.height), u32::from(size.width)));
        ensure!(own.0 > 0 && own.1 > 0, "frame without pixels");
        let placement = self.placement(own, size);
        match self {
            Self::Stretch => Ok((frames::resize(frame, input)?, placement)),
            Self::Crop => Ok((frames::resize(&self.seen(frame, size), input)?, placement)),
            Self::Letterbox { bars } => {
                let part = shaped(input, own);
                let mut canvas = RgbImage::from_pixel(input.1, input.0, Rgb(bars));
                imageops::replace(&mut canvas, &frames::resize(frame, part.extent)?, part.x.into(), part.y.into());
                Ok((canvas, placement))
            }
        }
    }

    /// Place of a frame of `own` rows and columns in its input.
    pub fn placement(self, own: Extent, size: Size) -> Placement {
        let input = (u32::from(size.height), u32::from(size.width));
        match self {
            Self::Stretch => Placement::WHOLE,
            Self::Crop => Placement::of_crop(own, shaped(own, input)),
            Self::Letterbox { .. } => Placement::of_letterbox(input, shaped(input, own)),
        }
    }
}

impl Placement {
    /// The part of an input that shows the frame.
    pub fn within(&self, input: &RgbImage) -> RgbImage {
        let (rows, columns) = (self.rows.reach(input.height() as usize), self.columns.reach(input.width() as usize));
        imageops::crop_imm(input, columns.start as u32, rows.start as u32, columns.len() as u32, rows.len() as u32).to_image()
    }

    /// A frame that is all of the input.
    pub const WHOLE: Self = Self { rows: Along::WHOLE, columns: Along::WHOLE };

    fn of_crop(frame: Extent, part: Part) -> Self {
        let along = |start: u32, frame: u32, part: u32| Along { start: -i64::from(start), span: frame.into(), length: part.into() };
        Self { rows: along(part.y, frame.0, part.extent.0), columns: along(part.x, frame.1, part.extent.1) }
    }

    fn of_letterbox(input: Extent, part: Part) -> Self {
        let along = |start: u32, input: u32, part: u32| Along { start: start.into(), span: part.into(), length: input.into() };
        Self { rows: along(part.y, input.0, part.extent.0), columns: along(part.x, input.1, part.extent.1) }
    }

    /// Whether the input shows all of the frame.
    pub fn shows_all(&self) -> bool {
        [self.rows, self.columns].iter().all(|along| along.start >= 0 && along.start + along.span <= along.length)
    }
}

impl Along {
    /// A frame that is all of the input.
    pub const WHOLE: Self = Self { start: 0, span: 1, length: 1 };

    /// Which of the `cells` that the input is divided into holds the middle of pixel `at` of
    /// `count`; none outside of the input.
    pub fn cell(self, at: usize, count: usize, cells: usize) -> Option<usize> {
        let [at, count, cells] = [at, count, cells].map(|number| number as i128);
        let middle = (2 * at + 1) * i128::from(self.span) + 2 * count * i128::from(self.start);
        let cell = (middle * cells).div_euclid(2 * count * i128::from(self.length));
        usize::try_from(cell).ok().filter(|_| cell < cells)
    }

    /// The place of pixel 0's left end and the length of one of `count` pixels, in cells.
    pub fn line(self, count: usize, cells: usize) -> (f32, f32) {
        let input = cells as i64;
        ((self.start * input) as f32 / self.length as f32, (self.span * input) as f32 / (self.length * count as i64) as f32)
    }

    /// The cells that the frame reaches into.
    pub fn reach(self, cells: usize) -> Range<usize> {
        let [first, last] = [self.start, self.start + self.span].map(|end| end.clamp(0, self.length) as u64 * cells as u64);
        let length = self.length as u64;
        (first / length) as usize..last.div_ceil(length) as usize
    }
}

/// The frame resized, its shape kept, until it just covers an input.
///
/// # Errors
/// If it would take more pixels than [`MaxPixels`] allows, or has none.
pub fn covering(frame: &RgbImage, size: Size) -> Result<RgbImage> {
    frames::resize(frame, covering_extent(extent(frame), size)?)
}

/// Rows and columns of a frame that was resized, its shape kept, until it just covers an input.
///
/// # Errors
/// As [`covering`].
pub fn covering_extent(own: Extent, size: Size) -> Result<Extent> {
    let (height, width) = (u64::from(size.height), u64::from(size.width));
    let (rows, columns) = (u64::from(own.0), u64::from(own.1));
    ensure!(rows > 0 && columns > 0, "frame without pixels");
    let (rows, columns) = if columns * height >= rows * width { (height, rounded(columns * height, rows)) } else { (rounded(rows * width, columns), width) };
    let extent =
        u32::try_from(rows).ok().zip(u32::try_from(columns).ok()).with_context(|| format!("a frame of {}x{}, resized to cover {size}", own.0, own.1))?;
    MaxPixels::of_process().check(extent.1, extent.0, 3).with_context(|| format!("a frame of {}x{}, resized to cover {size}", own.0, own.1))?;
    Ok(extent)
}

/// Rows and columns of a picture.
pub fn extent(picture: &RgbImage) -> Extent {
    (picture.height(), picture.width())
}

/// The largest part in the middle of `outer` that has the shape of `shape`, to the nearest pixel.
fn shaped(outer: Extent, shape: Extent) -> Part {
    let [(height, width), (rows, columns)] = [outer, shape].map(|(rows, columns)| (u64::from(rows), u64::from(columns)));
    let fits = |pixels: u64, most: u32| u32::try_from(pixels).unwrap_or(most).clamp(1, most);
    let extent = if width * rows >= height * columns {
        (outer.0, fits(rounded(height * columns, rows), outer.1))
    } else {
        (fits(rounded(width * rows, columns), outer.0), outer.1)
    };
    Part { y: (outer.0 - extent.0) / 2, x: (outer.1 - extent.1) / 2, extent }
}

fn rounded(number: u64, divisor: u64) -> u64 {
    (number + divisor / 2) / divisor
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: Size = Size { height: 32, width: 64 };

    /// Red tells the column, green the row.
    fn frame(height: u32, width: u32) -> RgbImage {
        RgbImage::from_fn(width, height, |x, y| Rgb([(x * 255 / width) as u8, (y * 255 / height) as u8, 0]))
    }

    #[test]
    fn a_frame_of_the_inputs_shape_is_the_same_however_it_is_fitted() {
        for (height, width) in [(32, 64), (64, 128), (100, 200), (16, 32)] {
            let frame = frame(height, width);
            let fits = [Fitting::Stretch, Fitting::Crop, Fitting::Letterbox { bars: [9; 3] }].map(|fit| fit.input(&frame, SIZE).unwrap());
            assert!(fits.iter().all(|(picture, placement)| picture == &fits[0].0 && placement.shows_all()));
            assert_eq!(covering(&frame, SIZE).unwrap(), fits[0].0);
        }
    }

    #[test]
    fn a_letterbox_keeps_the_shape_and_fills_the_rest_with_bars() {
        let (picture, placement) = Fitting::Letterbox { bars: [1, 2, 3] }.input(&frame(100, 100), SIZE).unwrap();
        let bars = (0..64).filter(|&x| picture.get_pixel(x, 7).0 == [1, 2, 3]).collect::<Vec<_>>();
        assert_eq!(bars, (0..16).chain(48..64).collect::<Vec<_>>());
        assert_eq!((placement.rows.reach(8), placement.columns.reach(16)), (0..8, 4..12));
        assert_eq!((placement.columns.cell(0, 100, 64), placement.columns.cell(99, 100, 64)), (Some(16), Some(47)));
        let (picture, placement) = Fitting::Letterbox { bars: [1, 2, 3] }.input(&frame(10, 200), SIZE).unwrap();
        assert_eq!((0..32).filter(|&y| picture.get_pixel(5, y).0 != [1, 2, 3]).collect::<Vec<_>>(), [14, 15, 16]);
        assert_eq!(placement.rows.reach(8), 3..5);
        assert!(placement.shows_all());
    }

    #[test]
    fn a_crop_is_the_middle_and_says_what_it_left_out() {
        let (picture, placement) = Fitting::Crop.input(&frame(100, 100), SIZE).unwrap();
        assert_eq!(extent(&picture), (32, 64));
        // The middle 50 of 100 rows.
        let green = |y| i32::from(picture.get_pixel(0, y).0[1]);
        assert!((green(0) - 64).abs() < 6 && (green(31) - 191).abs() < 6, "{} {}", green(0), green(31));
        let seen: Vec<usize> = (0..100).filter(|&y| placement.rows.cell(y, 100, 32).is_some()).collect();
        assert_eq!(seen, (25..75).collect::<Vec<_>>());
        assert!(!placement.shows_all());
        // Labels at half the frame's size.
        assert_eq!((0..50).filter(|&y| placement.rows.cell(y, 50, 32).is_some()).collect::<Vec<_>>(), (12..37).collect::<Vec<_>>());
        assert_eq!(placement.columns.cell(99, 100, 64), Some(63));
    }

    #[test]
    fn a_frame_that_is_all_of_the_input_has_the_nearest_cells() {
        for (count, cells) in [(6, 3), (2, 3), (1, 3), (7, 5), (1080, 192)] {
            for at in 0..count {
                assert_eq!(Along::WHOLE.cell(at, count, cells), Some((2 * at + 1) * cells / (2 * count)));
            }
            assert_eq!(Along::WHOLE.line(count, cells), (0.0, cells as f32 / count as f32));
            assert_eq!(Along::WHOLE.reach(cells), 0..cells);
        }
    }

    #[test]
    fn covering_frames_keep_their_shape_and_are_nowhere_smaller() {
        let covered = |height, width| extent(&covering(&frame(height, width), SIZE).unwrap());
        assert_eq!((covered(100, 100), covered(100, 300), covered(10, 5), covered(1, 1)), ((64, 64), (32, 96), (128, 64), (64, 64)));
    }

    #[test]
    fn frames_of_extreme_shapes_are_fitted() {
        for (height, width) in [(1, 1), (1, 2000), (2000, 1), (3, 5)] {
            for fit in [Fitting::Stretch, Fitting::Crop, Fitting::Letterbox { bars: [0; 3] }] {
                let (picture, placement) = fit.input(&frame(height, width), SIZE).unwrap();
                assert_eq!(extent(&picture), (32, 64), "{height}x{width} {fit:?}");
                assert!(!placement.rows.reach(8).is_empty() && !placement.columns.reach(16).is_empty(), "{height}x{width} {fit:?}");
            }
        }
    }
}
