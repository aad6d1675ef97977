//! Patches of a dense 3x3 convolution, and pixels as codes of 8 or 16 bits or as f16: all only move
//! values.

#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
mod scalar;

use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

impl Kernels {
    /// Patches of one output row of a dense 3x3 convolution with padding 1:
    /// `out[x][(ky * 3 + kx) * channels + c] = rows[ky][x * stride + kx - 1][c]`, `pad` outside the
    /// row. A product with weights `[cout, 3, 3, cin]` then is the convolution.
    ///
    /// `rows` are the input rows `y * stride - 1 ..= y * stride + 1`, each `[w_in, channels]`,
    /// `None` outside the map; `out` is `[ceil(w_in / stride), 9 * channels]`.
    ///
    /// # Errors
    /// [`ShapeError`] if `channels` or `stride` is 0, all rows are `None`, or `out` has another
    /// length. Also if rows differ in length or are no whole number of tokens.
    pub fn im2row_s8(self, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) -> Result<(), ShapeError> {
        check(rows, channels, stride, out.len())?;
        patches(self.tier, rows, channels, stride, pad, out);
        Ok(())
    }

    /// `out = pixel XOR 0x80`, read as s8: the code is `pixel - 128`.
    ///
    /// # Errors
    /// [`ShapeError::Output`] if the lengths differ.
    pub fn pixels_s8(self, pixels: &[u8], out: &mut [i8]) -> Result<(), ShapeError> {
        require(pixels.len() == out.len(), ShapeError::Output)?;
        codes(self.tier, pixels, out);
        Ok(())
    }
}

/// Checks rows of tokens, and that they make `out_len` elements of patches.
fn check<T>(rows: [Option<&[T]>; 3], channels: usize, stride: usize, out_len: usize) -> Result<(), ShapeError> {
    require(channels != 0 && stride != 0, ShapeError::Parameter)?;
    let len = rows.iter().flatten().map(|row| row.len()).next().ok_or(ShapeError::Input)?;
    require(rows.iter().flatten().all(|row| row.len() == len) && len.is_multiple_of(channels), ShapeError::Input)?;
    let patch = channels.checked_mul(9).ok_or(ShapeError::Parameter)?;
    require((len / channels).div_ceil(stride).checked_mul(patch) == Some(out_len), ShapeError::Output)
}

#[cfg(feature = "int16x8")]
impl Kernels {
    /// [`Kernels::im2row_s8`] of 16-bit codes, 0 outside the row: patches for
    /// [`Kernels::gemm_s16`].
    ///
    /// # Errors
    /// As [`Kernels::im2row_s8`].
    pub fn im2row_s16(self, rows: [Option<&[i16]>; 3], channels: usize, stride: usize, out: &mut [i16]) -> Result<(), ShapeError> {
        check(rows, channels, stride, out.len())?;
        patches_s16(self.tier, rows, channels, stride, 0, out);
        Ok(())
    }

    /// `out = pixel - 128`.
    ///
    /// # Errors
    /// [`ShapeError::Output`] if the lengths differ.
    pub fn pixels_s16(self, pixels: &[u8], out: &mut [i16]) -> Result<(), ShapeError> {
        require(pixels.len() == out.len(), ShapeError::Output)?;
        pixels_s16(self.tier, pixels, out);
        Ok(())
    }
}

#[cfg(feature = "fp16")]
impl Kernels {
    /// [`Kernels::im2row_s8`] of f16 values, 0 outside the row: patches for [`Kernels::gemm_f16`].
    ///
    /// # Errors
    /// As [`Kernels::im2row_s8`].
    pub fn im2row_f16(self, rows: [Option<&[half::f16]>; 3], channels: usize, stride: usize, out: &mut [half::f16]) -> Result<(), ShapeError> {
        check(rows, channels, stride, out.len())?;
        patches_f16(self.tier, rows, channels, stride, half::f16::ZERO, out);
        Ok(())
    }

    /// `out = pixel - 128`, exactly.
    ///
    /// # Errors
    /// [`ShapeError::Output`] if the lengths differ.
    pub fn pixels_f16(self, pixels: &[u8], out: &mut [half::f16]) -> Result<(), ShapeError> {
        require(pixels.len() == out.len(), ShapeError::Output)?;
        pixels_f16(self.tier, pixels, out);
        Ok(())
    }
}

backends! {
    { Mve => mve, Neon.. => neon }
    chosen;
    fn patches(rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]);
    fn codes(pixels: &[u8], out: &mut [i8]);
}

#[cfg(feature = "int16x8")]
backends! {
    {  }
    chosen_s16;
    fn patches_s16 as patches(rows: [Option<&[i16]>; 3], channels: usize, stride: usize, pad: i16, out: &mut [i16]);
    fn pixels_s16(pixels: &[u8], out: &mut [i16]);
}

#[cfg(feature = "fp16")]
backends! {
    { Neon.. => neon }
    chosen_f16;
    fn patches_f16(rows: [Option<&[half::f16]>; 3], channels: usize, stride: usize, pad: half::f16, out: &mut [half::f16]);
    fn pixels_f16(pixels: &[u8], out: &mut [half::f16]);
}
