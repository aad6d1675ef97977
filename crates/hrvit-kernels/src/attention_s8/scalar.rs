//! Definition of the attention: per query, all logits, then all codes, then the weighted sum of the
//! values.

use super::Strip;
use crate::requant::requant;
use crate::slices::{HALF, LANES, blocks, dot, rows, rows_mut, window, window_mut};

/// Computes the strip; lengths were checked by
/// [`Kernels::attention_s8`](crate::Kernels::attention_s8), `scores` holds one element per key.
pub(super) fn run(args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let dim = args.dim.max(1);
    for (q, out) in rows(args.q, dim).zip(rows_mut(out, dim)) {
        let maximum = logits(q, args.v, scores);
        let sum = codes(args, maximum, scores);
        let zeros = sum.leading_zeros();
        let reciprocal = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff) as i64;
        let scale = (reciprocal, 54 - zeros);
        blocks(dim, |first, width| match width {
            _ if width == LANES => values::<LANES>(scores, args.v, dim, first, scale, out),
            _ if width == HALF => values::<HALF>(scores, args.v, dim, first, scale, out),
            _ => values::<1>(scores, args.v, dim, first, scale, out),
        });
    }
}

/// Logits of one query over every key, and their maximum.
#[inline(always)]
fn logits(q: &[i8], v: &[i8], scores: &mut [i32]) -> i32 {
    let mut maximum = i32::MIN;
    for (key, score) in rows(v, q.len()).zip(scores) {
        *score = dot(q, key);
        maximum = maximum.max(*score);
    }
    maximum
}

/// Replaces each logit by its code and returns the sum of the codes.
#[inline(always)]
fn codes(args: &Strip<'_>, maximum: i32, scores: &mut [i32]) -> u32 {
    let mut sum = 0u32;
    for score in scores {
        let code = code(args, maximum.wrapping_sub(*score));
        sum = sum.wrapping_add(code);
        *score = code as i32;
    }
    sum
}

/// Code of one distance below the maximum.
#[inline(always)]
fn code(args: &Strip<'_>, below: i32) -> u32 {
    let t = requant(below, 0, args.mult, args.shift).max(0) as u32;
    let entry = u32::from(args.exp.get(t as usize & 63).copied().unwrap_or_default());
    // From n = 16 on the rounded shift gives 0 by itself, as an entry is below 2^15: so it does
    // from t = 1024 on.
    let n = ((t >> 6) + 15).wrapping_sub(u32::from(args.bits)).min(31);
    let half = 1u32.wrapping_shl(n) >> 1;
    (entry + half).wrapping_shr(n)
}

/// Channels `first..first + N` of one query's output.
#[inline(always)]
fn values<const N: usize>(codes: &[i32], v: &[i8], dim: usize, first: usize, scale: (i64, u32), out: &mut [i16]) -> Option<()> {
    let mut acc = [0i32; N];
    weighted_sums(codes, v, dim, first, &mut acc)?;
    let (reciprocal, k) = scale;
    let out: &mut [i16; N] = window_mut(out, first)?;
    for (out, acc) in out.iter_mut().zip(acc) {
        *out = (i64::from(acc).wrapping_mul(reciprocal).wrapping_add(1i64.wrapping_shl(k.wrapping_sub(1)))).wrapping_shr(k) as i16;
    }
    Some(())
}

/// `out[i] = sum over keys of code * v[key][first + i]`. Keys are taken four at a time, and the
/// function is not inlined, only so that compilers see the sums of all channels as vectors.
#[inline(never)]
fn weighted_sums<const N: usize>(codes: &[i32], v: &[i8], dim: usize, first: usize, out: &mut [i32; N]) -> Option<()> {
    let mut acc = [0i32; N];
    let (fours, rest) = codes.as_chunks::<4>();
    let (four_values, rest_values) = v.split_at_checked(fours.len() * 4 * dim)?;
    for (codes, v) in fours.iter().zip(rows(four_values, 4 * dim)) {
        let [c0, c1, c2, c3] = codes.map(code16);
        let (v0, v1): (&[i8; N], &[i8; N]) = (window(v, first)?, window(v, dim + first)?);
        let (v2, v3): (&[i8; N], &[i8; N]) = (window(v, 2 * dim + first)?, window(v, 3 * dim + first)?);
        for (acc, ((v0, v1), (v2, v3))) in acc.iter_mut().zip(v0.iter().zip(v1).zip(v2.iter().zip(v3))) {
            *acc += c0 * i32::from(*v0) + c1 * i32::from(*v1) + c2 * i32::from(*v2) + c3 * i32::from(*v3);
        }
    }
    for (code, v) in rest.iter().zip(rows(rest_values, dim)) {
        let value: &[i8; N] = window(v, first)?;
        for (acc, value) in acc.iter_mut().zip(value) {
            *acc += code16(*code) * i32::from(*value);
        }
    }
    *out = acc;
    Some(())
}

/// A code has at most 15 bits: said in i16, its product with a value is one multiplication of
/// halves.
#[inline(always)]
fn code16(code: i32) -> i32 {
    i32::from(code as i16)
}
