//! A frame's own pixels, without resizing.

use hrvit_kernels::resample::rgb565;

use crate::colour::FRACTION;
use crate::format::{Colours, Component, Format};
use crate::frame::{Frame, FrameError};

impl Frame<'_> {
    /// Writes row `y` of the frame, `[width, 3]` RGB, without resizing. It equals the row of
    /// [`Rows`](crate::Rows) for an input of the frame's size. Use it for pictures of whole frames,
    /// and `Rows` for an engine's input.
    ///
    /// ```
    /// use hrvit_camera::{Format, Frame};
    /// let frame = Frame::packed(Format::Yuyv, 2, 1, &[81, 90, 81, 240])?;
    /// let mut row = [0; 6];
    /// frame.row(0, &mut row)?;
    /// assert_eq!(row, [254, 0, 0, 254, 0, 0]);
    /// # Ok::<(), hrvit_camera::FrameError>(())
    /// ```
    ///
    /// # Errors
    /// [`FrameError::Row`] if the frame has no such row, [`FrameError::Pixels`] if `pixels` has
    /// another length than a row.
    pub fn row(&self, y: usize, pixels: &mut [u8]) -> Result<(), FrameError> {
        if y >= self.height() {
            return Err(FrameError::Row { row: y, rows: self.height() });
        }
        let expected = 3 * self.width();
        if pixels.len() != expected {
            return Err(FrameError::Pixels { bytes: pixels.len(), expected });
        }
        let (pixels, _) = pixels.as_chunks_mut::<3>();
        if self.format() == Format::Rgb565 {
            let (row, _) = self.line(0, y).as_chunks::<2>();
            pixels.iter_mut().zip(row).for_each(|(pixel, bytes)| *pixel = rgb565(u16::from_le_bytes(*bytes)));
            return Ok(());
        }
        let lines = self.format().components().iter().map(|component| Line { bytes: self.line(component.plane, y), component });
        let mut all = [const { None }; 3];
        all.iter_mut().zip(lines).for_each(|(own, line)| *own = Some(line));
        let [Some(first), second, third] = &all else { return Ok(()) };
        let (Some(second), Some(third)) = (second, third) else {
            // Grey.
            pixels.iter_mut().enumerate().for_each(|(x, pixel)| *pixel = [first.at(x); 3]);
            return Ok(());
        };
        let yuv = self.format().colours() == Colours::Yuv;
        for (x, pixel) in pixels.iter_mut().enumerate() {
            let values = [first.at(x), second.at(x), third.at(x)];
            let [y, u, v] = values.map(|value| u16::from(value) << FRACTION);
            *pixel = if yuv { self.conversion.rgb(y, u, v) } else { values };
        }
        Ok(())
    }

    /// The line of a plane that holds row `y` of the frame.
    fn line(&self, plane: usize, y: usize) -> &[u8] {
        let shift = self.format().plane_layouts().get(plane).map_or(0, |plane| plane.rows);
        let (bytes, _) = self.rows_from(plane, y >> shift, 0);
        bytes
    }
}

/// Values of a component along a line.
struct Line<'f> {
    bytes: &'f [u8],
    component: &'static Component,
}

impl Line<'_> {
    fn at(&self, x: usize) -> u8 {
        let Component { step, first, columns, .. } = *self.component;
        self.bytes.get((x >> columns) * step + first).copied().unwrap_or(0)
    }
}
