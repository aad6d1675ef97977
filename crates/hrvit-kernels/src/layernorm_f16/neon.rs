//! The LayerNorm. Tokens of 16, 32 and 64 channels are read and widened once and stay in registers;
//! others are [`tokens`](super::tokens)'.

use half::f16;

use super::NormF16;
use crate::isa::Neon;
use crate::neon::floats::{Eight, LANES, add, fma, load, load_f32, mul, reciprocal_root, splat, store_at, sub, sum};

/// Tokens of any number of channels.
mod any {
    crate::layernorm_f16::tokens::tokens!(Neon, neon, "neon");
}

/// Tokens.
pub(super) fn tokens(neon: Neon, x: &[f16], norm: &NormF16<'_>, out: &mut [f16]) {
    let (from, to, len) = (x.as_ptr(), out.as_mut_ptr(), x.len().min(out.len()));
    // SAFETY: the token proves NEON; both hold so many elements.
    unsafe {
        match norm.gain.len() {
            16 => whole::<2>(from, to, len, norm),
            32 => whole::<4>(from, to, len, norm),
            64 => whole::<8>(from, to, len, norm),
            _ => any::tokens(neon, x, norm, out),
        }
    }
}

/// Tokens, in place.
pub(super) fn tokens_in_place(neon: Neon, x: &mut [f16], norm: &NormF16<'_>) {
    let (to, len) = (x.as_mut_ptr(), x.len());
    // SAFETY: as above.
    unsafe {
        match norm.gain.len() {
            16 => whole::<2>(to, to, len, norm),
            32 => whole::<4>(to, to, len, norm),
            64 => whole::<8>(to, to, len, norm),
            _ => any::tokens_in_place(neon, x, norm),
        }
    }
}

/// Tokens of `8 * N` channels in `len` elements, `N` even.
///
/// # Safety
/// The processor has NEON. `len` elements may be read from `x` on and written from `out` on, which
/// may be the same place; gain and offset are `8 * N` (checked).
#[target_feature(enable = "neon")]
unsafe fn whole<const N: usize>(x: *const f16, out: *mut f16, len: usize, norm: &NormF16<'_>) {
    let channels = (N * LANES) as f32;
    // SAFETY: the vectors of gain and offset are theirs.
    let affine: [[Eight; 2]; N] = core::array::from_fn(|i| [norm.gain, norm.offset].map(|values| unsafe { load_f32(&*values.as_ptr().add(i * LANES).cast()) }));
    for first in (0..len / (N * LANES)).map(|token| token * N * LANES) {
        // SAFETY: the token lies in front of `len`.
        let x: [Eight; N] = core::array::from_fn(|i| unsafe { load(&*x.add(first + i * LANES).cast()) });
        let mean = splat(total(&x, |sum, x| add(sum, x)) / channels);
        let distance = x.map(|x| sub(x, mean));
        let r = splat(reciprocal_root(total(&distance, |sum, d| fma(sum, d, d)) / channels + norm.eps));
        for (i, (distance, [gain, offset])) in distance.into_iter().zip(affine).enumerate() {
            // SAFETY: as above.
            unsafe { store_at(out.add(first + i * LANES), fma(offset, mul(distance, r), gain)) };
        }
    }
}

/// The sum of all lanes of what `term` adds to a sum, every other vector to one of two.
#[inline(always)]
fn total<const N: usize>(x: &[Eight; N], term: impl Fn(Eight, Eight) -> Eight) -> f32 {
    // SAFETY: NEON is in every AArch64 processor.
    unsafe {
        let mut sums = [splat(0.0); 2];
        for [low, high] in x.as_chunks::<2>().0 {
            sums = [term(sums[0], *low), term(sums[1], *high)];
        }
        sum(add(sums[0], sums[1]))
    }
}
