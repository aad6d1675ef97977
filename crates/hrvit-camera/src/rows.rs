//! The rows of a network's input, made from a frame.

use core::ops::Range;

use hrvit_format::sentences;
use hrvit_kernels::{Kernels, ShapeError};

use crate::colour::whole;
use crate::filter::{Axis, Filter, MAX_WEIGHT, Mean};
use crate::format::{Colours, Component, Format, PlaneLayout};
use crate::frame::Frame;
use crate::geometry::Geometry;
use crate::lines::{self, Line};
use crate::sums::column_means;

/// Rows of the input that are made together where they lie along the frame's columns.
const BAND: usize = 16;

/// Why rows cannot be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RowsError {
    /// The geometry is for frames of another size.
    Frame {
        /// Pixels of a row of the frame.
        width: usize,
        /// Rows of the frame.
        height: usize,
    },
    /// A pixel of the input covers so many camera pixels that their sum exceeds 32 bits.
    Weight {
        /// Sum of the weights of a pixel of the input.
        weight: u64,
    },
    /// The scratch has too few words.
    Scratch {
        /// Words that were given.
        words: usize,
        /// Words that are needed.
        expected: usize,
    },
    /// The input has no such row.
    Row {
        /// Number of the row.
        row: usize,
        /// Rows of the input.
        rows: usize,
    },
    /// The given row has another length than the input's rows.
    Pixels {
        /// Bytes that were given.
        bytes: usize,
        /// Bytes of a row.
        expected: usize,
    },
    /// A kernel refused its operands, which is an error in this crate.
    Internal(ShapeError),
}

sentences!(RowsError {
    Self::Frame { width, height } => ("a frame of {}x{} pixels is not the geometry's: make one for this size", width, height),
    Self::Weight { weight } => ("a pixel of the input weighs {} camera pixels: expected 16843009 at most; choose sides with a common factor, or Bilinear", weight),
    Self::Scratch { words, expected } => ("scratch of {} words: expected {}, as Rows::scratch_words says", words, expected),
    Self::Row { row, rows } => ("row {} of an input of {} rows: ask for those of the geometry's size", row, rows),
    Self::Pixels { bytes, expected } => ("{} bytes for a row: expected {}, three a pixel", bytes, expected),
    Self::Internal(_) => ("a kernel refused a row of the frame: report it"),
});

impl core::error::Error for RowsError {}

impl From<ShapeError> for RowsError {
    fn from(error: ShapeError) -> Self {
        Self::Internal(error)
    }
}

/// How much of the scratch is what, in words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Room {
    /// Sums over rows, of all planes.
    lines: usize,
    /// Sums of a component in front of each of its samples.
    sums: usize,
    /// Means of three components.
    means: usize,
    /// Rows of a band.
    band: usize,
}

/// The frame's rows and columns, and what a sum of both weighs.
#[derive(Clone, Copy, Debug)]
struct Axes {
    rows: Axis,
    columns: Axis,
    mean: Mean,
    /// Whether a sum over rows has 16 bits.
    narrow: bool,
}

impl Axes {
    fn new(geometry: &Geometry, filter: Filter) -> Result<Self, RowsError> {
        let (rows, columns) = geometry.of_frame();
        let [rows, columns] = [rows, columns].map(|along| Axis::new(filter, along.start, along.pixels, along.cells));
        let weight = u64::from(rows.total) * u64::from(columns.total);
        let fits = u32::try_from(weight).ok().filter(|weight| *weight <= MAX_WEIGHT).ok_or(RowsError::Weight { weight })?;
        Ok(Self { rows, columns, mean: Mean::new(fits), narrow: rows.total <= u32::from(u16::MAX) / 255 })
    }
}

/// A row source: makes the rows of a network's input from a frame.
///
/// Rows may be read in any order. If the frame is turned by 90 or 270 degrees, 16 rows at a time
/// are made and kept in the scratch.
///
/// ```
/// use hrvit_camera::{Filter, Format, Frame, Geometry, Kernels, Rows, Size, View};
///
/// let buffer = [128; 640 * 480 * 3 / 2];
/// let frame = Frame::packed(Format::Nv12, 640, 480, &buffer)?;
/// let geometry = Geometry::new(640, 480, View::default(), Size::new(192, 256)?)?;
/// let mut scratch = [0; 2048]; // words, of `Rows::scratch_words` or more
/// let mut rows = Rows::new(Kernels::detect(), frame, geometry, Filter::Area, &mut scratch)?;
///
/// // `hrvit_core::Engine::segment_rows` takes this closure:
/// let mut source = |y: usize, pixels: &mut [u8]| rows.read(y, pixels);
/// let mut pixels = [0; 3 * 256];
/// source(191, &mut pixels)?;
/// assert!(pixels.iter().all(|value| *value == 130)); // (128 - 16) 255/219
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct Rows<'a> {
    kernels: Kernels,
    frame: Frame<'a>,
    geometry: Geometry,
    axes: Axes,
    room: Room,
    scratch: &'a mut [u32],
    /// Number of the band in the scratch.
    band: Option<usize>,
}

impl<'a> Rows<'a> {
    /// A row source for `frame`. `kernels` are the engine's, or those of [`Kernels::detect`].
    ///
    /// # Errors
    /// [`RowsError`] if the geometry is for frames of another size, the sums are too large, or the
    /// scratch has fewer words than [`Rows::scratch_words`].
    pub fn new(kernels: Kernels, frame: Frame<'a>, geometry: Geometry, filter: Filter, scratch: &'a mut [u32]) -> Result<Self, RowsError> {
        if (frame.width(), frame.height()) != (geometry.width, geometry.height) {
            return Err(RowsError::Frame { width: frame.width(), height: frame.height() });
        }
        let axes = Axes::new(&geometry, filter)?;
        let room = Room::of(frame.format(), &geometry, &axes);
        if scratch.len() < room.words() {
            return Err(RowsError::Scratch { words: scratch.len(), expected: room.words() });
        }
        Ok(Self { kernels, frame, geometry, axes, room, scratch, band: None })
    }

    /// Words of scratch that [`Rows::new`] needs. The scratch holds a line of sums for each plane,
    /// sums along a component's line, and the means of a row. With a rotation by 90 or 270 degrees
    /// the lines are shorter, but 16 rows are kept.
    ///
    /// # Errors
    /// [`RowsError::Weight`] if the sums are too large.
    pub fn scratch_words(format: Format, geometry: &Geometry, filter: Filter) -> Result<usize, RowsError> {
        Ok(Room::of(format, geometry, &Axes::new(geometry, filter)?).words())
    }

    /// Writes row `y` of the input, `[width, 3]` RGB.
    ///
    /// # Errors
    /// [`RowsError`] if the input has no such row, or `pixels` has another length than a row.
    pub fn read(&mut self, y: usize, pixels: &mut [u8]) -> Result<(), RowsError> {
        let (height, width) = (usize::from(self.geometry.size.height), usize::from(self.geometry.size.width));
        if y >= height {
            return Err(RowsError::Row { row: y, rows: height });
        }
        if pixels.len() != 3 * width {
            return Err(RowsError::Pixels { bytes: pixels.len(), expected: 3 * width });
        }
        let (down, across) = (self.geometry.down, self.geometry.across);
        let (pixels, _) = pixels.as_chunks_mut::<3>();
        let shown = across.first..across.first + across.cells;
        let Some(row) = y.checked_sub(down.first).filter(|row| *row < down.cells) else {
            pixels.fill(self.geometry.bars);
            return Ok(());
        };
        if across.cells < pixels.len() {
            pixels.fill(self.geometry.bars);
        }
        let Some(pixels) = pixels.get_mut(shown) else { return Ok(()) };
        let row = if down.flipped { down.cells - 1 - row } else { row };
        if self.geometry.transposed {
            self.read_band(row, pixels)?;
        } else {
            let (work, _) = self.room.split(self.scratch);
            let cells = Cells { kernels: self.kernels, frame: &self.frame, axes: &self.axes };
            cells.make(row, 0..across.cells, work, pixels)?;
            if across.flipped {
                pixels.reverse();
            }
        }
        Ok(())
    }

    /// A row of cells along a column of the frame.
    fn read_band(&mut self, column: usize, pixels: &mut [[u8; 3]]) -> Result<(), RowsError> {
        let (down, across) = (self.geometry.down, self.geometry.across);
        let (mut work, band) = self.room.split(self.scratch);
        let (band, _) = bytemuck::must_cast_slice_mut::<u32, u8>(band).as_chunks_mut::<3>();
        let number = column / BAND;
        if self.band != Some(number) {
            self.band = None;
            let cells = Cells { kernels: self.kernels, frame: &self.frame, axes: &self.axes };
            let columns = number * BAND..((number + 1) * BAND).min(down.cells);
            let mut made = [[0; 3]; BAND];
            for cell in 0..across.cells {
                let Some(made) = made.get_mut(..columns.len()) else { return Ok(()) };
                cells.make(cell, columns.clone(), work.again(), made)?;
                let x = if across.flipped { across.cells - 1 - cell } else { cell };
                let places = band.get_mut(x..).unwrap_or_default().iter_mut().step_by(across.cells.max(1));
                places.zip(made).for_each(|(place, made)| *place = *made);
            }
            self.band = Some(number);
        }
        let kept = band.get(column % BAND * across.cells..).unwrap_or_default();
        pixels.iter_mut().zip(kept).for_each(|(pixel, kept)| *pixel = *kept);
        Ok(())
    }
}

/// Scratch in which cells are made.
struct Work<'w> {
    lines: &'w mut [u32],
    sums: &'w mut [u32],
    means: &'w mut [u16],
}

impl Work<'_> {
    fn again(&mut self) -> Work<'_> {
        Work { lines: self.lines, sums: self.sums, means: self.means }
    }
}

impl Room {
    fn of(format: Format, geometry: &Geometry, axes: &Axes) -> Self {
        // Columns of the frame that are made together.
        let cells = geometry.of_frame().1.cells;
        let together = if geometry.transposed { cells.min(BAND) } else { cells };
        let (mut all, mut samples) = (0, 0);
        for from in (0..cells).step_by(together.max(1)) {
            let columns = from..(from + together).min(cells);
            let of_plane = |plane: &PlaneLayout| line_groups(&axes.columns, &columns, plane).1 * plane.values;
            let planes = format.plane_layouts();
            all = all.max(planes.iter().map(of_plane).sum::<usize>());
            let of_component = |component: &Component| planes.get(component.plane).map_or(0, of_plane).div_ceil(component.step.max(1));
            samples = samples.max(format.components().iter().map(of_component).max().unwrap_or(0));
        }
        let band = if geometry.transposed { (3 * together * geometry.across.cells).div_ceil(4) } else { 0 };
        Self { lines: if axes.narrow { all.div_ceil(2) } else { all }, sums: samples + 2, means: (3 * together).div_ceil(2), band }
    }

    fn words(&self) -> usize {
        self.lines + self.sums + self.means + self.band
    }

    /// Divides a scratch of so many words; the second part is the band.
    fn split<'w>(&self, scratch: &'w mut [u32]) -> (Work<'w>, &'w mut [u32]) {
        let (lines, rest) = scratch.split_at_mut(self.lines.min(scratch.len()));
        let (sums, rest) = rest.split_at_mut(self.sums.min(rest.len()));
        let (means, band) = rest.split_at_mut(self.means.min(rest.len()));
        (Work { lines, sums, means: bytemuck::must_cast_slice_mut(means) }, band)
    }
}

/// First group of pixels of a plane that `columns` see, and their number.
fn line_groups(axis: &Axis, columns: &Range<usize>, plane: &PlaneLayout) -> (usize, usize) {
    let (first, last) = axis.reach(columns.start, columns.end, 0);
    let (first, last) = (first >> plane.columns, last >> plane.columns);
    (first, last - first + 1)
}

/// Cells as the frame has them: rows along its rows.
struct Cells<'f, 'a> {
    kernels: Kernels,
    frame: &'f Frame<'a>,
    axes: &'f Axes,
}

impl Cells<'_, '_> {
    /// Makes `columns` of row `row`.
    fn make(&self, row: usize, columns: Range<usize>, work: Work<'_>, pixels: &mut [[u8; 3]]) -> Result<(), ShapeError> {
        let Work { lines, sums, means } = work;
        let lines = if self.axes.narrow { Line::Narrow(bytemuck::must_cast_slice_mut(lines)) } else { Line::Wide(lines) };
        self.means(row, &columns, lines, sums, means)?;
        let (first, rest) = means.split_at(columns.len().min(means.len()));
        let (second, third) = rest.split_at(columns.len().min(rest.len()));
        match self.frame.format().colours() {
            Colours::Yuv => {
                let conversion = self.frame.conversion;
                for ((pixel, y), (u, v)) in pixels.iter_mut().zip(first).zip(second.iter().zip(third)) {
                    *pixel = conversion.rgb(*y, *u, *v);
                }
            }
            Colours::Rgb => {
                for ((pixel, r), (g, b)) in pixels.iter_mut().zip(first).zip(second.iter().zip(third)) {
                    *pixel = [*r, *g, *b].map(whole);
                }
            }
            Colours::Gray => pixels.iter_mut().zip(first).for_each(|(pixel, grey)| *pixel = [whole(*grey); 3]),
        }
        Ok(())
    }

    /// Means of the components, one after another.
    fn means(&self, row: usize, columns: &Range<usize>, mut lines: Line<'_>, sums: &mut [u32], means: &mut [u16]) -> Result<(), ShapeError> {
        let format = self.frame.format();
        let mut outs = means.chunks_exact_mut(columns.len().max(1));
        for (number, plane) in format.plane_layouts().iter().enumerate() {
            let (first, groups) = line_groups(&self.axes.columns, columns, plane);
            let values = groups * plane.values;
            let Some((mut line, rest)) = lines.split(values) else { return Err(ShapeError::Scratch) };
            lines = rest;
            let window = self.axes.rows.window(row, plane.rows);
            let whole = self.axes.rows.whole(plane.rows);
            let rows = lines::Rows { frame: self.frame, plane: number, first: first * plane.bytes };
            line.sum_rows(self.kernels, rows, window, whole)?;
            for component in format.components().iter().filter(|component| component.plane == number) {
                let Some(out) = outs.next() else { return Err(ShapeError::Scratch) };
                let walk = self.axes.columns.walk(columns.start, component.columns);
                let start = (walk.sample * component.step + component.first) - first * plane.values;
                column_means(self.kernels, (&line, start, component.step), walk, self.axes.mean, sums, out)?;
            }
        }
        Ok(())
    }
}
