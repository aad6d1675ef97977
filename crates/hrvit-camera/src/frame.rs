//! Frames as a camera writes them to memory.

use hrvit_format::sentences;

use crate::colour::{Conversion, Matrix, Range};
use crate::format::{Format, MAX_PLANES};

/// Longest side of a frame in pixels.
pub const MAX_SIDE: usize = 65_535;

/// Bytes of one plane, with rows from the top down.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Plane<'a> {
    /// The bytes from the first row on.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next.
    pub stride: usize,
}

/// A frame in a camera's buffer, without a copy.
///
/// ```
/// use hrvit_camera::{Format, Frame, Matrix, Plane, Range};
/// let buffer = [128u8; 96 * 60]; // 64x40 pixels, rows of 96 bytes
/// let (luma, chroma) = buffer.split_at(96 * 40);
/// let planes = [Plane { bytes: luma, stride: 96 }, Plane { bytes: chroma, stride: 96 }];
/// let frame = Frame::new(Format::Nv12, 64, 40, &planes)?.with_colour(Matrix::Bt709, Range::Full);
/// assert_eq!((frame.width(), frame.height()), (64, 40));
/// # Ok::<(), hrvit_camera::FrameError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    format: Format,
    width: usize,
    height: usize,
    planes: [Plane<'a>; MAX_PLANES],
    pub(crate) conversion: Conversion,
}

/// Why bytes are no valid frame, or why a row cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameError {
    /// A side has 0 pixels, or more than [`MAX_SIDE`].
    Size {
        /// Pixels of a row.
        width: usize,
        /// Rows.
        height: usize,
    },
    /// The width is odd. In YUYV and UYVY two pixels share their chroma.
    OddWidth {
        /// Pixels of a row.
        width: usize,
    },
    /// The number of planes is not that of the format.
    Planes {
        /// Planes of the format.
        expected: usize,
        /// Planes that were given.
        given: usize,
    },
    /// The stride is shorter than a row, so that rows overlap.
    Stride {
        /// Number of the plane.
        plane: usize,
        /// Bytes from one row to the next.
        stride: usize,
        /// Bytes of a row.
        row: usize,
    },
    /// The frame has no such row.
    Row {
        /// Number of the row.
        row: usize,
        /// Rows of the frame.
        rows: usize,
    },
    /// The given row has another length than the frame's rows.
    Pixels {
        /// Bytes that were given.
        bytes: usize,
        /// Bytes of a row.
        expected: usize,
    },
    /// A plane ends before its last row does.
    Short {
        /// Number of the plane.
        plane: usize,
        /// Bytes of the plane.
        bytes: usize,
        /// Bytes that are needed.
        expected: usize,
    },
}

sentences!(FrameError {
    Self::Size { width, height } => ("a frame of {}x{} pixels: expected sides of 1 to 65535; give the camera's own size", width, height),
    Self::OddWidth { width } => ("{} pixels a row: two pixels share their chroma, give an even width", width),
    Self::Planes { expected, given } => ("{} planes where the format has {}: give each one, in the format's order", given, expected),
    Self::Stride { plane, stride, row } => ("plane {}: a stride of {} bytes for rows of {}: give the bytes from one row to the next", plane, stride, row),
    Self::Row { row, rows } => ("row {} of a frame of {} rows: ask for those that it has", row, rows),
    Self::Pixels { bytes, expected } => ("{} bytes for a row of the frame: expected {}, three a pixel", bytes, expected),
    Self::Short { plane, bytes, expected } => ("plane {}: {} bytes, expected {} or more: check size, stride and format", plane, bytes, expected),
});

impl core::error::Error for FrameError {}

impl<'a> Frame<'a> {
    /// A frame of planes in the order of [`Format`], each with a stride of its own. Its colours are
    /// BT.601 in limited range.
    ///
    /// # Errors
    /// [`FrameError`] if sizes, strides and lengths do not fit each other.
    pub fn new(format: Format, width: usize, height: usize, planes: &[Plane<'a>]) -> Result<Self, FrameError> {
        check(format, width, height, planes.len(), planes.iter().map(|plane| (plane.bytes.len(), plane.stride)))?;
        let mut own = [Plane { bytes: &[], stride: 0 }; MAX_PLANES];
        own.iter_mut().zip(planes).for_each(|(own, plane)| *own = *plane);
        Ok(Self { format, width, height, planes: own, conversion: Conversion::new(Matrix::default(), Range::default()) })
    }

    /// A frame without gaps: planes follow one another, and so do rows. `bytes` may be longer than
    /// [`Format::frame_bytes`].
    ///
    /// # Errors
    /// [`FrameError`] if `bytes` is shorter, or the format has no frame of this size.
    pub fn packed(format: Format, width: usize, height: usize, bytes: &'a [u8]) -> Result<Self, FrameError> {
        // The size is checked first, since products of larger sizes could overflow.
        check_size(format, width, height)?;
        let mut planes = [Plane { bytes: &[], stride: 0 }; MAX_PLANES];
        let mut rest = bytes;
        for (plane, own) in planes.iter_mut().enumerate().take(format.planes()) {
            let stride = format.row_bytes(plane, width);
            let expected = stride.saturating_mul(format.rows(plane, height));
            let (bytes, after) = rest.split_at_checked(expected).ok_or(FrameError::Short { plane, bytes: rest.len(), expected })?;
            (*own, rest) = (Plane { bytes, stride }, after);
        }
        Self::new(format, width, height, planes.get(..format.planes()).unwrap_or_default())
    }

    /// The same frame with another matrix and range. Formats of red, green and blue, and grey,
    /// ignore them.
    #[must_use]
    pub fn with_colour(self, matrix: Matrix, range: Range) -> Self {
        Self { conversion: Conversion::new(matrix, range), ..self }
    }

    /// Order of the bytes.
    pub fn format(&self) -> Format {
        self.format
    }

    /// Pixels of a row.
    pub fn width(&self) -> usize {
        self.width
    }

    /// Rows.
    pub fn height(&self) -> usize {
        self.height
    }

    /// The bytes of a plane from byte `first` of row `row` on, and the number from one row to the
    /// next, 1 at least.
    pub(crate) fn rows_from(&self, plane: usize, row: usize, first: usize) -> (&'a [u8], usize) {
        let Some(plane) = self.planes.get(plane) else { return (&[], 1) };
        let start = row.saturating_mul(plane.stride).saturating_add(first);
        (plane.bytes.get(start..).unwrap_or_default(), plane.stride.max(1))
    }
}

/// Whether a frame of `format` may have this size.
pub(crate) fn check_size(format: Format, width: usize, height: usize) -> Result<(), FrameError> {
    let fits = |side: usize| (1..=MAX_SIDE).contains(&side);
    if !fits(width) || !fits(height) {
        return Err(FrameError::Size { width, height });
    }
    if format.shares_pairs() && !width.is_multiple_of(2) {
        return Err(FrameError::OddWidth { width });
    }
    Ok(())
}

/// Whether planes of these bytes and strides hold a frame.
pub(crate) fn check(format: Format, width: usize, height: usize, given: usize, planes: impl Iterator<Item = (usize, usize)>) -> Result<(), FrameError> {
    check_size(format, width, height)?;
    if given != format.planes() {
        return Err(FrameError::Planes { expected: format.planes(), given });
    }
    for (plane, (bytes, stride)) in planes.enumerate() {
        let (row, rows) = (format.row_bytes(plane, width), format.rows(plane, height));
        if stride < row {
            return Err(FrameError::Stride { plane, stride, row });
        }
        // The last row may end with its pixels.
        let expected = stride.saturating_mul(rows.saturating_sub(1)).saturating_add(row);
        if bytes < expected {
            return Err(FrameError::Short { plane, bytes, expected });
        }
    }
    Ok(())
}
