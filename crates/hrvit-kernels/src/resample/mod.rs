//! Resizing of 8-bit planes by exact sums: weighted rows first, then means of what each cell of the
//! columns covers.

#[cfg(target_arch = "x86_64")]
mod avx2;
mod scalar;

pub use scalar::rgb565;

use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Rows of bytes and their weights: `head` for the first, `whole` for each of the next `inner`,
/// `tail` for the last one, which there is none of where it is 0.
#[derive(Clone, Copy, Debug)]
pub struct WeightedRows<'a> {
    /// The rows from the first one's first byte on; a row that ends early counts as 0 beyond.
    pub bytes: &'a [u8],
    /// Bytes from one row to the next, 1 or more.
    pub stride: usize,
    /// Rows between the first and the last.
    pub inner: usize,
    /// Weight of the first row.
    pub head: u32,
    /// Weight of a row between.
    pub whole: u32,
    /// Weight of the last row.
    pub tail: u32,
}

/// Cells of equal width along samples: cell `c` covers `[part + c s, part + (c + 1) s)` with
/// `s = whole * step_whole + step_part`, sample `i` `[i * whole, (i + 1) * whole)`.
#[derive(Clone, Copy, Debug)]
pub struct Cells {
    /// Values from one sample to the next: 1 to 4.
    pub step: usize,
    /// Width of a sample, below 2^31.
    pub whole: u32,
    /// Start of the first cell in the first sample, below `whole`.
    pub part: u32,
    /// Whole samples of a cell, below 2^31.
    pub step_whole: usize,
    /// Rest of a cell, below `whole`.
    pub step_part: u32,
    /// Factor of the mean.
    pub reciprocal: u32,
    /// Bits of the mean that are rounded away, 1 to 62.
    pub shift: u32,
}

impl Kernels {
    /// `out[i] = sum over rows of weight * byte i`, sums below 2^16; beyond it they wrap.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if the stride is 0.
    pub fn sum_rows_u16(self, rows: &WeightedRows<'_>, out: &mut [u16]) -> Result<(), ShapeError> {
        require(rows.stride != 0, ShapeError::Parameter)?;
        sum_rows_u16_on(self.tier, rows, out);
        Ok(())
    }

    /// [`Kernels::sum_rows_u16`] with sums below 2^32.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if the stride is 0.
    pub fn sum_rows_u32(self, rows: &WeightedRows<'_>, out: &mut [u32]) -> Result<(), ShapeError> {
        require(rows.stride != 0, ShapeError::Parameter)?;
        sum_rows_u32_on(self.tier, rows, out);
        Ok(())
    }

    /// [`Kernels::sum_rows_u16`] of pixels of 16 bits, the lower byte first: 5 bits of red from the
    /// highest, 6 of green, 5 of blue. `out` has three sums for each pixel, of the nearest bytes:
    /// `value * 255 / 31`, of green `value * 255 / 63`.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if the stride is 0 or `out` holds a part of a pixel.
    pub fn sum_rows_565_u16(self, rows: &WeightedRows<'_>, out: &mut [u16]) -> Result<(), ShapeError> {
        require(rows.stride != 0, ShapeError::Parameter)?;
        require(out.len().is_multiple_of(3), ShapeError::Parameter)?;
        sum_rows_565_u16_on(self.tier, rows, out);
        Ok(())
    }

    /// [`Kernels::sum_rows_565_u16`] with sums below 2^32.
    ///
    /// # Errors
    /// As [`Kernels::sum_rows_565_u16`].
    pub fn sum_rows_565_u32(self, rows: &WeightedRows<'_>, out: &mut [u32]) -> Result<(), ShapeError> {
        require(rows.stride != 0, ShapeError::Parameter)?;
        require(out.len().is_multiple_of(3), ShapeError::Parameter)?;
        sum_rows_565_u32_on(self.tier, rows, out);
        Ok(())
    }

    /// `out[c] = (sum over samples of width * value) * reciprocal + 2^(shift - 1) >> shift`, the
    /// width being what cell `c` and the sample have in common; cells end at the last sample or in
    /// front of it. Sums are below 2^32, results below 2^16.
    ///
    /// Sample `i` is `line[i * step]`. `sums` is scratch of two words more than there are samples:
    /// each sample's sum of all in front of it.
    ///
    /// # Errors
    /// [`ShapeError`] if a parameter is outside its range or the scratch is too short.
    pub fn area_means_u16(self, line: &[u16], cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError> {
        area_means_u16_on(self.tier, line, &cells, cells.check(line.len(), sums)?, out);
        Ok(())
    }

    /// [`Kernels::area_means_u16`] of values of 32 bits.
    ///
    /// # Errors
    /// [`ShapeError`] if a parameter is outside its range or the scratch is too short.
    pub fn area_means_u32(self, line: &[u32], cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError> {
        area_means_u32_on(self.tier, line, &cells, cells.check(line.len(), sums)?, out);
        Ok(())
    }
}

impl Cells {
    /// The scratch that a line of so many values needs.
    fn check<'s>(&self, values: usize, sums: &'s mut [u32]) -> Result<&'s mut [u32], ShapeError> {
        require((1..=4).contains(&self.step), ShapeError::Parameter)?;
        require(self.whole < 1 << 31 && self.part < self.whole && self.step_part < self.whole, ShapeError::Parameter)?;
        require(self.step_whole < 1 << 31 && (1..=62).contains(&self.shift), ShapeError::Parameter)?;
        let samples = values.div_ceil(self.step);
        sums.get_mut(..samples.saturating_add(2)).ok_or(ShapeError::Scratch)
    }
}

backends! {
    { Avx2.. => avx2 }
    chosen;
    fn sum_rows_u16_on as sum_rows_u16(rows: &WeightedRows<'_>, out: &mut [u16]);
    fn sum_rows_u32_on as sum_rows_u32(rows: &WeightedRows<'_>, out: &mut [u32]);
    fn sum_rows_565_u16_on as sum_rows_565_u16(rows: &WeightedRows<'_>, out: &mut [u16]);
    fn sum_rows_565_u32_on as sum_rows_565_u32(rows: &WeightedRows<'_>, out: &mut [u32]);
    fn area_means_u16_on as area_means_u16(line: &[u16], cells: &Cells, sums: &mut [u32], out: &mut [u16]);
    fn area_means_u32_on as area_means_u32(line: &[u32], cells: &Cells, sums: &mut [u32], out: &mut [u16]);
}
