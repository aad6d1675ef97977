//! Sums and ReLU, element by element.

use half::f16;

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// `x = narrow(x + y)`: the residual stream receives its branches; `y` at most 2^64 in
    /// magnitude.
    ///
    /// # Errors
    /// [`ShapeError::Input`] if the lengths differ.
    pub fn add_f16(self, x: &mut [f16], y: &[f32]) -> Result<(), ShapeError> {
        require(x.len() == y.len(), ShapeError::Input)?;
        add_f16_on(self.tier, x, y);
        Ok(())
    }

    /// `acc += x`, `acc` at most 2^64 in magnitude.
    ///
    /// # Errors
    /// [`ShapeError::Input`] if the lengths differ.
    pub fn widen_add_f32(self, x: &[f16], acc: &mut [f32]) -> Result<(), ShapeError> {
        require(x.len() == acc.len(), ShapeError::Input)?;
        widen_add_f32_on(self.tier, x, acc);
        Ok(())
    }

    /// `acc += other`, both at most 2^64 in magnitude.
    ///
    /// # Errors
    /// [`ShapeError::Input`] if the lengths differ.
    pub fn add_f32(self, acc: &mut [f32], other: &[f32]) -> Result<(), ShapeError> {
        require(acc.len() == other.len(), ShapeError::Input)?;
        add_f32_on(self.tier, acc, other);
        Ok(())
    }

    /// `acc = max(acc, 0)`.
    pub fn relu_f32(self, acc: &mut [f32]) {
        relu_f32_on(self.tier, acc);
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon }
    chosen;
    fn add_f16_on as add_f16(x: &mut [f16], y: &[f32]);
    fn widen_add_f32_on as widen_add_f32(x: &[f16], acc: &mut [f32]);
    fn add_f32_on as add_f32(acc: &mut [f32], other: &[f32]);
    fn relu_f32_on as relu_f32(acc: &mut [f32]);
}
