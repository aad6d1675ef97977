//! Attention of one head over one strip of tokens, keys and values shared: `softmax(q v^T) v` in
//! integers.

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx_vnni;
#[cfg(hrvit_dsp)]
mod dsp;
#[cfg(hrvit_mve)]
mod mve;
#[cfg(hrvit_mve)]
mod mve_long;
#[cfg(target_arch = "aarch64")]
mod neon;
#[cfg(target_arch = "aarch64")]
mod neon_dotprod;
#[cfg(target_arch = "aarch64")]
mod neon_i8mm;
#[cfg(any(test, hrvit_dsp, hrvit_mve))]
mod reciprocal;
pub mod scalar;
#[cfg(any(test, hrvit_dsp, hrvit_mve))]
mod table;
#[cfg(target_arch = "x86_64")]
mod zmm;

use crate::contract::max_keys;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};
use crate::math::EXP;

/// Largest entry of the exponent table.
const EXP_MAX: u16 = 32_640;

/// Operands of [`Kernels::attention_s8`], per query q of the strip and every key j in it:
/// ```text
/// l_j = sum_i q_i v_ji           i32            m = max_j l_j
/// t_j = rq(m - l_j; mult, shift)                distance in 1/64 octaves; code 0 from t = 1024 on
/// e_j = (exp[t & 63] + 2^(n-1)) >> n            n = (t >> 6) + 15 - bits;  n = 0: no rounding term;  n >= 16: 0
/// S   = sum_j e_j     acc_i = sum_j e_j v_ji    z = clz(S)   r = min(2^62 / (S << z), 2^31 - 1)
/// o_i = (acc_i * r + 2^(53-z)) >> (54 - z)      8 fractional bits of v's code
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Strip<'a> {
    /// `[queries, dim]`, codes that hold `log2(e) / sqrt(d)`.
    pub q: &'a [i8],
    /// `[keys, dim]`, 1 key or more, codes in -127..=127.
    pub v: &'a [i8],
    /// Head dimension, in 1..=65536.
    pub dim: usize,
    /// Multiplier of the distances, in `2^30..2^31`.
    pub mult: i32,
    /// Shift of the distances, in `32..=62`.
    pub shift: u8,
    /// [`exp_table`]: 64 entries of at most 32640, the first at least 64.
    pub exp: &'a [u16],
    /// Bits of a code: 15 (at most 518 keys) or 8 (at most 66311 keys).
    pub bits: u8,
}

/// The exponent table `T[f] = round(32640 * 2^(-f / 64))`.
pub const fn exp_table() -> [u16; 64] {
    EXP
}

/// The largest entry.
#[inline(never)] // in a loop of known length every turn would be written out
fn largest(exp: &[u16]) -> u16 {
    exp.iter().copied().max().unwrap_or(0)
}

impl Kernels {
    /// Attention of every query of a strip over all its keys. `scores` is scratch of at least
    /// `keys` elements; `out` is `[queries, dim]`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree, a parameter is outside its range, or the strip has
    /// no key or more than [`max_keys`].
    pub fn attention_s8(self, args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) -> Result<(), ShapeError> {
        require((1..=65_536).contains(&args.dim), ShapeError::Parameter)?;
        let most = max_keys(args.bits).ok_or(ShapeError::Parameter)?;
        require(args.q.len().is_multiple_of(args.dim) && args.v.len().is_multiple_of(args.dim), ShapeError::Input)?;
        let keys = args.v.len() / args.dim;
        require((1..=most).contains(&keys), ShapeError::Input)?;
        require(args.exp.len() == EXP.len() && args.exp.first() >= Some(&64) && largest(args.exp) <= EXP_MAX, ShapeError::Table)?;
        require(out.len() == args.q.len(), ShapeError::Output)?;
        let scores = scores.get_mut(..keys).ok_or(ShapeError::Scratch)?;
        run(self.tier, args, scores, out);
        Ok(())
    }
}

backends! {
    { X86 => [avx2, avx_vnni, zmm], Dsp => dsp, Mve => mve, Neon => neon, NeonDotprod => neon_dotprod, NeonI8mm => neon_i8mm }
    chosen;
    fn run(args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]);
}
