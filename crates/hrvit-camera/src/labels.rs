//! Maps of the input brought back to the frame's pixels.

use hrvit_format::sentences;

use crate::geometry::{Along, Geometry};

/// Why a map cannot be brought back to the frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum LabelsError {
    /// The map has not as many values as the input has pixels.
    Map {
        /// Values that were given.
        values: usize,
        /// Pixels of the input.
        expected: usize,
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
        /// Values that were given.
        values: usize,
        /// Pixels of a row.
        expected: usize,
    },
}

sentences!(LabelsError {
    Self::Map { values, expected } => ("a map of {} values: expected {}, one for each pixel of the input", values, expected),
    Self::Row { row, rows } => ("row {} of a frame of {} rows: ask for those of the geometry's frame", row, rows),
    Self::Pixels { values, expected } => ("{} values for a row of the frame: expected {}", values, expected),
});

impl core::error::Error for LabelsError {}

impl Geometry {
    /// Writes row `y` of the frame, `[width]`, from a map of the input, `[height, width]` labels or
    /// margins. Each pixel gets the value of the input's pixel that contains its centre, or
    /// `outside` if the input does not show it.
    ///
    /// ```
    /// use hrvit_camera::{Geometry, Region, View};
    /// use hrvit_format::Size;
    /// let region = Some(Region { y: 0, x: 1, height: 4, width: 4 });
    /// let view = View { region, ..View::default() };
    /// let geometry = Geometry::new(6, 4, view, Size { height: 2, width: 2 })?;
    /// let mut row = [0; 6];
    /// geometry.frame_row(&[1, 2, 3, 4], 3, 255, &mut row)?;
    /// assert_eq!(row, [255, 3, 3, 4, 4, 255]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`LabelsError`] if the map, the row or its number does not fit this geometry.
    pub fn frame_row(&self, map: &[u8], y: usize, outside: u8, row: &mut [u8]) -> Result<(), LabelsError> {
        self.check_map(map)?;
        if y >= self.height {
            return Err(LabelsError::Row { row: y, rows: self.height });
        }
        if row.len() != self.width {
            return Err(LabelsError::Pixels { values: row.len(), expected: self.width });
        }
        for (value, place) in row.iter_mut().zip(self.places(y)) {
            *value = place.and_then(|at| map.get(at)).copied().unwrap_or(outside);
        }
        Ok(())
    }

    /// Whether a map is the input's.
    pub(crate) fn check_map(&self, map: &[u8]) -> Result<(), LabelsError> {
        let expected = self.size.pixels();
        if map.len() == expected { Ok(()) } else { Err(LabelsError::Map { values: map.len(), expected }) }
    }

    /// Places in a map of the pixels of row `y` of the frame, from left to right.
    pub(crate) fn places(&self, y: usize) -> Places {
        let (rows, columns) = self.of_frame();
        let width = usize::from(self.size.width);
        let nothing = Places { hidden: self.width, shown: 0, after: 0, base: 0, stride: 0, steps: Steps::new(columns) };
        let Some(cell) = rows.cell(y) else { return nothing };
        let (base, stride) = if self.transposed { (cell, width) } else { (cell * width, 1) };
        let after = self.width - columns.start - columns.pixels;
        Places { hidden: columns.start, shown: columns.pixels, after, base: base + columns.first * stride, stride, ..nothing }
    }
}

/// Places of a row's pixels in a map; none where the input does not show them.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    hidden: usize,
    shown: usize,
    after: usize,
    base: usize,
    stride: usize,
    steps: Steps,
}

impl Iterator for Places {
    type Item = Option<usize>;

    #[inline]
    fn next(&mut self) -> Option<Option<usize>> {
        if let Some(left) = self.hidden.checked_sub(1) {
            self.hidden = left;
            return Some(None);
        }
        let left = self.shown.checked_sub(1)?;
        self.shown = left;
        if left == 0 {
            // The rest is hidden.
            self.hidden = core::mem::take(&mut self.after);
        }
        Some(Some(self.base + self.steps.next() * self.stride))
    }
}

/// Cells of consecutive pixels: `((2 i + 1) cells) / (2 pixels)` without a division each.
#[derive(Clone, Debug)]
struct Steps {
    cell: usize,
    rest: usize,
    /// From one pixel to the next, in cells and in parts of one.
    whole: usize,
    part: usize,
    divisor: usize,
    flipped: bool,
}

impl Steps {
    fn new(along: &Along) -> Self {
        let divisor = (2 * along.pixels).max(1);
        let first = if along.flipped { along.pixels.saturating_sub(1) } else { 0 };
        let at = (2 * first + 1) * along.cells;
        let step = 2 * along.cells;
        Self { cell: at / divisor, rest: at % divisor, whole: step / divisor, part: step % divisor, divisor, flipped: along.flipped }
    }

    /// The cell of this pixel; goes on to the next.
    #[inline]
    fn next(&mut self) -> usize {
        let cell = self.cell;
        if self.flipped {
            let borrowed = self.rest < self.part;
            self.rest = if borrowed { self.rest + self.divisor } else { self.rest } - self.part;
            // Behind the last pixel there is none.
            self.cell = cell.saturating_sub(self.whole + usize::from(borrowed));
        } else {
            self.rest += self.part;
            let carried = self.rest >= self.divisor;
            self.rest -= if carried { self.divisor } else { 0 };
            self.cell = cell + self.whole + usize::from(carried);
        }
        cell
    }
}
