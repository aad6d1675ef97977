//! Labels drawn as colours on the frame itself.

use hrvit_format::sentences;

use crate::colour::{Conversion, Matrix, Range};
use crate::format::Format;
use crate::frame::{self, FrameError};
use crate::geometry::Geometry;
use crate::labels::LabelsError;

/// Colour of a class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Ink {
    /// Red, green and blue.
    pub colour: [u8; 3],
    /// Opacity: 0 leaves the frame as it is, 255 covers it.
    pub alpha: u8,
}

/// Bytes of one plane to draw on, with rows from the top down.
#[derive(Debug)]
pub struct PlaneMut<'a> {
    /// The bytes from the first row on.
    pub bytes: &'a mut [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A frame to draw on: NV12, NV21, RGB, BGR, RGBA or BGRA.
#[derive(Debug)]
pub struct FrameMut<'a> {
    format: Format,
    width: usize,
    height: usize,
    /// The plane of luma, or the only plane.
    pixels: PlaneMut<'a>,
    chroma: Option<PlaneMut<'a>>,
    conversion: Conversion,
}

/// Why nothing was drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum OverlayError {
    /// The planes are no valid frame.
    Frame(FrameError),
    /// Frames of this format cannot be drawn on.
    Format(Format),
    /// The geometry is for frames of another size.
    Size {
        /// Pixels of a row of the frame.
        width: usize,
        /// Rows of the frame.
        height: usize,
    },
    /// The labels do not fit the geometry's input.
    Labels(LabelsError),
}

sentences!(OverlayError {
    Self::Frame(error) => ("{}", error),
    Self::Format(format) => ("an overlay on {}: expected nv12, nv21, rgb, bgr, rgba or bgra; convert the frame", format),
    Self::Size { width, height } => ("a frame of {}x{} pixels is not the geometry's: make one for this size", width, height),
    Self::Labels(error) => ("{}", error),
});

impl core::error::Error for OverlayError {}

impl From<FrameError> for OverlayError {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

impl From<LabelsError> for OverlayError {
    fn from(error: LabelsError) -> Self {
        Self::Labels(error)
    }
}

impl<'a> FrameMut<'a> {
    /// A frame of one plane, or of the planes luma and `chroma`. Its colours are BT.601 in limited
    /// range.
    ///
    /// # Errors
    /// [`OverlayError::Format`] for other formats. [`OverlayError::Frame`] if sizes, strides and
    /// lengths do not fit each other.
    pub fn new(format: Format, width: usize, height: usize, pixels: PlaneMut<'a>, chroma: Option<PlaneMut<'a>>) -> Result<Self, OverlayError> {
        drawable(format)?;
        let planes = [Some(&pixels), chroma.as_ref()];
        let given = planes.iter().flatten().count();
        frame::check(format, width, height, given, planes.into_iter().flatten().map(|plane| (plane.bytes.len(), plane.stride)))?;
        Ok(Self { format, width, height, pixels, chroma, conversion: Conversion::new(Matrix::default(), Range::default()) })
    }

    /// A frame without gaps.
    ///
    /// # Errors
    /// As [`FrameMut::new`].
    pub fn packed(format: Format, width: usize, height: usize, bytes: &'a mut [u8]) -> Result<Self, OverlayError> {
        drawable(format)?;
        frame::check_size(format, width, height)?;
        let stride = format.row_bytes(0, width);
        let expected = stride.saturating_mul(height);
        let given = bytes.len();
        let Some((pixels, rest)) = bytes.split_at_mut_checked(expected) else {
            return Err(FrameError::Short { plane: 0, bytes: given, expected }.into());
        };
        let chroma = (format.planes() > 1).then_some(PlaneMut { bytes: rest, stride: format.row_bytes(1, width) });
        Self::new(format, width, height, PlaneMut { bytes: pixels, stride }, chroma)
    }

    /// The same frame with another matrix and range.
    #[must_use]
    pub fn with_colour(self, matrix: Matrix, range: Range) -> Self {
        Self { conversion: Conversion::new(matrix, range), ..self }
    }

    /// Draws the colours of `labels` over the frame. `labels` is the input's map,
    /// `[height, width]`. Pixels whose label has no ink in `palette`, and pixels that the input
    /// does not show, stay as they are.
    ///
    /// ```
    /// use hrvit_camera::{Format, FrameMut, Geometry, Ink, View};
    /// use hrvit_format::Size;
    /// let geometry = Geometry::new(4, 2, View::default(), Size { height: 1, width: 2 })?;
    /// let mut buffer = [100; 4 * 4 * 2];
    /// let palette = [Ink::default(), Ink { colour: [200, 0, 100], alpha: 128 }];
    /// FrameMut::packed(Format::Rgba, 4, 2, &mut buffer)?.overlay(&geometry, &[0, 1], &palette)?;
    /// assert_eq!(buffer[..8], [100; 8]);
    /// assert_eq!(buffer[8..16], [150, 50, 100, 100, 150, 50, 100, 100]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`OverlayError`] if the geometry is for frames of another size, or the labels do not fit its
    /// input.
    pub fn overlay(&mut self, geometry: &Geometry, labels: &[u8], palette: &[Ink]) -> Result<(), OverlayError> {
        if (self.width, self.height) != (geometry.width, geometry.height) {
            return Err(OverlayError::Size { width: self.width, height: self.height });
        }
        geometry.check_map(labels)?;
        let inks = |y: usize| geometry.places(y).map(|place| place.and_then(|at| palette.get(usize::from(*labels.get(at)?))).copied().unwrap_or_default());
        let format = self.format;
        let step = match format {
            Format::Nv12 | Format::Nv21 => 1,
            Format::Rgb | Format::Bgr => 3,
            _ => 4,
        };
        for (y, row) in self.pixels.bytes.chunks_mut(self.pixels.stride.max(1)).enumerate().take(self.height) {
            let pixels = row.chunks_exact_mut(step).zip(inks(y)).filter(|(_, ink)| ink.alpha != 0);
            match format {
                Format::Nv12 | Format::Nv21 => {
                    let mut luma = Cached::new(|colour| self.conversion.yuv(colour)[0], 0);
                    pixels.for_each(|(pixel, ink)| blend(pixel, &[luma.of(ink.colour)], ink.alpha));
                }
                Format::Bgr | Format::Bgra => pixels.for_each(|(pixel, ink)| {
                    let [r, g, b] = ink.colour;
                    blend(pixel, &[b, g, r], ink.alpha);
                }),
                _ => pixels.for_each(|(pixel, ink)| blend(pixel, &ink.colour, ink.alpha)),
            }
        }
        let Some(chroma) = &mut self.chroma else { return Ok(()) };
        let mut colours = Cached::new(
            |colour| {
                let [_, u, v] = self.conversion.yuv(colour);
                if format == Format::Nv21 { [v, u] } else { [u, v] }
            },
            [128; 2],
        );
        for (number, row) in chroma.bytes.chunks_mut(chroma.stride.max(1)).enumerate().take(self.height.div_ceil(2)) {
            let two = 2 * number + 1 < self.height;
            let (mut upper, mut lower) = (inks(2 * number), inks(2 * number + usize::from(two)));
            let (pairs, _) = row.as_chunks_mut::<2>();
            for pair in pairs.iter_mut().take(self.width.div_ceil(2)) {
                // Pixels of the pair: 4, or fewer at the border.
                let mut sums = [0u32; 2];
                let (mut count, mut drawn) = (0, false);
                let four = [upper.next(), upper.next(), lower.next().filter(|_| two), lower.next().filter(|_| two)];
                for ink in four.into_iter().flatten() {
                    (count, drawn) = (count + 1, drawn || ink.alpha != 0);
                    let (alpha, keep) = (u32::from(ink.alpha), 255 - u32::from(ink.alpha));
                    let drawn = if ink.alpha == 0 { [0; 2] } else { colours.of(ink.colour) };
                    for ((sum, own), colour) in sums.iter_mut().zip(&*pair).zip(drawn) {
                        *sum += u32::from(*own) * keep + u32::from(colour) * alpha;
                    }
                }
                if drawn {
                    let weight = (255 * count).max(1);
                    pair.iter_mut().zip(sums).for_each(|(own, sum)| *own = ((sum + weight / 2) / weight) as u8);
                }
            }
        }
        Ok(())
    }
}

fn drawable(format: Format) -> Result<(), OverlayError> {
    match format {
        Format::Nv12 | Format::Nv21 | Format::Rgb | Format::Bgr | Format::Rgba | Format::Bgra => Ok(()),
        _ => Err(OverlayError::Format(format)),
    }
}

/// `(255 - alpha) own + alpha colour` of 255, to the nearest.
#[inline]
fn blend(own: &mut [u8], colour: &[u8], alpha: u8) {
    let (alpha, keep) = (u32::from(alpha), 255 - u32::from(alpha));
    for (own, colour) in own.iter_mut().zip(colour) {
        *own = ((u32::from(*own) * keep + u32::from(*colour) * alpha + 127) / 255) as u8;
    }
}

/// The last colour's value: neighbours mostly have the same label.
struct Cached<T, F> {
    make: F,
    of: Option<[u8; 3]>,
    value: T,
}

impl<T: Copy, F: Fn([u8; 3]) -> T> Cached<T, F> {
    fn new(make: F, value: T) -> Self {
        Self { make, of: None, value }
    }

    fn of(&mut self, colour: [u8; 3]) -> T {
        if self.of != Some(colour) {
            (self.of, self.value) = (Some(colour), (self.make)(colour));
        }
        self.value
    }
}
