//! The attention, 4 queries at a time: the keys are transposed once per strip, 8 to a vector, so
//! that logits are sums of 8 keys and powers vectors of 8.
//!
//! Logits are those of the definition, in its order.

use half::f16;

use super::packed::{Place, QUERIES, packed};
use super::{BLOCK, StripF16};
use crate::isa::Neon;
use crate::math_f32;
use crate::neon::activations::{exp2, exp2_of_two};
use crate::neon::floats::{Eight, LANES, add, largest, load_f32, max, mul, splat, store, store_f32, sub, sum};
use crate::neon::product_f16::{Fmla, Products, ROWS};
use crate::slices::window_mut;

/// Computes the strip. `scratch` holds [`scratch`](super::scratch) elements.
pub(super) fn run(_: Neon, args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    #[target_feature(enable = "neon")]
    fn run(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
        // SAFETY: NEON by the attribute.
        unsafe { strip::<Fmla>(args, scratch, out) }
    }
    // SAFETY: the token proves NEON.
    unsafe { run(args, scratch, out) }
}

/// All queries, logits by the instructions of `P`.
///
/// # Safety
/// The processor has NEON and the instructions of `P`.
#[inline(always)]
pub(super) unsafe fn strip<P: Products<f16, f16>>(args: &StripF16<'_>, scratch: &mut [f32], out: &mut [f16]) {
    let StripF16 { q, v, dim } = *args;
    let Some((scores, packed)) = packed(args, scratch) else { return };
    let (fours, ones) = q.split_at(q.len() / (QUERIES * dim) * (QUERIES * dim));
    let (out_fours, out_ones) = out.split_at_mut(fours.len());
    for (q, out) in fours.chunks_exact(QUERIES * dim).zip(out_fours.chunks_exact_mut(QUERIES * dim)) {
        // SAFETY: the caller vouches for the instructions.
        unsafe { queries::<QUERIES, P>(q, packed, v, dim, scores, out) };
    }
    for (q, out) in ones.chunks_exact(dim).zip(out_ones.chunks_exact_mut(dim)) {
        // SAFETY: as above.
        unsafe { queries::<1, P>(q, packed, v, dim, scores, out) };
    }
}

/// `Q` queries; `scores` holds [`QUERIES`] rows of scores, keys up to whole blocks.
///
/// # Safety
/// The processor has NEON and the instructions of `P`.
#[target_feature(enable = "neon")]
unsafe fn queries<const Q: usize, P: Products<f16, f16>>(q: &[f16], packed: &[Place], v: &[f16], dim: usize, scores: &mut [f32], out: &mut [f16]) {
    let (keys, padded) = (v.len() / dim, scores.len() / QUERIES);
    let pointers: [*const f16; ROWS] = core::array::from_fn(|r| q.as_ptr().wrapping_add(r.min(Q - 1) * dim));
    for (block, places) in packed.chunks_exact(dim).enumerate() {
        let mut sums = [splat(0.0); ROWS];
        // SAFETY: `q` holds `Q` queries, `places` one vector of keys for each of their elements.
        unsafe { P::add::<Q>(&pointers, places.as_ptr().cast::<f16>(), size_of::<Place>(), dim, &mut sums) };
        for (row, sums) in sums.into_iter().enumerate().take(Q) {
            let Some(scores) = window_mut(scores, row * padded + block * BLOCK) else { return };
            store_f32(scores, sums);
        }
    }
    let mut reciprocals = [0.0; Q];
    for (scores, reciprocal) in scores.chunks_exact_mut(padded).zip(&mut reciprocals) {
        *reciprocal = powers(scores, keys);
    }
    let pointers: [*const f32; ROWS] = core::array::from_fn(|r| scores.as_ptr().wrapping_add(r.min(Q - 1) * padded));
    for first in (0..dim / LANES * LANES).step_by(LANES) {
        let mut sums = [splat(0.0); ROWS];
        // SAFETY: `scores` holds a power for each query and key, `v` 8 elements from `first` on for
        // each key, keys `dim` elements apart.
        unsafe { Fmla::add::<Q>(&pointers, v.as_ptr().wrapping_add(first), dim * size_of::<f16>(), keys, &mut sums) };
        for (row, (sums, reciprocal)) in sums.into_iter().zip(reciprocals).enumerate() {
            let Some(out) = window_mut(out, row * dim + first) else { return };
            store(out, mul(sums, splat(reciprocal)));
        }
    }
    for i in dim / LANES * LANES..dim {
        for ((scores, reciprocal), out) in scores.chunks_exact(padded).zip(reciprocals).zip(out.chunks_exact_mut(dim)) {
            let sum = scores.iter().zip(v.chunks_exact(dim)).fold(0.0, |sum, (power, v)| sum + power * math_f32::widen(v[i]));
            out[i] = math_f32::narrow(sum * reciprocal);
        }
    }
}

/// Replaces each of the logits of `keys` keys by its power and returns the reciprocal of their sum.
#[inline]
#[target_feature(enable = "neon")]
fn powers(scores: &mut [f32], keys: usize) -> f32 {
    // No key: no power.
    scores.get_mut(keys..).unwrap_or_default().fill(f32::MIN);
    let (scores, _) = scores.as_chunks_mut::<LANES>();
    let most = scores.iter().fold(splat(f32::MIN), |most, scores| max(most, load_f32(scores)));
    let most = splat(largest(most));
    let mut total = splat(0.0);
    let (pairs, last) = scores.as_chunks_mut::<2>();
    for [low, high] in pairs {
        let powers: [Eight; 2] = exp2_of_two([sub(load_f32(low), most), sub(load_f32(high), most)]);
        total = add(add(total, powers[0]), powers[1]);
        store_f32(low, powers[0]);
        store_f32(high, powers[1]);
    }
    for scores in last {
        let power = exp2(sub(load_f32(scores), most));
        total = add(total, power);
        store_f32(scores, power);
    }
    1.0 / sum(total)
}
