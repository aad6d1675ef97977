//! Elementwise operators on 16-bit codes: limits, activations by an interpolated table, Hardswish,
//! sums to codes, means.

mod scalar;

use crate::activation::mean::finish;
use crate::contract::{INTERPOLATED, MAX_THREE_S16};
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::{Requant, TensorRequant};

/// Entries of an interpolated table.
pub const ENTRIES: usize = INTERPOLATED as usize;
/// Bits of a code between two entries.
const FRACTION: u32 = 6;
const _: () = assert!(ENTRIES == (1 << (16 - FRACTION)) + 1, "an entry on either side of every code");

impl Kernels {
    /// `x = clamp(x, lo, hi)`.
    ///
    /// # Errors
    /// [`ShapeError::Parameter`] if `lo > hi`.
    pub fn limit_s16(self, x: &mut [i16], lo: i16, hi: i16) -> Result<(), ShapeError> {
        require(lo <= hi, ShapeError::Parameter)?;
        limit_s16_on(self.tier, x, lo, hi);
        Ok(())
    }

    /// An activation by a table of [`ENTRIES`] entries over all codes, between which it is a line:
    /// ```text
    /// i = (x + 32768) >> 6      g = (x + 32768) & 63      x = table[i] + (((table[i + 1] - table[i]) * g + 32) >> 6)
    /// ```
    ///
    /// # Errors
    /// [`ShapeError::Table`] if the table has another length.
    pub fn interpolate_s16(self, x: &mut [i16], table: &[i16]) -> Result<(), ShapeError> {
        let table = table.first_chunk().filter(|_| table.len() == ENTRIES).ok_or(ShapeError::Table)?;
        interpolate_s16_on(self.tier, x, table);
        Ok(())
    }

    /// Per channel c of each token: `u = clamp(v + three[c], 0, 2 * three[c])`,
    /// `out = store16(rq(v * u))`.
    ///
    /// `v` and `out` are `[tokens, channels]`, `v` in -8191..=8191, `three` is `[channels]` in
    /// `1..=2^17` (3.0 in v's scale); `requant` is per channel and holds the 1/6.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    pub fn hardswish_per_channel_s16(self, v: &[i16], three: &[i32], requant: Requant<'_>, out: &mut [i16]) -> Result<(), ShapeError> {
        let channels = three.len();
        require(channels != 0, ShapeError::Channels)?;
        requant.check(channels)?;
        require(three.iter().all(|three| (1..=MAX_THREE_S16).contains(three)), ShapeError::Parameter)?;
        require(v.len().is_multiple_of(channels), ShapeError::Input)?;
        require(out.len() == v.len(), ShapeError::Output)?;
        hardswish_per_channel_s16_on(self.tier, v, three, requant, out);
        Ok(())
    }

    /// [`Kernels::hardswish_s16`] to 16-bit codes: `out = store16(rq(x * u))`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or a parameter is outside its range.
    pub fn hardswish_to_s16(self, x: &[i16], three: i32, requant: TensorRequant, out: &mut [i16]) -> Result<(), ShapeError> {
        require((1..=i32::from(i16::MAX)).contains(&three), ShapeError::Parameter)?;
        requant.check()?;
        require(out.len() == x.len(), ShapeError::Output)?;
        hardswish_to_s16_on(self.tier, x, three, requant, out);
        Ok(())
    }

    /// `out = store16(rq(acc))`, one multiplier for the tensor.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ.
    pub fn store_s16(self, acc: &[i32], requant: TensorRequant, out: &mut [i16]) -> Result<(), ShapeError> {
        requant.check()?;
        require(acc.len() == out.len(), ShapeError::Output)?;
        store_s16_on(self.tier, acc, requant, out);
        Ok(())
    }

    /// `sums[c] += sum over tokens of codes[token][c]`, sums below 2^31; `codes` is
    /// `[tokens, channels]`, `channels = sums.len()`.
    ///
    /// # Errors
    /// [`ShapeError`] if there is no channel or `codes` is no whole number of tokens.
    pub fn mean_s16(self, sums: &mut [i32], codes: &[i16]) -> Result<(), ShapeError> {
        require(!sums.is_empty(), ShapeError::Channels)?;
        require(codes.len().is_multiple_of(sums.len()), ShapeError::Input)?;
        mean_s16_on(self.tier, sums, codes);
        Ok(())
    }

    /// `out[c] = floor((sums[c] + tokens / 2) / tokens)`, saturated to s16. Once per frame, the
    /// same on every instruction set.
    ///
    /// # Errors
    /// [`ShapeError`] if `tokens` is 0 or the lengths differ.
    pub fn mean_finish_s16(self, sums: &[i32], tokens: u32, out: &mut [i16]) -> Result<(), ShapeError> {
        require(tokens != 0, ShapeError::Parameter)?;
        require(sums.len() == out.len(), ShapeError::Output)?;
        finish::<1>(sums, tokens, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => compiled }
    chosen;
    fn limit_s16_on as limit_s16(x: &mut [i16], lo: i16, hi: i16);
    fn interpolate_s16_on as interpolate_s16(x: &mut [i16], table: &[i16; ENTRIES]);
    fn hardswish_per_channel_s16_on as hardswish_per_channel_s16(v: &[i16], three: &[i32], requant: Requant<'_>, out: &mut [i16]);
    fn hardswish_to_s16_on as hardswish_to_s16(x: &[i16], three: i32, requant: TensorRequant, out: &mut [i16]);
    fn store_s16_on as store_s16(acc: &[i32], requant: TensorRequant, out: &mut [i16]);
    fn mean_s16_on as mean_s16(sums: &mut [i32], codes: &[i16]);
}
