//! Conversions between codes on 16 bits with one scale and f16.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// A scale is a normal number, and not huge.
fn check(scale: f32) -> Result<(), ShapeError> {
    /// `2^64`.
    const MAX_SCALE: f32 = f32::from_bits((127 + 64) << 23);
    require((f32::MIN_POSITIVE..=MAX_SCALE).contains(&scale), ShapeError::Parameter)
}

impl Kernels {
    /// `out = narrow(scale * x)`, `scale` in `2^-126..=2^64`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or the scale is outside its range.
    pub fn s16_to_f16(self, x: &[i16], scale: f32, out: &mut [f16]) -> Result<(), ShapeError> {
        check(scale)?;
        require(out.len() == x.len(), ShapeError::Output)?;
        s16_to_f16_on(self.tier, x, scale, out);
        Ok(())
    }

    /// `out = x / scale` rounded to the nearest integer, ties to even, and saturated to
    /// -32768..=32767; `x` finite, `scale` in `2^-126..=2^64`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or the scale is outside its range.
    pub fn f16_to_s16(self, x: &[f16], scale: f32, out: &mut [i16]) -> Result<(), ShapeError> {
        check(scale)?;
        require(out.len() == x.len(), ShapeError::Output)?;
        f16_to_s16_on(self.tier, x, scale, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn s16_to_f16_on as s16_to_f16(x: &[i16], scale: f32, out: &mut [f16]);
    fn f16_to_s16_on as f16_to_s16(x: &[f16], scale: f32, out: &mut [i16]);
}
