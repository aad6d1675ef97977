//! Definition of the attention on 16-bit codes: per query, all logits, then all codes, then the
//! weighted sum of the values.

use super::StripS16;
use crate::requant::requant;
use crate::slices::{HALF, LANES, blocks, rows, rows_mut, window, window_mut};

/// Computes the strip; lengths were checked by
/// [`Kernels::attention_s16`](crate::Kernels::attention_s16), `scores` holds one element per key.
#[inline(always)]
pub(super) fn run(args: &StripS16<'_>, scores: &mut [i32], out: &mut [i16]) {
    let dim = args.dim.max(1);
    let exp = ends(args.exp);
    for (q, out) in rows(args.q, dim).zip(rows_mut(out, dim)) {
        let maximum = logits(q, args.v, scores);
        let sum = codes(args, &exp, maximum, scores);
        let zeros = sum.leading_zeros();
        let reciprocal = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff) as i64;
        let scale = (reciprocal, zeros);
        blocks(dim, |first, width| match width {
            _ if width == LANES => values::<LANES>(scores, args.v, dim, first, scale, out),
            _ if width == HALF => values::<HALF>(scores, args.v, dim, first, scale, out),
            _ => values::<1>(scores, args.v, dim, first, scale, out),
        });
    }
}

/// Entries of the table in pairs with the fall to the next: `(exp[f], exp[f] - exp[f + 1])`.
#[inline(always)]
fn ends(exp: &[u16]) -> [(u32, u32); 64] {
    let mut ends = [(0, 0); 64];
    let last = exp.first().map(|first| first / 2);
    for (end, (here, next)) in ends.iter_mut().zip(exp.iter().zip(exp.iter().skip(1).chain(last.as_ref()))) {
        *end = (u32::from(*here), u32::from(*here).wrapping_sub(u32::from(*next)));
    }
    ends
}

/// Logits of one query over every key, and their maximum.
#[inline(always)]
fn logits(q: &[i16], v: &[i16], scores: &mut [i32]) -> i32 {
    let mut maximum = i32::MIN;
    for (key, score) in rows(v, q.len()).zip(scores) {
        *score = dot(q, key);
        maximum = maximum.max(*score);
    }
    maximum
}

/// `sum of q[i] * v[i]`.
#[inline(always)]
fn dot(q: &[i16], v: &[i16]) -> i32 {
    q.iter().zip(v).fold(0i32, |sum, (q, v)| sum.wrapping_add(i32::from(*q).wrapping_mul(i32::from(*v))))
}

/// Replaces each logit by its code and returns the sum of the codes.
#[inline(always)]
fn codes(args: &StripS16<'_>, exp: &[(u32, u32); 64], maximum: i32, scores: &mut [i32]) -> u32 {
    let mut sum = 0u32;
    for score in scores {
        let t = requant(maximum.wrapping_sub(*score), 0, args.mult, args.shift).max(0) as u32;
        let (entry, fall) = exp.get((t >> 6) as usize & 63).copied().unwrap_or_default();
        let y = (entry << 6).wrapping_sub((t & 63).wrapping_mul(fall));
        // From n = 16 on the rounded shift gives 0 by itself, as y is below 2^21.
        let n = (t >> 12).min(20);
        let code = y.wrapping_add(1 << (n + 5)) >> (n + 6);
        sum = sum.wrapping_add(code);
        *score = code as i32;
    }
    sum
}

/// Channels `first..first + N` of one query's output.
#[inline(always)]
fn values<const N: usize>(codes: &[i32], v: &[i16], dim: usize, first: usize, scale: (i64, u32), out: &mut [i16]) -> Option<()> {
    let mut acc = [0i64; N];
    weighted_sums(codes, v, dim, first, &mut acc)?;
    let (reciprocal, zeros) = scale;
    let out: &mut [i16; N] = window_mut(out, first)?;
    for (out, acc) in out.iter_mut().zip(acc) {
        let normalised = acc.wrapping_shl(zeros) >> 14;
        *out = (normalised.wrapping_mul(reciprocal).wrapping_add(1 << 45) >> 46) as i16;
    }
    Some(())
}

/// `out[i] = sum over keys of code * v[key][first + i]`. Four keys at a time are summed in i32: a
/// product is below 2^28.
#[inline(always)]
fn weighted_sums<const N: usize>(codes: &[i32], v: &[i16], dim: usize, first: usize, out: &mut [i64; N]) -> Option<()> {
    for (codes, v) in codes.chunks(4).zip(v.chunks(4 * dim)) {
        let mut sums = [0i32; N];
        for (code, v) in codes.iter().zip(rows(v, dim)) {
            let value: &[i16; N] = window(v, first)?;
            for (sum, value) in sums.iter_mut().zip(value) {
                *sum = sum.wrapping_add(code.wrapping_mul(i32::from(*value)));
            }
        }
        for (out, sum) in out.iter_mut().zip(sums) {
            *out = out.wrapping_add(i64::from(sum));
        }
    }
    Some(())
}
