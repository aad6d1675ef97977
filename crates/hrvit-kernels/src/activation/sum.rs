//! Sums and ReLU, element by element.

#[cfg(target_arch = "x86_64")]
use super::avx2;
#[cfg(hrvit_mve)]
use super::mve;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// `x = clamp(x + y, -32768, 32767)`: the residual stream receives its branches.
    ///
    /// # Errors
    /// [`ShapeError::Input`] if the lengths differ.
    pub fn add_s16(self, x: &mut [i16], y: &[i32]) -> Result<(), ShapeError> {
        require(x.len() == y.len(), ShapeError::Input)?;
        add_s16_on(self.tier, x, y);
        Ok(())
    }

    /// `acc += other`, sums below 2^31.
    ///
    /// # Errors
    /// [`ShapeError::Input`] if the lengths differ.
    pub fn add_s32(self, acc: &mut [i32], other: &[i32]) -> Result<(), ShapeError> {
        require(acc.len() == other.len(), ShapeError::Input)?;
        add_s32_on(self.tier, acc, other);
        Ok(())
    }

    /// `acc = max(acc, 0)`.
    pub fn relu_s32(self, acc: &mut [i32]) {
        relu_s32_on(self.tier, acc);
    }
}

backends! {
    { Avx2.. => avx2, Mve => mve, Neon.. => neon }
    chosen;
    fn add_s16_on as add_s16(x: &mut [i16], y: &[i32]);
    fn add_s32_on as add_s32(acc: &mut [i32], other: &[i32]);
    fn relu_s32_on as relu_s32(acc: &mut [i32]);
}
