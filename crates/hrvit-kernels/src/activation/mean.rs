//! Mean of codes over tokens, kept with 4 fractional bits.

use super::scalar;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// `sums[c] += sum over tokens of codes[token][c] - zero`; `codes` is `[tokens, channels]`,
    /// `channels = sums.len()`, `zero` in -128..=127.
    ///
    /// # Errors
    /// [`ShapeError`] if there is no channel, `codes` is no whole number of tokens, or `zero` is no
    /// code.
    pub fn mean_s8(self, sums: &mut [i32], codes: &[i8], zero: i32) -> Result<(), ShapeError> {
        require(!sums.is_empty(), ShapeError::Channels)?;
        require((i32::from(i8::MIN)..=i32::from(i8::MAX)).contains(&zero), ShapeError::Parameter)?;
        require(codes.len().is_multiple_of(sums.len()), ShapeError::Input)?;
        mean_s8_on(self.tier, sums, codes, zero);
        Ok(())
    }

    /// `out[c] = floor((16 * sums[c] + tokens / 2) / tokens)`, saturated to s16: the rounded mean
    /// with 4 fractional bits, 0..=4080 where codes are not below zero. Once per frame, the same on
    /// every instruction set.
    ///
    /// # Errors
    /// [`ShapeError`] if `tokens` is 0 or the lengths differ.
    pub fn mean_finish(self, sums: &[i32], tokens: u32, out: &mut [i16]) -> Result<(), ShapeError> {
        require(tokens != 0, ShapeError::Parameter)?;
        require(sums.len() == out.len(), ShapeError::Output)?;
        finish::<16>(sums, tokens, out);
        Ok(())
    }
}

/// `floor((UNITS * sum + tokens / 2) / tokens)`, saturated.
pub(crate) fn finish<const UNITS: i64>(sums: &[i32], tokens: u32, out: &mut [i16]) {
    let tokens = i64::from(tokens);
    for (sum, out) in sums.iter().zip(out) {
        let mean = (UNITS * i64::from(*sum) + tokens / 2).div_euclid(tokens);
        *out = mean.max(i64::from(i16::MIN)).min(i64::from(i16::MAX)) as i16;
    }
}

backends! {
    { Avx2.. => compiled }
    chosen;
    fn mean_s8_on as mean_s8(sums: &mut [i32], codes: &[i8], zero: i32);
}
