//! Attention of one head over one strip of 16-bit codes, keys and values shared: `softmax(q v^T) v`
//! in integers.

pub mod scalar;

use crate::contract::MAX_KEYS_S16;
use crate::error::{ShapeError, require};
use crate::kernels::{Kernels, backends};

/// Largest entry of the exponent table.
const EXP_MAX: u16 = 32_640;

/// Operands of [`Kernels::attention_s16`], per query q of the strip and every key j in it:
/// ```text
/// l_j = sum_i q_i v_ji           i32            m = max_j l_j
/// t_j = rq(m - l_j; mult, shift)                distance in 1/4096 octaves;  f = (t >> 6) & 63,  g = t & 63,  n = t >> 12;  code 0 from n = 16 on
/// y_j = 64 * exp[f] - g * (exp[f] - exp[f + 1])                              exp[64] = exp[0] / 2
/// e_j = (y_j + 2^(n+5)) >> (n + 6)
/// S   = sum_j e_j     acc_i = sum_j e_j v_ji (i64)     z = clz(S)   r = min(2^62 / (S << z), 2^31 - 1)
/// o_i = (((acc_i << z) >> 14) * r + 2^45) >> 46        2 fractional bits of v's code
/// ```
#[derive(Clone, Copy, Debug)]
pub struct StripS16<'a> {
    /// `[queries, dim]`, codes that hold `log2(e) / sqrt(d)`; `dim * max|q| * max|v| < 2^30`.
    pub q: &'a [i16],
    /// `[keys, dim]`, 1 key or more, codes in -8191..=8191.
    pub v: &'a [i16],
    /// Head dimension, in 1..=65536.
    pub dim: usize,
    /// Multiplier of the distances, in `2^30..2^31`.
    pub mult: i32,
    /// Shift of the distances, in `32..=62`.
    pub shift: u8,
    /// [`exp_table`](crate::exp_table): 64 entries of at most 32640, falling, the first at
    /// least 64.
    pub exp: &'a [u16],
}

impl Kernels {
    /// Attention of every query of a strip over all its keys. `scores` is scratch of at least
    /// `keys` elements; `out` is `[queries, dim]`.
    ///
    /// # Errors
    /// [`ShapeError`] if the lengths disagree, a parameter is outside its range, or the strip has
    /// no key or more than [`MAX_KEYS_S16`].
    pub fn attention_s16(self, args: &StripS16<'_>, scores: &mut [i32], out: &mut [i16]) -> Result<(), ShapeError> {
        require((1..=65_536).contains(&args.dim), ShapeError::Parameter)?;
        require(args.q.len().is_multiple_of(args.dim) && args.v.len().is_multiple_of(args.dim), ShapeError::Input)?;
        let keys = args.v.len() / args.dim;
        require((1..=MAX_KEYS_S16).contains(&keys), ShapeError::Input)?;
        require(args.exp.len() == 64 && args.exp.first() >= Some(&64) && args.exp.first() <= Some(&EXP_MAX), ShapeError::Table)?;
        require(args.exp.windows(2).all(|pair| pair.first() >= pair.last()), ShapeError::Table)?;
        require(out.len() == args.q.len(), ShapeError::Output)?;
        let scores = scores.get_mut(..keys).ok_or(ShapeError::Scratch)?;
        run(self.tier, args, scores, out);
        Ok(())
    }
}

backends! {
    { Avx2.. => compiled }
    chosen;
    fn run(args: &StripS16<'_>, scores: &mut [i32], out: &mut [i16]);
}
