//! Sums over rows: one line of samples for each plane, each value the weighted sum of the camera's rows that a row of cells sees.

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
#[inline(never)]
pub(crate) fn sum_rows<S: Sum>(rows: Rows<'_, '_>, window: Window, whole: u32, line: &mut [S]) {
    let [of_head, whole, of_tail] = [window.head, whole, window.tail].map(S::weight);
    let (bytes, stride) = rows.frame.rows_from(rows.plane, window.first, rows.first);
    for (at, line) in line.chunks_mut(BLOCK).enumerate() {
        // Where the block begins in each row; the last of them may end with the frame.
        let mut rows = bytes.get(at * BLOCK..).unwrap_or_default().chunks(stride).map(|row| row.get(..line.len()).unwrap_or_default());
        let head = rows.next().unwrap_or_default();
        let inner = rows.by_ref().take(window.inner);
        let mut sums = [S::zeroed(); BLOCK];
        match head.first_chunk::<BLOCK>() {
            Some(head) => sum_block(head, inner, [of_head, whole], &mut sums),
            None => {
                add_row(head, of_head, &mut sums);
                inner.for_each(|row| add_row(row, whole, &mut sums));
            }
        }
        if let (true, Some(tail)) = (window.tail > 0, rows.next()) {
            add_row(tail, of_tail, &mut sums);
        }
        line.copy_from_slice(sums.get(..line.len()).unwrap_or_default());
    }
}

/// A whole block of the head and the rows within.
#[inline(always)]
fn sum_block<'a, S: Sum>(head: &[u8; BLOCK], inner: impl Iterator<Item = &'a [u8]>, [of_head, whole]: [S; 2], sums: &mut [S; BLOCK]) {
    let mut plain = [S::zeroed(); BLOCK];
    for row in inner.filter_map(<[u8]>::first_chunk::<BLOCK>) {
        for (sum, byte) in plain.iter_mut().zip(row) {
            *sum = sum.plus(S::weight(1), S::from(*byte));
        }
    }
    for ((sum, plain), byte) in sums.iter_mut().zip(&plain).zip(head) {
        *sum = S::zeroed().plus(whole, *plain).plus(of_head, S::from(*byte));
    }
}

/// Adds one row.
#[inline(always)]
fn add_row<S: Sum>(row: &[u8], weight: S, sums: &mut [S; BLOCK]) {
    match row.first_chunk::<BLOCK>() {
        Some(row) => sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum = sum.plus(weight, S::from(*byte))),
        None => sums.iter_mut().zip(row).for_each(|(sum, byte)| *sum = sum.plus(weight, S::from(*byte))),
    }
}

/// [`sum_rows`] of pixels of 16 bits: three values each, red, green and blue as bytes.
#[inline(never)]
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
