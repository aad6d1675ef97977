//! One row of the label map: logits resized and compared in one go, never stored.

use super::Rows;
use crate::error::{ShapeError, require};

/// `labels[x] = argmax over classes of z[x][class]`, where `z` is the resized row of logits as in [`super::bilinear_add_s16`]; the lowest class wins ties.
///
/// `upper` and `lower` are `[columns, classes]`, s16, `classes` in 1..=256; `labels` is `[factor * columns]`.
///
/// # Errors
/// [`ShapeError`] if a length disagrees or a parameter is outside its range.
pub fn argmax_s16(
    upper: &[i16],
    lower: &[i16],
    upper_weight: i32,
    lower_weight: i32,
    classes: usize,
    factor: usize,
    labels: &mut [u8],
) -> Result<(), ShapeError> {
    let source = Rows { upper, lower, upper_weight, lower_weight, channels: classes, factor };
    let columns = source.columns()?;
    require(classes <= 256, ShapeError::Parameter)?;
    require(columns.checked_mul(factor) == Some(labels.len()), ShapeError::Output)?;
    for (x, label) in labels.iter_mut().enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(x, columns) else { continue };
        let mut best = (i32::MIN, 0u8);
        for (class, ((a, b), (c, d))) in a.iter().zip(b).zip(c.iter().zip(d)).enumerate() {
            let z = i32::from(*a) * wa + i32::from(*b) * wb + i32::from(*c) * wc + i32::from(*d) * wd;
            if z > best.0 {
                best = (z, class as u8);
            }
        }
        *label = best.1;
    }
    Ok(())
}
