//! Mean of values over tokens.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::math_f32::narrow;

impl Kernels {
    /// `sums[c] += sum over tokens of x[token][c]` in f32, token by token; `x` is
    /// `[tokens, channels]`, finite, `channels = sums.len()`; `sums` at most 2^64 in magnitude.
    ///
    /// # Errors
    /// [`ShapeError`] if there is no channel or `x` is no whole number of tokens.
    pub fn mean_f16(self, sums: &mut [f32], x: &[f16]) -> Result<(), ShapeError> {
        require(!sums.is_empty(), ShapeError::Channels)?;
        require(x.len().is_multiple_of(sums.len()), ShapeError::Input)?;
        mean_f16_on(self.tier, sums, x);
        Ok(())
    }

    /// `out[c] = narrow(sums[c] / tokens)`. Once per frame, the same on every instruction set.
    ///
    /// # Errors
    /// [`ShapeError`] if `tokens` is 0 or the lengths differ.
    pub fn mean_finish_f16(self, sums: &[f32], tokens: u32, out: &mut [f16]) -> Result<(), ShapeError> {
        require(tokens != 0, ShapeError::Parameter)?;
        require(sums.len() == out.len(), ShapeError::Output)?;
        let tokens = tokens as f32;
        for (sum, out) in sums.iter().zip(out) {
            *out = narrow(sum / tokens);
        }
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn mean_f16_on as mean_f16(sums: &mut [f32], x: &[f16]);
}
