//! Attention of one head over one strip of tokens, keys and values shared: `softmax(q v^T) v`,
//! logits, softmax and sums in f32.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(feature = "orders")]
mod emulated;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod packed;
pub mod scalar;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
mod strip;

use half::f16;

use crate::contract::MAX_KEYS_F16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Keys that vectors take at a time.
pub(crate) const BLOCK: usize = 8;

/// Operands of [`Kernels::attention_f16`], per query q of the strip and every key j in it, in f32:
/// ```text
/// l_j = sum_i q_i v_ji      m = max_j l_j      p_j = 2^(l_j - m)
/// o_i = narrow((sum_j p_j v_ji) / (sum_j p_j))
/// ```
/// `2^x` is [`exp2`](crate::math_f32::exp2). The largest p is 1, so that the sum in the denominator
/// is between 1 and the number of keys.
#[derive(Clone, Copy, Debug)]
pub struct StripF16<'a> {
    /// `[queries, dim]`, finite: holds `log2(e) / sqrt(d)`.
    pub q: &'a [f16],
    /// `[keys, dim]`, finite, keys in 1..=65536.
    pub v: &'a [f16],
    /// Head dimension, in 1..=65536.
    pub dim: usize,
}

/// Elements of scratch for a strip of `keys` of `dim` elements: the scores of four queries, and the
/// keys once more, both for keys up to a multiple of 8. At most
/// `4 * keys + keys.next_multiple_of(8) * dim / 2 + 28`; `usize::MAX`, which no slice is long,
/// where that many cannot be counted.
pub const fn scratch(keys: usize, dim: usize) -> usize {
    match keys.checked_next_multiple_of(BLOCK) {
        Some(keys) => keys.saturating_mul(4).saturating_add((keys / 2).saturating_mul(dim)),
        None => usize::MAX,
    }
}

impl Kernels {
    /// Attention of every query of a strip over all its keys. `scratch` has at least
    /// [`scratch`]`(keys, dim)` elements; `out` is `[queries, dim]`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree, a parameter is outside its range, or the strip has
    /// no key or too many.
    pub fn attention_f16(self, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) -> Result<(), ShapeError> {
        require((1..=MAX_KEYS_F16).contains(&args.dim), ShapeError::Parameter)?;
        require(args.q.len().is_multiple_of(args.dim) && args.v.len().is_multiple_of(args.dim), ShapeError::Input)?;
        let keys = args.v.len() / args.dim;
        require((1..=MAX_KEYS_F16).contains(&keys), ShapeError::Input)?;
        require(out.len() == args.q.len(), ShapeError::Output)?;
        let scratch = scratch.get_mut(..self::scratch(keys, args.dim)).ok_or(ShapeError::Scratch)?;
        run(self.tier, args, scratch, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => avx2, Neon => neon, NeonDotprod => neon, NeonI8mm => neon_i8mm, Mve => mve, Emulated => emulated }
    chosen;
    fn run(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]);
}
