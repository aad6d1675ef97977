//! Hardswish, `x * clamp(x + 3, 0, 6) / 6`, exact up to its one rounding: the real number 3 is the
//! integer `three`.

#[cfg(hrvit_dsp)]
use super::dsp;
#[cfg(hrvit_mve)]
use super::mve;
#[cfg(target_arch = "aarch64")]
use super::neon;
use super::scalar;
#[cfg(target_arch = "x86_64")]
use super::x86;
use crate::contract::MAX_THREE_S8;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::{Range8, Requant, TensorRequant};

impl Kernels {
    /// Per channel c of each token: `u = clamp((v << 8) + three[c], 0, 2 * three[c])`,
    /// `out = store8(rq(v * u))`.
    ///
    /// `v` and `out` are `[tokens, channels]`. `three` is `[channels]` in `1..=2^22` (3.0 in v's
    /// scale with 8 fractional bits). `requant` is per channel and holds the 1/6.
    ///
    /// # Errors
    /// [`ShapeError`] if a length disagrees or a parameter is outside its range.
    pub fn hardswish_s8(self, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
        let channels = three.len();
        require(channels != 0, ShapeError::Channels)?;
        requant.check(channels)?;
        range.check()?;
        require(three.iter().all(|three| (1..=MAX_THREE_S8).contains(three)), ShapeError::Parameter)?;
        require(v.len().is_multiple_of(channels), ShapeError::Input)?;
        require(out.len() == v.len(), ShapeError::Output)?;
        hardswish_s8_on(self.tier, v, three, requant, range, out);
        Ok(())
    }

    /// `u = clamp(x + three, 0, 2 * three)`, `out = store8(rq(x * u))`; `three` in `1..=32767` is
    /// 3.0 in x's scale, `requant` holds the 1/6.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths differ or a parameter is outside its range.
    pub fn hardswish_s16(self, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) -> Result<(), ShapeError> {
        require((1..=i32::from(i16::MAX)).contains(&three), ShapeError::Parameter)?;
        requant.check()?;
        range.check()?;
        require(out.len() == x.len(), ShapeError::Output)?;
        hardswish_s16_on(self.tier, x, three, requant, range, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen;
    fn hardswish_s8_on as hardswish_s8(v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]);
    fn hardswish_s16_on as hardswish_s16(x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]);
}
