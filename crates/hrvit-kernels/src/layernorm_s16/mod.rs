//! LayerNorm of 16-bit tokens by exact integer sums.

#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
pub mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::contract::{EPS, MAX_FRACTION, MAX_NORM_CHANNELS, MIN_FRACTION, NORM_SHIFTS};
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::math::rsqrt;

/// Parameters of a LayerNorm over `C = gain.len()` channels (1..=16384) of one token x:
/// ```text
/// S1 = sum x      S2 = sum x^2      var = C*S2 - S1^2 + eps      (r, n) = rsqrt(var)      k = n + 10 - fraction
/// xh = ((C*x - S1)*r + 2^(k-1)) >> k                             saturated to i16
/// y  = clamp((xh*gain + offset + 2^(shift-1)) >> shift, lo, hi)  the sum in i64
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Norm<'a> {
    /// `[channels]`, `|gain| < 2^15`: the affine's gain over the output scale.
    pub gain: &'a [i32],
    /// `[channels]`, `|offset| <= 2^29`: the affine's shift and the zero point of the output.
    pub offset: &'a [i32],
    /// `max(1, round(C^2 * 1e-5 / scale^2))`, in `1..=2^62`.
    pub eps: u64,
    /// Fractional bits of `gain * 2^fraction` and of `offset`, in `1..=30`.
    pub shift: u8,
    /// Fractional bits of `xh`, in `10..=15`. With 10 nothing saturates up to 1024 channels; with
    /// more, what is far from the mean does.
    pub fraction: u8,
}

impl Norm<'_> {
    fn check(&self, input: usize) -> Result<(), ShapeError> {
        let channels = self.gain.len();
        require(channels != 0 && channels <= MAX_NORM_CHANNELS && self.offset.len() == channels, ShapeError::Channels)?;
        require(EPS.contains(&self.eps) && NORM_SHIFTS.contains(&self.shift), ShapeError::Parameter)?;
        require((MIN_FRACTION..=MAX_FRACTION).contains(&self.fraction), ShapeError::Parameter)?;
        require(input.is_multiple_of(channels), ShapeError::Input)
    }

    /// How many fractional bits of `xh` there are beyond [`MIN_FRACTION`].
    #[inline(always)]
    fn finer(&self) -> u32 {
        u32::from(self.fraction.saturating_sub(MIN_FRACTION))
    }

    /// The parameters of [`Common::reciprocal`].
    #[inline(always)]
    fn common(&self) -> Common {
        Common { eps: self.eps, finer: self.finer() }
    }
}

/// Parameters of every token's statistics: read once, before the loop over tokens.
#[derive(Clone, Copy)]
struct Common {
    eps: u64,
    finer: u32,
}

impl Common {
    /// `(r, k)` of a token, `k` in `16..=52`.
    #[inline(always)]
    fn reciprocal(self, variance: u64) -> (u32, u32) {
        let (r, k) = rsqrt(variance.wrapping_add(self.eps));
        (r, k.wrapping_sub(self.finer))
    }
}

impl Kernels {
    /// LayerNorm of `x` (`[tokens, channels]`) to s8 codes in `lo..=hi`
    /// (`-128 <= lo <= hi <= 127`); `out` has the shape of `x`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree or a parameter is outside its range.
    pub fn layernorm_s8(self, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) -> Result<(), ShapeError> {
        norm.check(x.len())?;
        require(i32::from(i8::MIN) <= lo && lo <= hi && hi <= i32::from(i8::MAX), ShapeError::Parameter)?;
        require(out.len() == x.len(), ShapeError::Output)?;
        tokens_s8(self.tier, x, norm, lo, hi, out);
        Ok(())
    }

    /// LayerNorm of `x` (`[tokens, channels]`) to s16 codes in -32768..=32767; `out` has the shape
    /// of `x`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree or a parameter is outside its range.
    pub fn layernorm_s16(self, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) -> Result<(), ShapeError> {
        norm.check(x.len())?;
        require(out.len() == x.len(), ShapeError::Output)?;
        tokens_s16(self.tier, x, norm, out);
        Ok(())
    }

    /// [`Kernels::layernorm_s16`] that overwrites its input.
    ///
    /// # Errors
    /// [`ShapeError`] if `x` is no whole number of tokens or a parameter is outside its range.
    pub fn layernorm_s16_in_place(self, x: &mut [i16], norm: &Norm<'_>) -> Result<(), ShapeError> {
        norm.check(x.len())?;
        tokens_s16_in_place(self.tier, x, norm);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen;
    fn tokens_s8(x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]);
    fn tokens_s16(x: &[i16], norm: &Norm<'_>, out: &mut [i16]);
    fn tokens_s16_in_place(x: &mut [i16], norm: &Norm<'_>);
}
