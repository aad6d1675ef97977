//! LayerNorm of f16 tokens, its statistics in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tokens;

use half::f16;

use crate::contract::{MAX_NORM_CHANNELS_F16, MAX_PARAMETER_F16};
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Parameters of a LayerNorm over `C = gain.len()` channels (1..=8192) of one token x, all in f32:
/// ```text
/// mean = (sum x) / C      var = (sum (x - mean)^2) / C
/// y    = narrow((x - mean) * rsqrt(var + eps) * gain + offset)
/// ```
#[derive(Clone, Copy, Debug)]
pub struct NormF16<'a> {
    /// `[channels]`, at most 2^64 in magnitude.
    pub gain: &'a [f32],
    /// `[channels]`, at most 2^64 in magnitude.
    pub offset: &'a [f32],
    /// In `2^-126..=2^64`.
    pub eps: f32,
}

impl NormF16<'_> {
    fn check(&self, input: usize) -> Result<(), ShapeError> {
        let channels = self.gain.len();
        require(channels != 0 && channels <= MAX_NORM_CHANNELS_F16 && self.offset.len() == channels, ShapeError::Channels)?;
        require((f32::MIN_POSITIVE..=f32::from_bits(MAX_PARAMETER_F16)).contains(&self.eps), ShapeError::Parameter)?;
        require(input.is_multiple_of(channels), ShapeError::Input)
    }
}

impl Kernels {
    /// LayerNorm of `x` (`[tokens, channels]`, finite); `out` has the shape of `x`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree or a parameter is outside its range.
    pub fn layernorm_f16(self, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) -> Result<(), ShapeError> {
        norm.check(x.len())?;
        require(out.len() == x.len(), ShapeError::Output)?;
        tokens(self.tier, x, norm, out);
        Ok(())
    }

    /// [`Kernels::layernorm_f16`] that overwrites its input.
    ///
    /// # Errors
    /// [`ShapeError`] if `x` is no whole number of tokens or a parameter is outside its range.
    pub fn layernorm_f16_in_place(self, x: &mut [f16], norm: &NormF16<'_>) -> Result<(), ShapeError> {
        norm.check(x.len())?;
        tokens_in_place(self.tier, x, norm);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon, Mve => mve, Emulated => emulated }
    chosen;
    fn tokens(x: &[f16], norm: &NormF16<'_>, out: &mut [f16]);
    fn tokens_in_place(x: &mut [f16], norm: &NormF16<'_>);
}
