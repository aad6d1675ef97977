//! The attention, 4 queries at a time: the keys are transposed once per strip, 8 to a vector, so
//! that logits are sums of 8 keys and powers vectors of 8.
//!
//! Logits are those of the definition, in its order. Heads of more than 256 elements are left to
//! `scalar`.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use half::f16;

use super::packed::{Place, QUERIES, packed};
use super::{StripF16, scalar};
use crate::avx2::activations::exp2;
use crate::avx2::floats::{LANES, largest, load, load_f32, store, store_f32, sum, tile, widen};
use crate::isa::Avx2;
use crate::math_f32;
use crate::slices::{window, window_mut};

/// Longest head.
const MAX_DIM: usize = 256;

/// Computes the strip.
pub(super) fn run(_: Avx2, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    if args.dim > MAX_DIM {
        return scalar::run(args, scratch, out);
    }
    // SAFETY: the token proves AVX2, FMA and F16C.
    unsafe { strip(args, scratch, out) }
}

/// All queries. `scratch` holds [`scratch`](super::scratch) elements.
#[target_feature(enable = "avx2,fma,f16c")]
fn strip(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    let StripF16 { q, v, dim } = *args;
    let Some((scores, packed)) = packed(args, scratch) else { return };
    let (fours, ones) = q.split_at(q.len() / (QUERIES * dim) * (QUERIES * dim));
    let (out_fours, out_ones) = out.split_at_mut(fours.len());
    for (q, out) in fours.chunks_exact(QUERIES * dim).zip(out_fours.chunks_exact_mut(QUERIES * dim)) {
        queries::<QUERIES>(q, packed, v, dim, scores, out);
    }
    for (q, out) in ones.chunks_exact(dim).zip(out_ones.chunks_exact_mut(dim)) {
        queries::<1>(q, packed, v, dim, scores, out);
    }
}

/// `Q` queries.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn queries<const Q: usize>(q: &[f16], packed: &[Place], v: &[f16], dim: usize, scores: &mut [f32], out: &mut [f16]) {
    let mut wide = [MaybeUninit::uninit(); QUERIES * MAX_DIM];
    let mut wide = widen(q, &mut wide).chunks_exact(dim);
    let wide: [&[f32]; Q] = core::array::from_fn(|_| wide.next().unwrap_or_default());
    let keys = v.len() / dim;
    let padded = scores.len() / QUERIES;
    let mut scores = scores.chunks_exact_mut(padded);
    let mut scores: [&mut [f32]; Q] = core::array::from_fn(|_| scores.next().unwrap_or_default());
    logits(wide, packed, dim, &mut scores);
    let mut reciprocals = [0.0; Q];
    for (scores, reciprocal) in scores.iter_mut().zip(&mut reciprocals) {
        *reciprocal = powers(scores, keys);
    }
    let scores = scores.each_ref().map(|scores| scores.get(..keys).unwrap_or_default());
    let mut first = 0;
    while first + 2 * LANES <= dim {
        values::<Q, 2>(scores, v, dim, first, reciprocals, out);
        first += 2 * LANES;
    }
    if first + LANES <= dim {
        values::<Q, 1>(scores, v, dim, first, reciprocals, out);
        first += LANES;
    }
    for i in first..dim {
        for ((scores, reciprocal), out) in scores.iter().zip(reciprocals).zip(out.chunks_exact_mut(dim)) {
            let sum = scores.iter().zip(v.chunks_exact(dim)).fold(0.0, |sum, (power, v)| sum + power * math_f32::widen(v[i]));
            out[i] = math_f32::narrow(sum * reciprocal);
        }
    }
}

/// Every query times every key.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn logits<const Q: usize>(q: [&[f32]; Q], packed: &[Place], dim: usize, scores: &mut [&mut [f32]; Q]) {
    let mut blocks = packed.chunks_exact(dim);
    let mut first = 0;
    while let Some(low) = blocks.next() {
        match blocks.next() {
            Some(high) => {
                for (sums, scores) in tile(q, [low, high], [[_mm256_setzero_ps(); 2]; Q]).into_iter().zip(scores.iter_mut()) {
                    let Some(scores) = window_mut::<f32, { 2 * LANES }>(scores, first) else { return };
                    scores.as_chunks_mut().0.iter_mut().zip(sums).for_each(|(scores, sum)| store_f32(scores, sum));
                }
            }
            None => {
                for ([sum], scores) in tile(q, [low], [[_mm256_setzero_ps(); 1]; Q]).into_iter().zip(scores.iter_mut()) {
                    let Some(scores) = window_mut(scores, first) else { return };
                    store_f32(scores, sum);
                }
            }
        }
        first += 2 * LANES;
    }
}

/// Replaces each of the logits of `keys` keys by its power and returns the reciprocal of their sum.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn powers(scores: &mut [f32], keys: usize) -> f32 {
    // No key: no power.
    scores.get_mut(keys..).unwrap_or_default().fill(f32::MIN);
    let (scores, _) = scores.as_chunks_mut::<LANES>();
    let mut most = _mm256_set1_ps(f32::MIN);
    for scores in scores.iter() {
        most = _mm256_max_ps(most, load_f32(scores));
    }
    let most = _mm256_set1_ps(largest(most));
    let mut total = _mm256_setzero_ps();
    for scores in scores {
        let power = exp2(_mm256_sub_ps(load_f32(scores), most));
        total = _mm256_add_ps(total, power);
        store_f32(scores, power);
    }
    1.0 / sum(total)
}

/// `N` vectors of the outputs of `Q` queries.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn values<const Q: usize, const N: usize>(powers: [&[f32]; Q], v: &[f16], dim: usize, first: usize, reciprocals: [f32; Q], out: &mut [f16]) {
    let mut acc = [[_mm256_setzero_ps(); N]; Q];
    for (j, v) in v.chunks_exact(dim).enumerate() {
        let v: [__m256; N] = {
            let mut vectors = [_mm256_setzero_ps(); N];
            for (n, vector) in vectors.iter_mut().enumerate() {
                let Some(v) = window(v, first + n * LANES) else { return };
                *vector = load(v);
            }
            vectors
        };
        for (acc, powers) in acc.iter_mut().zip(powers) {
            let Some(power) = powers.get(j) else { return };
            let power = _mm256_set1_ps(*power);
            for (acc, v) in acc.iter_mut().zip(v) {
                *acc = _mm256_fmadd_ps(power, v, *acc);
            }
        }
    }
    for ((acc, reciprocal), out) in acc.into_iter().zip(reciprocals).zip(out.chunks_exact_mut(dim)) {
        for (n, acc) in acc.into_iter().enumerate() {
            let Some(out) = window_mut(out, first + n * LANES) else { return };
            store(out, _mm256_mul_ps(acc, _mm256_set1_ps(reciprocal)));
        }
    }
}
