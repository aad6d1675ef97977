//! One output row of a resized map, added to a sum.

use super::Rows;
use crate::error::{ShapeError, require};
use crate::lanes::rows_mut;

/// `acc[x][c] += scale * z[x][c]`, where `z` is the weighted sum of the four source tokens around output column x, out of `(2 * factor)^2`.
///
/// `upper` and `lower` are source rows of `[columns, channels]`, s16; their weights (those of the row's [`super::Phase`]) sum to `2 * factor`; `factor` is 1, 2,
/// 4 or 8; `acc` is `[.., channels]`, the output columns from `first` on (at most up to `factor * columns`), and its sum stays below 2^31 (`|scale * z| <= scale * (2 * factor)^2 * 2^15`).
///
/// # Errors
/// [`ShapeError`] if a length disagrees or a parameter is outside its range.
// Two rows with their weights, three numbers and the sum.
#[expect(clippy::too_many_arguments, reason = "each is a different thing of the formula, and a struct would only rename them")]
pub fn bilinear_add_s16(
    upper: &[i16],
    lower: &[i16],
    upper_weight: i32,
    lower_weight: i32,
    channels: usize,
    factor: usize,
    scale: i32,
    first: usize,
    acc: &mut [i32],
) -> Result<(), ShapeError> {
    let source = Rows { upper, lower, upper_weight, lower_weight, channels, factor };
    let columns = source.columns()?;
    require(acc.len().is_multiple_of(channels), ShapeError::Output)?;
    let end = (acc.len() / channels).checked_add(first).ok_or(ShapeError::Parameter)?;
    require(columns.checked_mul(factor).is_some_and(|all| end <= all), ShapeError::Output)?;
    for (x, acc) in rows_mut(acc, channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(first + x, columns) else { continue };
        let [wa, wb, wc, wd] = [wa, wb, wc, wd].map(|weight| scale.wrapping_mul(weight));
        for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
            let sum = [(a, wa), (b, wb), (c, wc), (d, wd)].map(|(value, weight)| i32::from(*value).wrapping_mul(weight));
            *acc = sum.iter().fold(*acc, |acc, term| acc.wrapping_add(*term));
        }
    }
    Ok(())
}
