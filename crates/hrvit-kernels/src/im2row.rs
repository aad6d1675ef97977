//! Patches of a dense 3x3 convolution, and pixels as codes: both only move bytes.

use crate::error::{ShapeError, require};
use crate::lanes::rows_mut;

/// Patches of one output row of a dense 3x3 convolution with padding 1: `out[x][(ky * 3 + kx) * channels + c] = rows[ky][x * stride + kx - 1][c]`, `pad`
/// outside the row. A product with weights `[cout, 3, 3, cin]` then is the convolution.
///
/// `rows` are the input rows `y * stride - 1 ..= y * stride + 1`, each `[w_in, channels]`, `None` outside the map; `out` is
/// `[ceil(w_in / stride), 9 * channels]`.
///
/// # Errors
/// [`ShapeError`] if `channels` or `stride` is 0, all rows are `None`, rows differ in length or are no whole number of tokens, or `out` has another length.
pub fn im2row_s8(rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) -> Result<(), ShapeError> {
    require(channels != 0 && stride != 0, ShapeError::Parameter)?;
    let len = rows.iter().flatten().map(|row| row.len()).next().ok_or(ShapeError::Input)?;
    require(rows.iter().flatten().all(|row| row.len() == len) && len.is_multiple_of(channels), ShapeError::Input)?;
    let run = channels.checked_mul(3).ok_or(ShapeError::Parameter)?;
    let patch = channels.checked_mul(9).ok_or(ShapeError::Parameter)?;
    require((len / channels).div_ceil(stride).checked_mul(patch) == Some(out.len()), ShapeError::Output)?;

    for (x, patch) in rows_mut(out, patch).enumerate() {
        for (row, taps) in rows.iter().zip(rows_mut(patch, run)) {
            let Some(row) = row else {
                taps.fill(pad);
                continue;
            };
            // The three taps of a kernel row are neighbours in memory, except where the window leaves the row.
            let first = (x * stride).checked_sub(1).map(|column| column * channels);
            if let Some(inside) = first.and_then(|first| row.get(first..first + run)) {
                copy(inside, taps);
                continue;
            }
            for (kx, tap) in rows_mut(taps, channels).enumerate() {
                let first = (x * stride + kx).checked_sub(1).map(|column| column * channels);
                match first.and_then(|first| row.get(first..first + channels)) {
                    Some(token) => copy(token, tap),
                    None => tap.fill(pad),
                }
            }
        }
    }
    Ok(())
}

/// `out = pixel XOR 0x80`, read as s8: the code is `pixel - 128`.
///
/// # Errors
/// [`ShapeError::Output`] if the lengths differ.
pub fn pixels_s8(pixels: &[u8], out: &mut [i8]) -> Result<(), ShapeError> {
    require(pixels.len() == out.len(), ShapeError::Output)?;
    for (pixel, out) in pixels.iter().zip(out) {
        *out = (*pixel ^ 0x80) as i8;
    }
    Ok(())
}

/// Copies the common length; unlike `copy_from_slice` it has no panic path.
#[inline(always)]
fn copy(from: &[i8], to: &mut [i8]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
