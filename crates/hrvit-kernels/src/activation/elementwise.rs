//! Rescaling and sums, element by element.

use crate::error::{ShapeError, require};
use crate::lanes::{rows, rows_mut};
use crate::requant::{Range8, Requant, Scalar, requant, saturate16};

/// Calls `put(out, rq(x))` for every element of `[tokens, channels]`, `channels = params.mult.len()`.
fn per_channel<T>(x: &[i16], params: Requant<'_>, out: &mut [T], put: impl Fn(&mut T, i32)) -> Result<(), ShapeError> {
    let Requant { mult, shift, pre_shift } = params;
    let channels = mult.len();
    require(channels != 0, ShapeError::Channels)?;
    params.check(channels)?;
    require(x.len().is_multiple_of(channels), ShapeError::Input)?;
    require(x.len() == out.len(), ShapeError::Output)?;
    for (x, out) in rows(x, channels).zip(rows_mut(out, channels)) {
        for ((x, out), (mult, shift)) in x.iter().zip(out).zip(mult.iter().zip(shift)) {
            put(out, requant(i32::from(*x), pre_shift, *mult, *shift));
        }
    }
    Ok(())
}

/// `out = store8(rq(x))` per channel: a 16-bit tensor as its next reader wants it. Both are `[tokens, channels]`, `channels = requant.mult.len()`.
///
/// # Errors
/// [`ShapeError`] if a length disagrees or the range is not one of s8.
pub fn narrow_s16(x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
    range.check()?;
    per_channel(x, requant, out, |out, rq| *out = range.store(rq))
}

/// `out = store16(rq(x))` per channel. Both are `[tokens, channels]`, `channels = requant.mult.len()`.
///
/// # Errors
/// [`ShapeError`] if a length disagrees.
pub fn rescale_s16(x: &[i16], requant: Requant<'_>, out: &mut [i16]) -> Result<(), ShapeError> {
    per_channel(x, requant, out, |out, rq| *out = saturate16(rq))
}

/// `out += rq(x)` per channel, the sum of all terms below 2^31. Both are `[tokens, channels]`, `channels = requant.mult.len()`.
///
/// # Errors
/// [`ShapeError`] if a length disagrees.
pub fn rescale_add32(x: &[i16], requant: Requant<'_>, out: &mut [i32]) -> Result<(), ShapeError> {
    per_channel(x, requant, out, |out, rq| *out = out.wrapping_add(rq))
}

/// `x = clamp(x + y, -32768, 32767)`: the residual stream receives its branches.
///
/// # Errors
/// [`ShapeError::Input`] if the lengths differ.
pub fn add_s16(x: &mut [i16], y: &[i32]) -> Result<(), ShapeError> {
    require(x.len() == y.len(), ShapeError::Input)?;
    for (x, y) in x.iter_mut().zip(y) {
        *x = saturate16(i32::from(*x).saturating_add(*y));
    }
    Ok(())
}

/// `out = store8(rq(acc))`, one multiplier for the tensor.
///
/// # Errors
/// [`ShapeError`] if the lengths differ or the range is not one of s8.
pub fn store_s8(acc: &[i32], requant: Scalar, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
    requant.check()?;
    range.check()?;
    require(acc.len() == out.len(), ShapeError::Output)?;
    for (acc, out) in acc.iter().zip(out) {
        *out = range.store(requant.apply(*acc));
    }
    Ok(())
}

/// `acc = max(acc, 0)`.
pub fn relu_s32(acc: &mut [i32]) {
    for acc in acc {
        *acc = (*acc).max(0);
    }
}

/// `acc += other`, sums below 2^31.
///
/// # Errors
/// [`ShapeError::Input`] if the lengths differ.
pub fn add_s32(acc: &mut [i32], other: &[i32]) -> Result<(), ShapeError> {
    require(acc.len() == other.len(), ShapeError::Input)?;
    for (acc, other) in acc.iter_mut().zip(other) {
        *acc = acc.wrapping_add(*other);
    }
    Ok(())
}
