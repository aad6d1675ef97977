//! Hardswish of f16 values, activations of f32 sums.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(feature = "orders")]
use super::emulated;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::epilogue_f16::ActivationF16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// `out = narrow(hardswish(x))`, see [`hardswish`](crate::math_f32::hardswish); `x` finite.
    ///
    /// # Errors
    /// [`ShapeError::Output`] if the lengths differ.
    pub fn hardswish_f16(self, x: &[f16], out: &mut [f16]) -> Result<(), ShapeError> {
        require(out.len() == x.len(), ShapeError::Output)?;
        hardswish_f16_on(self.tier, x, out);
        Ok(())
    }

    /// `out = narrow(act(acc))`; `acc` at most 2^64 in magnitude.
    ///
    /// # Errors
    /// [`ShapeError::Output`] if the lengths differ.
    pub fn activate_f32(self, acc: &[f32], act: ActivationF16, out: &mut [f16]) -> Result<(), ShapeError> {
        require(out.len() == acc.len(), ShapeError::Output)?;
        activate_f32_on(self.tier, acc, act, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon, Emulated => emulated }
    chosen;
    fn hardswish_f16_on as hardswish_f16(x: &[f16], out: &mut [f16]);
    fn activate_f32_on as activate_f32(acc: &[f32], act: ActivationF16, out: &mut [f16]);
}
