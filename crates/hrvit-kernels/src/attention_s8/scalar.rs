//! Definition of the attention: per query, all logits, then all codes, then the weighted sum of the values.

use super::Strip;
use crate::lanes::{LANES, dot, window, window_mut};
use crate::requant::requant;

/// First distance whose code is 0: 16 octaves of 64 steps.
const CUT_OFF: i32 = 1024;

/// Computes the strip; lengths were checked by [`super::attention_s8`], `scores` holds one element per key.
pub(super) fn run(args: &Strip<'_>, scores: &mut [i32], out: &mut [i16]) {
    let dim = args.dim.max(1);
    let blocks = dim - dim % LANES;
    for (q, out) in args.q.chunks_exact(dim).zip(out.chunks_exact_mut(dim)) {
        let maximum = logits(q, args.v, scores);
        let sum = codes(args, maximum, scores);
        let zeros = sum.leading_zeros();
        let reciprocal = (1u64 << 62).checked_div(u64::from(sum) << zeros).unwrap_or(0).min(0x7fff_ffff) as i64;
        let scale = (reciprocal, 54 - zeros);
        for first in (0..blocks).step_by(LANES) {
            values::<LANES>(scores, args.v, dim, first, scale, out);
        }
        for first in blocks..dim {
            values::<1>(scores, args.v, dim, first, scale, out);
        }
    }
}

/// Logits of one query over every key, and their maximum.
#[inline(always)]
fn logits(q: &[i8], v: &[i8], scores: &mut [i32]) -> i32 {
    let mut maximum = i32::MIN;
    for (key, score) in v.chunks_exact(q.len().max(1)).zip(scores) {
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
    let t = requant(below, 0, args.mult, args.shift).max(0);
    if t >= CUT_OFF {
        return 0;
    }
    let entry = u32::from(args.exp.get(t as usize & 63).copied().unwrap_or_default());
    let n = (t as u32 >> 6) + 15u32.wrapping_sub(u32::from(args.bits));
    let half = (1u32 << n) >> 1;
    if n >= 16 { 0 } else { (entry + half) >> n }
}

/// Channels `first..first + N` of one query's output.
#[inline(always)]
fn values<const N: usize>(codes: &[i32], v: &[i8], dim: usize, first: usize, scale: (i64, u32), out: &mut [i16]) -> Option<()> {
    let mut acc = [0i32; N];
    for (code, value) in codes.iter().zip(v.chunks_exact(dim)) {
        // A code has at most 15 bits: said in i16, the product is one multiplication of halves.
        let code = i32::from(*code as i16);
        let value: &[i8; N] = window(value, first)?;
        for (acc, value) in acc.iter_mut().zip(value) {
            *acc += code * i32::from(*value);
        }
    }
    let (reciprocal, k) = scale;
    let out: &mut [i16; N] = window_mut(out, first)?;
    for (out, acc) in out.iter_mut().zip(acc) {
        *out = (i64::from(acc).wrapping_mul(reciprocal).wrapping_add(1i64.wrapping_shl(k.wrapping_sub(1)))).wrapping_shr(k) as i16;
    }
    Some(())
}
