//! The diversity-enhancing shortcut: two small Kronecker factors and an activation between them,
//! per token, on the un-normalised residual stream, in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_views;
pub mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod tokens;

use half::f16;

use crate::epilogue_f16::ActivationF16;
use crate::error::{ShapeError, require};
use crate::gemm_f16::blocks_f16_len;
use crate::kernels::{Kernels, backends};

/// Operands of [`Kernels::des_f16`]. A token x of `k * p` channels is viewed as `[k, p]`; all in
/// f32, sums from the first term to the last:
/// ```text
/// h[i][o] = act(right_bias[o] + sum_j x[i][j] right[o][j])
/// z[o][q] = left_bias[o] + sum_i h[i][q] left[o][i]       added to channel o * p + q
/// ```
#[derive(Clone, Copy, Debug)]
pub struct DesF16<'a> {
    /// `[tokens, k * p]`, finite.
    pub x: &'a [f16],
    /// Rows of a token's view.
    pub k: usize,
    /// Columns of a token's view.
    pub p: usize,
    /// `[p, p]`, `[out, in]`, finite, in blocks as [`GemmF16::weights`](crate::GemmF16::weights).
    pub right: &'a [f16],
    /// `[p]`, at most 2^64 in magnitude.
    pub right_bias: &'a [f32],
    /// The activation of the hidden values.
    pub act: ActivationF16,
    /// `[k, k]`, `[out, in]` row-major, finite.
    pub left: &'a [f16],
    /// `[k]`, at most 2^64 in magnitude.
    pub left_bias: &'a [f32],
}

impl Kernels {
    /// Adds the shortcut of every token to `out` (`[tokens, k * p]`). `hidden` is scratch of at
    /// least `k * p` elements.
    ///
    /// # Errors
    /// [`ShapeError`] if `k` or `p` is 0, or a length does not follow from them.
    pub fn des_f16(self, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) -> Result<(), ShapeError> {
        let DesF16 { k, p, .. } = *args;
        require(k != 0 && p != 0, ShapeError::Parameter)?;
        let channels = k.checked_mul(p).ok_or(ShapeError::Parameter)?;
        require(args.x.len().is_multiple_of(channels), ShapeError::Input)?;
        require(args.right_bias.len() == p && args.left_bias.len() == k, ShapeError::Channels)?;
        require(args.right.len() == blocks_f16_len(p, p) && k.checked_mul(k) == Some(args.left.len()), ShapeError::Weights)?;
        require(out.len() == args.x.len(), ShapeError::Output)?;
        let hidden = hidden.get_mut(..channels).ok_or(ShapeError::Scratch)?;
        run(self.tier, args, hidden, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon.. => neon, Emulated => emulated }
    chosen;
    fn run(args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]);
}
