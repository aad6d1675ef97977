//! Sums over rows: one line of samples for each plane, each value the weighted sum of the camera's rows that a row of cells sees.

use hrvit_kernels::resample::{Cells, WeightedRows};
use hrvit_kernels::{Kernels, ShapeError};

use crate::filter::Window;
use crate::frame::Frame;

/// Values that are summed at once, in registers where there are enough.
const BLOCK: usize = 64;

/// A sum of weighted bytes.
pub(crate) trait Sum: bytemuck::Pod + Into<u32> + From<u8> {
    /// From a weight that fits.
    fn weight(weight: u32) -> Self;

    /// `self + weight * value`, in range by the choice of the type.
    #[must_use]
    fn plus(self, weight: Self, value: Self) -> Self;

    /// The kernel that sums rows.
    fn sum_rows(kernels: Kernels, rows: &WeightedRows<'_>, line: &mut [Self]) -> Result<(), ShapeError>;

    /// The kernel that makes means of adjoining cells.
    fn area_means(kernels: Kernels, line: &[Self], cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError>;
}

impl Sum for u16 {
    #[inline(always)]
    fn weight(weight: u32) -> Self {
        weight as u16
    }

    #[inline(always)]
    fn plus(self, weight: Self, value: Self) -> Self {
        self.wrapping_add(weight.wrapping_mul(value))
    }

    fn sum_rows(kernels: Kernels, rows: &WeightedRows<'_>, line: &mut [Self]) -> Result<(), ShapeError> {
        kernels.sum_rows_u16(rows, line)
    }

    fn area_means(kernels: Kernels, line: &[Self], cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError> {
        kernels.area_means_u16(line, cells, sums, out)
    }
}

impl Sum for u32 {
    #[inline(always)]
    fn weight(weight: u32) -> Self {
        weight
    }

    #[inline(always)]
    fn plus(self, weight: Self, value: Self) -> Self {
        self.wrapping_add(weight.wrapping_mul(value))
    }

    fn sum_rows(kernels: Kernels, rows: &WeightedRows<'_>, line: &mut [Self]) -> Result<(), ShapeError> {
        kernels.sum_rows_u32(rows, line)
    }

    fn area_means(kernels: Kernels, line: &[Self], cells: Cells, sums: &mut [u32], out: &mut [u16]) -> Result<(), ShapeError> {
        kernels.area_means_u32(line, cells, sums, out)
    }
}

/// Rows of one plane, from a byte on.
#[derive(Clone, Copy)]
pub(crate) struct Rows<'f, 'a> {
    pub(crate) frame: &'f Frame<'a>,
    pub(crate) plane: usize,
    /// First byte of each row.
    pub(crate) first: usize,
}

/// `line[i] = sum over rows of weight * byte i`. `whole` is the weight of an inner row.
pub(crate) fn sum_rows<S: Sum>(kernels: Kernels, rows: Rows<'_, '_>, window: Window, whole: u32, line: &mut [S]) -> Result<(), ShapeError> {
    let (bytes, stride) = rows.frame.rows_from(rows.plane, window.first, rows.first);
    let rows = WeightedRows { bytes, stride, inner: window.inner, head: window.head, whole, tail: window.tail };
    S::sum_rows(kernels, &rows, line)
}

/// [`sum_rows`] of pixels of 16 bits: three values each, red, green and blue as bytes.
pub(crate) fn sum_rows_565<S: Sum>(rows: Rows<'_, '_>, window: Window, whole: u32, line: &mut [S]) {
    let (pixels, _) = line.as_chunks_mut::<3>();
    let (bytes, stride) = rows.frame.rows_from(rows.plane, window.first, rows.first);
    let count = window.inner + 1 + usize::from(window.tail > 0);
    for (at, pixels) in pixels.chunks_mut(BLOCK).enumerate() {
        let mut sums = [[S::zeroed(); BLOCK]; 3];
        for (number, row) in bytes.get(2 * BLOCK * at..).unwrap_or_default().chunks(stride).take(count).enumerate() {
            let weight = S::weight(match number {
                0 => window.head,
                number if number > window.inner => window.tail,
                _ => whole,
            });
            let (row, _) = row.as_chunks::<2>();
            match row.first_chunk::<BLOCK>() {
                Some(row) => add_row_565(row, weight, &mut sums),
                None => add_row_565(row, weight, &mut sums),
            }
        }
        let [red, green, blue] = &sums;
        for ((pixel, red), (green, blue)) in pixels.iter_mut().zip(red).zip(green.iter().zip(blue)) {
            *pixel = [*red, *green, *blue];
        }
    }
}

/// Adds one row, each colour to its own sums.
#[inline(always)]
fn add_row_565<S: Sum>(row: &[[u8; 2]], weight: S, [red, green, blue]: &mut [[S; BLOCK]; 3]) {
    for ((pixel, red), (green, blue)) in row.iter().zip(red).zip(green.iter_mut().zip(blue)) {
        let [r, g, b] = expand_565(u16::from_le_bytes(*pixel));
        *red = red.plus(weight, S::from(r));
        *green = green.plus(weight, S::from(g));
        *blue = blue.plus(weight, S::from(b));
    }
}

/// The nearest bytes: `value * 255 / 31`, of green `value * 255 / 63`.
#[inline(always)]
fn expand_565(pixel: u16) -> [u8; 3] {
    let five = |value: u16| ((value * 527 + 23) >> 6) as u8;
    let six = |value: u16| ((value * 259 + 33) >> 6) as u8;
    [five(pixel >> 11), six((pixel >> 5) & 63), five(pixel & 31)]
}

#[cfg(test)]
mod tests {
    use super::expand_565;

    #[test]
    fn colours_of_5_and_6_bits_are_the_nearest_bytes() {
        for pixel in 0..=u16::MAX {
            let nearest = |value: u16, most: f64| (f64::from(value) * 255.0 / most).round() as u8;
            assert_eq!(expand_565(pixel), [nearest(pixel >> 11, 31.0), nearest(pixel >> 5 & 63, 63.0), nearest(pixel & 31, 31.0)]);
        }
    }
}
