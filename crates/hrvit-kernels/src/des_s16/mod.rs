//! The diversity-enhancing shortcut: two small Kronecker factors and an activation between them,
//! per token, on the un-normalised residual stream.

#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_four;
#[cfg(target_arch = "aarch64")]
mod neon_table;
pub mod scalar;
#[cfg(target_arch = "x86_64")]
mod x86;

use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::requant::{Requant, check_table};

/// Operands of [`Kernels::des_s16`]. A token x of `k * p` channels is viewed as `[k, p]`:
/// ```text
/// h[i][o] = table[clamp(rq(right_bias[o] + sum_j x[i][j] right[o][j]) + zero, 0, len - 1)]      rq per o
/// z[o][q] = rq(left_bias[o] + sum_i h[i][q] left[o][i])   added to channel o * p + q             rq per o
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Des<'a> {
    /// `[tokens, k * p]`.
    pub x: &'a [i16],
    /// Rows of a token's view; `k * 32768 * 127 + |left_bias| < 2^31`.
    pub k: usize,
    /// Columns of a token's view; `p * 32768 * 127 + |right_bias| < 2^31`.
    pub p: usize,
    /// `[p, p]`, `[out, in]`, in -127..=127.
    pub right: &'a [i8],
    /// `[p]`.
    pub right_bias: &'a [i32],
    /// One multiplier and shift per output of `right`.
    pub right_requant: Requant<'a>,
    /// Index of the real value 0.
    pub zero: i32,
    /// Activation by index, s16 entries, 1 or more.
    pub table: &'a [i16],
    /// `[k, k]`, `[out, in]`, in -127..=127.
    pub left: &'a [i8],
    /// `[k]`.
    pub left_bias: &'a [i32],
    /// One multiplier and shift per output of `left`.
    pub left_requant: Requant<'a>,
}

impl Kernels {
    /// Adds the shortcut of every token to `out` (`[tokens, k * p]`, i32 in the scale of the
    /// residual stream). `hidden` is scratch of at least `k * p` elements.
    ///
    /// # Errors
    /// [`ShapeError`] if `k` or `p` is 0, or a length does not follow from them.
    pub fn des_s16(self, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) -> Result<(), ShapeError> {
        let Des { k, p, .. } = *args;
        require(k != 0 && p != 0, ShapeError::Parameter)?;
        let channels = k.checked_mul(p).ok_or(ShapeError::Parameter)?;
        require(args.x.len().is_multiple_of(channels), ShapeError::Input)?;
        require(args.right_bias.len() == p && args.left_bias.len() == k, ShapeError::Channels)?;
        args.right_requant.check(p)?;
        args.left_requant.check(k)?;
        require(p.checked_mul(p) == Some(args.right.len()) && k.checked_mul(k) == Some(args.left.len()), ShapeError::Weights)?;
        check_table(args.table)?;
        require(out.len() == args.x.len(), ShapeError::Output)?;
        let hidden = hidden.get_mut(..channels).ok_or(ShapeError::Scratch)?;
        run(self.tier, args, hidden, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => x86, Dsp => dsp, Mve => mve, Neon.. => neon }
    chosen;
    fn run(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]);
}
