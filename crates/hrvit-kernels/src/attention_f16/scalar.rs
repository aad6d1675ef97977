//! Definition of the attention: per query, all logits, then all powers, then the weighted sum of
//! the values.

use half::f16;

use super::StripF16;
use crate::math_f32::{exp2, narrow, widen};
use crate::slices::{HALF_F16, LANES_F16, blocks_of, rows, rows_mut, window, window_mut};

/// Computes the strip; lengths were checked by
/// [`Kernels::attention_f16`](crate::Kernels::attention_f16), `scratch` holds one element per key
/// or more.
pub(super) fn run(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    let StripF16 { q, v, dim } = *args;
    let keys = v.len().checked_div(dim).unwrap_or(0);
    let Some(scores) = scratch.get_mut(..keys) else { return };
    for (q, out) in rows(q, dim).zip(rows_mut(out, dim)) {
        let mut most = f32::MIN;
        for (key, score) in rows(v, dim).zip(scores.iter_mut()) {
            *score = q.iter().zip(key).fold(0.0, |sum, (q, v)| sum + widen(*q) * widen(*v));
            most = most.max(*score);
        }
        let mut sum = 0.0;
        for score in scores.iter_mut() {
            *score = exp2(*score - most);
            sum += *score;
        }
        blocks_of(LANES_F16, dim, |first, width| match width {
            _ if width == LANES_F16 => values::<LANES_F16>(scores, v, dim, first, sum, out),
            _ if width == HALF_F16 => values::<HALF_F16>(scores, v, dim, first, sum, out),
            _ => values::<1>(scores, v, dim, first, sum, out),
        });
    }
}

/// Channels `first..first + N` of one query's output.
#[inline(always)]
fn values<const N: usize>(powers: &[f32], v: &[f16], dim: usize, first: usize, sum: f32, out: &mut [f16]) -> Option<()> {
    let mut acc = [0.0; N];
    for (power, v) in powers.iter().zip(rows(v, dim)) {
        let v: &[f16; N] = window(v, first)?;
        for (acc, v) in acc.iter_mut().zip(v) {
            *acc += *power * widen(*v);
        }
    }
    let out: &mut [f16; N] = window_mut(out, first)?;
    for (out, acc) in out.iter_mut().zip(acc) {
        *out = narrow(acc / sum);
    }
    Some(())
}
