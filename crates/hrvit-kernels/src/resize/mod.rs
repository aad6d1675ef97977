//! Bilinear resizing by 1, 2, 4 or 8 (`align_corners = false`), exact: the weights are integers out
//! of `2 * factor` per axis.

pub(crate) mod argmax;
pub(crate) mod bilinear;

#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

use core::ops::Range;

use crate::error::{ShapeError, require};

/// Largest factor.
const MAX_FACTOR: usize = 8;

/// Largest shift of a margin: the bits of a difference, less one.
const MAX_SHIFT: u8 = 31;

/// The code of a margin: `min(255, (largest - second) >> shift)`.
///
/// Both are mixes of four 16-bit values with weights that sum to `(2 * factor)^2 <= 2^8`: their
/// difference is below 2^24.
#[inline(always)]
fn margin(largest: i32, second: i32, shift: u32) -> u8 {
    (largest.wrapping_sub(second) as u32).wrapping_shr(shift).min(u8::MAX.into()) as u8
}

/// Which two source positions an output position mixes, and their weights, which sum to
/// `2 * factor`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Phase {
    /// Source position at or before (upper row, left column).
    pub near: usize,
    /// Source position after, `near` again at the far edge.
    pub far: usize,
    /// Weight of `near`.
    pub near_weight: i32,
    /// Weight of `far`.
    pub far_weight: i32,
}

/// Phase of output position `position` (below `factor * len`) of an axis of `len` source positions:
/// the source coordinate `(position + 1/2) / factor - 1/2`, not below 0, with edges repeated.
/// `factor` is 1, 2, 4 or 8.
pub fn phase(position: usize, factor: usize, len: usize) -> Phase {
    let bits = factor.clamp(1, MAX_FACTOR).ilog2() + 1;
    let unit = 1usize << bits;
    // The source coordinate in units of 1 / (2 * factor).
    let coordinate = (2 * position + 1).saturating_sub(unit / 2);
    let last = len.saturating_sub(1);
    let near = (coordinate >> bits).min(last);
    let far_weight = (coordinate & (unit - 1)) as i32;
    Phase { near, far: (near + 1).min(last), near_weight: unit as i32 - far_weight, far_weight }
}

/// Output columns that mix the same two source columns: from the middle of one to that of the next.
pub(crate) struct Segment {
    /// Source column at or before.
    pub(crate) near: usize,
    /// Source column after.
    pub(crate) far: usize,
    /// Weight of `far` at the first of them, out of `2 * factor`; it grows by 2 from one to the
    /// next.
    pub(crate) far_weight: i32,
    /// The output columns.
    pub(crate) outputs: Range<usize>,
}

/// Segment `i` of the `0..=columns` of a row of `columns` source columns (1 or more) resized by
/// `factor`, as far as it lies in `outputs`. It has the [`phase`] of each column. `None` where it
/// has none of `outputs`.
#[inline(always)]
pub(crate) fn segment(i: usize, columns: usize, factor: usize, outputs: &Range<usize>) -> Option<Segment> {
    let half = factor / 2;
    // Segment 0 lies in front of the middle of the first column and mixes nothing; without a factor
    // every segment is one column.
    let (near, far_weight, start) = match i.checked_sub(1) {
        None => (0, 0, 0),
        Some(near) => (near, i32::from(factor != 1), half + near * factor),
    };
    let end = half + i * factor;
    let (first, last) = (start.max(outputs.start), end.min(outputs.end));
    let far = if i == 0 { 0 } else { i.min(columns - 1) };
    (first < last).then_some(Segment { near, far, far_weight: far_weight + 2 * (first - start) as i32, outputs: first..last })
}

/// One output row between two source rows of `[columns, channels]`.
pub(crate) struct Rows<'a, T = i16> {
    pub(crate) upper: &'a [T],
    pub(crate) lower: &'a [T],
    pub(crate) upper_weight: i32,
    pub(crate) lower_weight: i32,
    pub(crate) channels: usize,
    pub(crate) factor: usize,
}

/// The four source tokens of one output token, each with its weight out of `(2 * factor)^2`.
pub(crate) type Corners<'a, T> = [(&'a [T], i32); 4];

impl<'a, T> Rows<'a, T> {
    /// Source columns; checks that both rows are whole tokens and the vertical weights those of a
    /// phase.
    fn columns(&self) -> Result<usize, ShapeError> {
        require(self.channels != 0 && matches!(self.factor, 1 | 2 | 4 | 8), ShapeError::Parameter)?;
        let unit = 2 * self.factor as i32;
        require((0..=unit).contains(&self.upper_weight) && self.lower_weight == unit - self.upper_weight, ShapeError::Parameter)?;
        require(self.upper.len() == self.lower.len() && self.upper.len().is_multiple_of(self.channels), ShapeError::Input)?;
        Ok(self.upper.len() / self.channels)
    }

    /// [`Rows::columns`] where the output columns from `first` on are added to `acc` elements.
    pub(crate) fn columns_for_sum(&self, first: usize, acc: usize) -> Result<usize, ShapeError> {
        let columns = self.columns()?;
        require(acc.is_multiple_of(self.channels), ShapeError::Output)?;
        let end = (acc / self.channels).checked_add(first).ok_or(ShapeError::Parameter)?;
        require(columns.checked_mul(self.factor).is_some_and(|all| end <= all), ShapeError::Output)?;
        Ok(columns)
    }

    /// [`Rows::columns`] where the channels are classes, at most 256, and all output columns become
    /// labels.
    pub(crate) fn columns_for_labels(&self, labels: usize) -> Result<usize, ShapeError> {
        let columns = self.columns()?;
        require(self.channels <= 256, ShapeError::Parameter)?;
        require(columns.checked_mul(self.factor) == Some(labels), ShapeError::Output)?;
        Ok(columns)
    }

    /// [`Rows::columns_for_labels`] where margins, whose shift is `k`, lie beside the labels.
    pub(crate) fn columns_for_margins(&self, labels: usize, k: u8, margins: usize) -> Result<usize, ShapeError> {
        let columns = self.columns_for_labels(labels)?;
        require(k <= MAX_SHIFT, ShapeError::Parameter)?;
        require(margins == labels, ShapeError::Output)?;
        Ok(columns)
    }

    /// Both source tokens of column `column`, upper and lower.
    #[inline(always)]
    pub(crate) fn tokens(&self, column: usize) -> Option<[&'a [T]; 2]> {
        let at = column * self.channels..(column + 1) * self.channels;
        Some([self.upper.get(at.clone())?, self.lower.get(at)?])
    }

    /// Corners of output column `x` of `factor * columns`.
    #[inline(always)]
    pub(crate) fn corners(&self, x: usize, columns: usize) -> Option<Corners<'a, T>> {
        let at = phase(x, self.factor, columns);
        let near = at.near * self.channels;
        let far = at.far * self.channels;
        Some([
            (self.upper.get(near..near + self.channels)?, self.upper_weight * at.near_weight),
            (self.upper.get(far..far + self.channels)?, self.upper_weight * at.far_weight),
            (self.lower.get(near..near + self.channels)?, self.lower_weight * at.near_weight),
            (self.lower.get(far..far + self.channels)?, self.lower_weight * at.far_weight),
        ])
    }

    /// [`Rows::corners`], each up to the end of its row: what vectors read beyond a token is its
    /// neighbour's.
    #[cfg(target_arch = "x86_64")]
    #[inline(always)]
    pub(crate) fn corners_onwards(&self, x: usize, columns: usize) -> Option<Corners<'a, T>> {
        let at = phase(x, self.factor, columns);
        let (near, far) = (at.near * self.channels, at.far * self.channels);
        Some([
            (self.upper.get(near..)?, self.upper_weight * at.near_weight),
            (self.upper.get(far..)?, self.upper_weight * at.far_weight),
            (self.lower.get(near..)?, self.lower_weight * at.near_weight),
            (self.lower.get(far..)?, self.lower_weight * at.far_weight),
        ])
    }

    /// The corners between source columns `near` and `far`, as above: upper near, upper far, lower
    /// near, lower far. Each reaches to the end of its row.
    #[cfg(all(target_arch = "aarch64", feature = "fp16"))]
    #[inline(always)]
    pub(crate) fn tokens_onwards(&self, near: usize, far: usize) -> Option<[&'a [T]; 4]> {
        let (near, far) = (near * self.channels, far * self.channels);
        Some([self.upper.get(near..)?, self.upper.get(far..)?, self.lower.get(near..)?, self.lower.get(far..)?])
    }
}
