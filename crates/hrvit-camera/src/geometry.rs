//! Which pixels of a frame the network sees, and their places in its input.

use hrvit_format::{Size, sentences};

use crate::frame::MAX_SIDE;

/// A rectangle of a frame's pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct Region {
    /// First row.
    pub y: usize,
    /// First column.
    pub x: usize,
    /// Rows.
    pub height: usize,
    /// Columns.
    pub width: usize,
}

/// Clockwise rotation that makes a frame upright.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Rotation {
    /// No rotation: the frame is upright.
    #[default]
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// The rotation by 0, 90, 180 or 270 degrees. `None` for other angles.
    pub const fn from_degrees(degrees: u16) -> Option<Self> {
        match degrees {
            0 => Some(Self::None),
            90 => Some(Self::Quarter),
            180 => Some(Self::Half),
            270 => Some(Self::ThreeQuarters),
            _ => None,
        }
    }
}

/// How a picture of another shape becomes the network's input.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub enum Fit {
    /// Resize each axis by its own factor.
    #[default]
    Stretch,
    /// Take the largest part of the input's shape from the middle.
    Crop,
    /// Show all of the picture in the middle, between bars.
    Letterbox {
        /// Red, green and blue of the bars. Use the rounded mean of the network's preprocessing.
        bars: [u8; 3],
    },
}

/// Changes of a frame on its way to the input, in this order: region, rotation, mirror, fit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct View {
    /// Part of the frame to show. `None` shows the whole frame.
    pub region: Option<Region>,
    /// Rotation of this part.
    pub rotation: Rotation,
    /// Whether left and right change places after the rotation.
    pub mirror: bool,
    /// How the result is fitted to the input.
    pub fit: Fit,
}

/// Why a view of a frame is invalid.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum GeometryError {
    /// A side of the frame has 0 pixels, or more than [`MAX_SIDE`].
    Frame {
        /// Pixels of a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The region has no pixels, or reaches beyond the frame.
    Region(Region),
    /// The network's input has no pixels, or a side of more than 4096.
    Input {
        /// Rows.
        height: u16,
        /// Columns.
        width: u16,
    },
}

sentences!(GeometryError {
    Self::Frame { width, height } => ("a frame of {}x{} pixels: expected sides of 1 to 65535; give the camera's own size", width, height),
    Self::Region(region) => (
        "a region of {}x{} pixels from column {} and row {}: expected one or more pixels, all inside the frame",
        region.width,
        region.height,
        region.x,
        region.y
    ),
    Self::Input { height, width } => ("an input of {}x{} pixels: expected sides of 1 to 4096; give the model's own size", height, width),
});

impl core::error::Error for GeometryError {}

/// Longest side of an input.
const MAX_INPUT: u16 = 4096;

/// One direction of the input, and the pixels of the frame along it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Along {
    /// First pixel of the frame that is shown.
    pub(crate) start: usize,
    /// Pixels of the frame that are shown.
    pub(crate) pixels: usize,
    /// First pixel of the input that shows some.
    pub(crate) first: usize,
    /// Pixels of the input that show them.
    pub(crate) cells: usize,
    /// Whether they run against each other.
    pub(crate) flipped: bool,
}

impl Along {
    /// The pixel of the input in which the middle of pixel `at` of the frame lies.
    pub(crate) fn cell(&self, at: usize) -> Option<usize> {
        let at = at.checked_sub(self.start).filter(|at| *at < self.pixels)?;
        let upright = if self.flipped { self.pixels - 1 - at } else { at };
        // Below 2^17 * 2^12.
        ((2 * upright + 1) * self.cells).checked_div(2 * self.pixels).map(|cell| self.first + cell)
    }
}

/// Map between the pixels of a frame and the pixels of a network's input.
///
/// ```
/// use hrvit_camera::{Fit, Geometry, Rotation, View};
/// use hrvit_format::Size;
/// let fit = Fit::Letterbox { bars: [124, 116, 104] };
/// let view = View { rotation: Rotation::Quarter, fit, ..View::default() };
/// let geometry = Geometry::new(640, 480, view, Size::new(192, 256)?)?;
/// // Upright, the frame is 480 wide and 640 high. The input shows it 144 wide and 192 high.
/// assert_eq!(geometry.cell(0, 639), Some((191, 199)));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Geometry {
    pub(crate) width: usize,
    pub(crate) height: usize,
    pub(crate) size: Size,
    /// From the input's first row to its last.
    pub(crate) down: Along,
    /// From the input's first column to its last.
    pub(crate) across: Along,
    /// Whether `down` runs along the frame's rows.
    pub(crate) transposed: bool,
    pub(crate) bars: [u8; 3],
}

impl Geometry {
    /// The geometry of a frame of `width` x `height` pixels for an input of `size`.
    ///
    /// # Errors
    /// [`GeometryError`] if the frame, the region or the input has no pixels, or too many.
    pub fn new(width: usize, height: usize, view: View, size: Size) -> Result<Self, GeometryError> {
        let side = |side: usize| (1..=MAX_SIDE).contains(&side);
        if !side(width) || !side(height) {
            return Err(GeometryError::Frame { width, height });
        }
        if !(1..=MAX_INPUT).contains(&size.height) || !(1..=MAX_INPUT).contains(&size.width) {
            return Err(GeometryError::Input { height: size.height, width: size.width });
        }
        let region = view.region.unwrap_or(Region { y: 0, x: 0, height, width });
        let inside = |start: usize, pixels: usize, all: usize| pixels > 0 && start.checked_add(pixels).is_some_and(|end| end <= all);
        if !inside(region.y, region.height, height) || !inside(region.x, region.width, width) {
            return Err(GeometryError::Region(region));
        }
        let (transposed, rows_flipped, columns_flipped) = match view.rotation {
            Rotation::None => (false, false, false),
            Rotation::Quarter => (true, false, true),
            Rotation::Half => (false, true, true),
            Rotation::ThreeQuarters => (true, true, false),
        };
        let along = |start, pixels, flipped| Along { start, pixels, first: 0, cells: 0, flipped };
        let (vertical, horizontal) = ((region.y, region.height), (region.x, region.width));
        let (down, across) = if transposed { (horizontal, vertical) } else { (vertical, horizontal) };
        let mut down = along(down.0, down.1, rows_flipped);
        let mut across = along(across.0, across.1, columns_flipped != view.mirror);
        let input = (usize::from(size.height), usize::from(size.width));
        (down.cells, across.cells) = input;
        let mut bars = [0; 3];
        match view.fit {
            Fit::Stretch => {}
            Fit::Crop => {
                let part = shaped((down.pixels, across.pixels), input);
                middle(&mut down, part.0);
                middle(&mut across, part.1);
            }
            Fit::Letterbox { bars: colour } => {
                bars = colour;
                let part = shaped(input, (down.pixels, across.pixels));
                (down.cells, down.first) = (part.0, (input.0 - part.0) / 2);
                (across.cells, across.first) = (part.1, (input.1 - part.1) / 2);
            }
        }
        Ok(Self { width, height, size, down, across, transposed, bars })
    }

    /// Pixels of a row of the frame.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows of the frame.
    pub fn height(&self) -> usize {
        self.height
    }

    /// Size of the input.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Row and column of the input's pixel that contains the centre of the frame's pixel in row `y`
    /// and column `x`. `None` if the input does not show it.
    pub fn cell(&self, y: usize, x: usize) -> Option<(usize, usize)> {
        let (down, across) = if self.transposed { (x, y) } else { (y, x) };
        self.down.cell(down).zip(self.across.cell(across))
    }

    /// The rows of the frame and its columns.
    pub(crate) fn of_frame(&self) -> (&Along, &Along) {
        if self.transposed { (&self.across, &self.down) } else { (&self.down, &self.across) }
    }
}

/// Leaves `pixels` in the middle, as the input sees it.
fn middle(along: &mut Along, pixels: usize) {
    let left = along.pixels - pixels;
    along.start += if along.flipped { left - left / 2 } else { left / 2 };
    along.pixels = pixels;
}

/// Rows and columns of the largest part of `outer` that has the shape of `shape`, to the nearest
/// pixel.
fn shaped(outer: (usize, usize), shape: (usize, usize)) -> (usize, usize) {
    let [(height, width), (rows, columns)] = [outer, shape].map(|(rows, columns)| (rows as u64, columns as u64));
    let nearest = |number: u64, divisor: u64, most: usize| ((number + divisor / 2) / divisor.max(1)).clamp(1, most as u64) as usize;
    if width * rows >= height * columns { (outer.0, nearest(height * columns, rows, outer.1)) } else { (nearest(width * rows, columns, outer.0), outer.1) }
}
