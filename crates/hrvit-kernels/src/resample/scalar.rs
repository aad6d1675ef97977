//! Definition of the sums. Lengths and parameters were checked by the callers.

use super::{Cells, WeightedRows};

/// Values that are summed at once, in registers where there are enough.
const BLOCK: usize = 64;

/// A sum of weighted bytes.
pub(super) trait Sum: Copy + Default + From<u8> + Into<u32> {
    /// A weight.
    fn weight(weight: u32) -> Self;

    /// `self + weight * value`.
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

/// See [`Kernels::sum_rows_u16`](crate::Kernels::sum_rows_u16).
#[inline(always)]
pub(super) fn sum_rows_u16(rows: &WeightedRows<'_>, out: &mut [u16]) {
    sum_rows(rows, out);
}

/// See [`Kernels::sum_rows_u32`](crate::Kernels::sum_rows_u32).
#[inline(always)]
pub(super) fn sum_rows_u32(rows: &WeightedRows<'_>, out: &mut [u32]) {
    sum_rows(rows, out);
}

/// See [`Kernels::sum_rows_565_u16`](crate::Kernels::sum_rows_565_u16).
#[inline(always)]
pub(super) fn sum_rows_565_u16(rows: &WeightedRows<'_>, out: &mut [u16]) {
    sum_rows_565(rows, out);
}

/// See [`Kernels::sum_rows_565_u32`](crate::Kernels::sum_rows_565_u32).
#[inline(always)]
pub(super) fn sum_rows_565_u32(rows: &WeightedRows<'_>, out: &mut [u32]) {
    sum_rows_565(rows, out);
}

/// See [`Kernels::area_means_u16`](crate::Kernels::area_means_u16).
#[inline(always)]
pub(super) fn area_means_u16(line: &[u16], cells: &Cells, sums: &mut [u32], out: &mut [u16]) {
    area_means(line, cells, sums, out);
}

/// See [`Kernels::area_means_u32`](crate::Kernels::area_means_u32).
#[inline(always)]
pub(super) fn area_means_u32(line: &[u32], cells: &Cells, sums: &mut [u32], out: &mut [u16]) {
    area_means(line, cells, sums, out);
}

/// A block of columns of all rows after the other.
#[inline(always)]
fn sum_rows<S: Sum>(rows: &WeightedRows<'_>, out: &mut [S]) {
    let WeightedRows { bytes, stride, inner, head, whole, tail } = *rows;
    let [of_head, whole, of_tail] = [head, whole, tail].map(S::weight);
    for (at, out) in out.chunks_mut(BLOCK).enumerate() {
        let from = bytes.get(at.saturating_mul(BLOCK)..).unwrap_or_default();
        let mut rows = from.chunks(stride.max(1)).map(|row| row.get(..out.len()).unwrap_or(row));
        let head = rows.next().unwrap_or_default();
        let inner = rows.by_ref().take(inner);
        let mut sums = [S::default(); BLOCK];
        match head.first_chunk::<BLOCK>() {
            Some(head) => {
                // All inner rows weigh the same: they are multiplied once.
                for row in inner {
                    add_row(row, S::weight(1), &mut sums);
                }
                for (sum, byte) in sums.iter_mut().zip(head) {
                    *sum = S::default().plus(whole, *sum).plus(of_head, S::from(*byte));
                }
            }
            None => {
                add_row(head, of_head, &mut sums);
                inner.for_each(|row| add_row(row, whole, &mut sums));
            }
        }
        if let (true, Some(row)) = (tail != 0, rows.next()) {
            add_row(row, of_tail, &mut sums);
        }
        out.iter_mut().zip(sums).for_each(|(out, sum)| *out = sum);
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

/// A block of pixels of all rows after the other, each colour in sums of its own.
#[inline(always)]
fn sum_rows_565<S: Sum>(rows: &WeightedRows<'_>, out: &mut [S]) {
    let WeightedRows { bytes, stride, inner, head, whole, tail } = *rows;
    let count = inner.saturating_add(1).saturating_add(usize::from(tail != 0));
    let (pixels, _) = out.as_chunks_mut::<3>();
    for (at, pixels) in pixels.chunks_mut(BLOCK).enumerate() {
        let from = bytes.get(at.saturating_mul(2 * BLOCK)..).unwrap_or_default();
        let mut sums = [[S::default(); BLOCK]; 3];
        for (number, row) in from.chunks(stride.max(1)).take(count).enumerate() {
            let weight = S::weight(match number {
                0 => head,
                number if number > inner => tail,
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
        let [r, g, b] = rgb565(u16::from_le_bytes(*pixel));
        *red = red.plus(weight, S::from(r));
        *green = green.plus(weight, S::from(g));
        *blue = blue.plus(weight, S::from(b));
    }
}

/// Red, green and blue of a pixel of 16 bits: 5 bits of red from the highest, 6 of green, 5 of
/// blue. The nearest bytes: `value * 255 / 31`, of green `value * 255 / 63`.
#[inline(always)]
pub fn rgb565(pixel: u16) -> [u8; 3] {
    let five = |value: u16| ((value * 527 + 23) >> 6) as u8;
    let six = |value: u16| ((value * 259 + 33) >> 6) as u8;
    [five(pixel >> 11), six((pixel >> 5) & 63), five(pixel & 31)]
}

/// A cell is the difference of the sums up to its end and its beginning.
#[inline(always)]
fn area_means<S: Sum>(line: &[S], cells: &Cells, sums: &mut [u32], out: &mut [u16]) {
    sum_up_by(line, cells.step, 0, 0, sums);
    means(cells, sums, 0, out);
}

/// Stores from sample `first` on the sum of all samples in front of each, `sum` being the first
/// one's; behind the last sample nothing is added.
#[inline(always)]
fn sum_up<S: Sum, const STEP: usize>(line: &[S], first: usize, mut sum: u32, sums: &mut [u32]) {
    let (samples, last) = line.get(first * STEP..).unwrap_or_default().as_chunks::<STEP>();
    let sums = sums.get_mut(first..).unwrap_or_default();
    let (before, behind) = sums.split_at_mut(samples.len().min(sums.len()));
    for (before, values) in before.iter_mut().zip(samples) {
        *before = sum;
        sum = sum.wrapping_add(values.first().map_or(0, |value| (*value).into()));
    }
    // The last sample may have no values of others behind it.
    let mut last = last.first().map_or(0, |value| (*value).into());
    for before in behind {
        *before = sum;
        sum = sum.wrapping_add(core::mem::take(&mut last));
    }
}

/// [`sum_up`] by the number of values from one sample to the next.
#[inline(always)]
pub(super) fn sum_up_by<S: Sum>(line: &[S], step: usize, first: usize, sum: u32, sums: &mut [u32]) {
    match step {
        1 => sum_up::<S, 1>(line, first, sum, sums),
        2 => sum_up::<S, 2>(line, first, sum, sums),
        3 => sum_up::<S, 3>(line, first, sum, sums),
        _ => sum_up::<S, 4>(line, first, sum, sums),
    }
}

/// The means of the cells from `first` on.
#[inline(always)]
pub(super) fn means(cells: &Cells, sums: &[u32], first: usize, out: &mut [u16]) {
    let Cells { whole, part, step_whole, step_part, reciprocal, shift, .. } = *cells;
    // Begin of cell `first`.
    let begin = u64::from(part) + first as u64 * (u64::from(whole) * step_whole as u64 + u64::from(step_part));
    let (mut sample, mut part) = ((begin / u64::from(whole.max(1))) as usize, (begin % u64::from(whole.max(1))) as u32);
    let up_to = |sample: usize, part: u32| match (sums.get(sample), sums.get(sample.wrapping_add(1))) {
        (Some(before), Some(with)) => before.wrapping_mul(whole).wrapping_add(part.wrapping_mul(with.wrapping_sub(*before))),
        _ => 0,
    };
    let mut before = up_to(sample, part);
    for out in out.iter_mut().skip(first) {
        (sample, part) = (sample.wrapping_add(step_whole), part + step_part);
        if part >= whole {
            (sample, part) = (sample.wrapping_add(1), part - whole);
        }
        let end = up_to(sample, part);
        let sum = u64::from(end.wrapping_sub(before));
        *out = ((sum * u64::from(reciprocal)).wrapping_add(1 << (shift - 1)) >> shift) as u16;
        before = end;
    }
}

#[cfg(test)]
mod tests {
    use super::rgb565;

    #[test]
    fn colours_of_5_and_6_bits_are_the_nearest_bytes() {
        for pixel in 0..=u16::MAX {
            let nearest = |value: u16, most: f64| (f64::from(value) * 255.0 / most).round() as u8;
            assert_eq!(rgb565(pixel), [nearest(pixel >> 11, 31.0), nearest(pixel >> 5 & 63, 63.0), nearest(pixel & 31, 31.0)]);
        }
    }
}
