//! Rescaling, element by element.

#[cfg(hrvit_dsp)]
use super::dsp;
#[cfg(hrvit_mve)]
use super::mve;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::{Range8, Requant, TensorRequant};

/// Input and output are `[tokens, channels]`, `channels = params.mult.len()`.
fn check(x: usize, params: Requant<'_>, out: usize) -> Result<(), ShapeError> {
    let channels = params.mult.len();
    require(channels != 0, ShapeError::Channels)?;
    params.check(channels)?;
    require(x.is_multiple_of(channels), ShapeError::Input)?;
    require(x == out, ShapeError::Output)
}

impl Kernels {
    /// `out = store8(rq(x))` per channel: a 16-bit tensor as its next reader wants it. Both are
    /// `[tokens, channels]`, `channels = requant.mult.len()`.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or the range is not one of s8.
    pub fn narrow_s16(self, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
        range.check()?;
        check(x.len(), requant, out.len())?;
        narrow_s16_on(self.tier, x, requant, range, out);
        Ok(())
    }

    /// `out = store16(rq(x))` per channel. Both are `[tokens, channels]`,
    /// `channels = requant.mult.len()`.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees.
    pub fn rescale_s16(self, x: &[i16], requant: Requant<'_>, out: &mut [i16]) -> Result<(), ShapeError> {
        check(x.len(), requant, out.len())?;
        rescale_s16_on(self.tier, x, requant, out);
        Ok(())
    }

    /// `out += rq(x)` per channel, the sum of all terms below 2^31. Both are `[tokens, channels]`,
    /// `channels = requant.mult.len()`.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees.
    pub fn rescale_add32(self, x: &[i16], requant: Requant<'_>, out: &mut [i32]) -> Result<(), ShapeError> {
        check(x.len(), requant, out.len())?;
        rescale_add32_on(self.tier, x, requant, out);
        Ok(())
    }

    /// `out = store8(rq(acc))`, one multiplier for the tensor.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or the range is not one of s8.
    pub fn store_s8(self, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
        requant.check()?;
        range.check()?;
        require(acc.len() == out.len(), ShapeError::Output)?;
        store_s8_on(self.tier, acc, requant, range, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen;
    fn narrow_s16_on as narrow_s16(x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]);
    fn rescale_s16_on as rescale_s16(x: &[i16], requant: Requant<'_>, out: &mut [i16]);
    fn rescale_add32_on as rescale_add32(x: &[i16], requant: Requant<'_>, out: &mut [i32]);
    fn store_s8_on as store_s8(acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]);
}
