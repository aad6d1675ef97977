//! LayerNorm on vectors, a register of 16-bit channels at a time. Statistics of 8 tokens come
//! first, their reciprocal square roots included. The tokens follow, two at a time.
//!
//! A product of 16-bit pairs with a factor of 0 for one of the two multiplies the even channels, or
//! the odd ones. Both stay in registers of their own up to the end.

use super::{Norm, scalar};
use crate::contract::MAX_OFFSET;
use crate::x86::{Lanes, TOKENS, block};

/// Most channels whose normalised values fit 16 bits with 10 fractional bits:
/// `sqrt(1023) * 2^10 < 2^15`.
const MAX_COARSE: usize = 1024;

/// Whether the affine's sum, its rounding included, fits 32 bits: inside the contract it does.
#[inline(always)]
fn fits(norm: &Norm<'_>) -> bool {
    norm.offset.iter().fold(0, |most, offset| offset.unsigned_abs().max(most)) <= MAX_OFFSET
}

/// See [`Kernels::layernorm_s8`](crate::Kernels::layernorm_s8). Offsets beyond the contract are
/// left to `scalar`, here and below.
#[inline(always)]
pub(super) fn tokens_s8(v: impl Lanes, x: &[i16], norm: &Norm<'_>, lo: i32, hi: i32, out: &mut [i8]) {
    if !fits(norm) {
        return scalar::tokens_s8(x, norm, lo, hi, out);
    }
    // SAFETY: `x` and `out` have the same number of elements, a whole number of tokens.
    unsafe { any(v, x.as_ptr(), x.len(), norm, Codes([lo as i8, hi as i8]), out.as_mut_ptr()) }
}

/// See [`Kernels::layernorm_s16`](crate::Kernels::layernorm_s16).
#[inline(always)]
pub(super) fn tokens_s16(v: impl Lanes, x: &[i16], norm: &Norm<'_>, out: &mut [i16]) {
    if !fits(norm) {
        return scalar::tokens_s16(x, norm, out);
    }
    // SAFETY: as for `tokens_s8`.
    unsafe { any(v, x.as_ptr(), x.len(), norm, Words, out.as_mut_ptr()) }
}

/// See [`Kernels::layernorm_s16_in_place`](crate::Kernels::layernorm_s16_in_place).
#[inline(always)]
pub(super) fn tokens_s16_in_place(v: impl Lanes, x: &mut [i16], norm: &Norm<'_>) {
    if !fits(norm) {
        return scalar::tokens_s16_in_place(x, norm);
    }
    let (len, start) = (x.len(), x.as_mut_ptr());
    // SAFETY: as for `tokens_s8`; both pointers come from the one exclusive borrow.
    unsafe { any(v, start, len, norm, Words, start) }
}

/// How the channels of two tokens are stored.
trait Store: Copy {
    type Out;

    /// Stores as many channels to each of `out`.
    ///
    /// # Safety
    /// They may be written.
    unsafe fn put<V: Lanes>(self, v: V, out: [*mut Self::Out; 2], channels: [usize; 2], packed: [V::Vec; 2]);
}

/// `clamp(value, lo, hi)`, s8.
#[derive(Clone, Copy)]
struct Codes([i8; 2]);

impl Store for Codes {
    type Out = i8;

    #[inline(always)]
    unsafe fn put<V: Lanes>(self, v: V, out: [*mut i8; 2], channels: [usize; 2], packed: [V::Vec; 2]) {
        // SAFETY: the caller's promise.
        unsafe { v.store_packed_bytes(out, channels, packed, self.0) }
    }
}

/// As they are.
#[derive(Clone, Copy)]
struct Words;

impl Store for Words {
    type Out = i16;

    #[inline(always)]
    unsafe fn put<V: Lanes>(self, v: V, out: [*mut i16; 2], channels: [usize; 2], packed: [V::Vec; 2]) {
        // SAFETY: the caller's promise.
        unsafe {
            v.store_packed_words(out[0], channels[0], packed[0]);
            v.store_packed_words(out[1], channels[1], packed[1]);
        }
    }
}

/// [`normalise`]; values that may leave 16 bits are saturated.
///
/// # Safety
/// As for [`normalise`].
#[inline(always)]
unsafe fn any<V: Lanes, S: Store>(v: V, x: *const i16, len: usize, norm: &Norm<'_>, store: S, out: *mut S::Out) {
    // SAFETY: the caller's promise.
    unsafe {
        if norm.finer() == 0 && norm.gain.len() <= MAX_COARSE {
            normalise::<V, false, S>(v, x, len, norm, store, out);
        } else {
            normalise::<V, true, S>(v, x, len, norm, store, out);
        }
    }
}

/// `len` elements from `x` to `out`; `FINE`: normalised values may leave 16 bits.
///
/// # Safety
/// From `x` on `len` elements may be read, from `out` on written; `len` is a whole number of
/// tokens. The two may be the same.
#[inline(always)]
unsafe fn normalise<V: Lanes, const FINE: bool, S: Store>(v: V, x: *const i16, len: usize, norm: &Norm<'_>, store: S, out: *mut S::Out) {
    let channels = norm.gain.len();
    for first_token in (0..len).step_by(TOKENS * channels) {
        let tokens = ((len - first_token) / channels).min(TOKENS);
        // SAFETY: `tokens` tokens from here on lie inside the `len` elements.
        let shared = unsafe { Shared::new(v, x.wrapping_add(first_token), tokens, norm) };
        for first in (0..channels).step_by(V::WORDS) {
            let affine = Affine::new(v, norm, first);
            for pair in (0..tokens).step_by(2) {
                let start = first_token + pair * channels + first;
                let at = [start, start + channels];
                let counts = [channels - first, if pair + 1 < tokens { channels - first } else { 0 }];
                // SAFETY: the channels are those of existing tokens; they are read before they are
                // written.
                unsafe {
                    let a = affine.apply(v, shared.normal::<V, FINE>(v, pair, v.load_words(x.wrapping_add(at[0]), counts[0])));
                    let b = affine.apply(v, shared.normal::<V, FINE>(v, pair + 1, v.load_words(x.wrapping_add(at[1]), counts[1])));
                    store.put(v, [out.wrapping_add(at[0]), out.wrapping_add(at[1])], counts, [a, b]);
                }
            }
        }
    }
}

/// Statistics that the channels of each of 8 tokens share.
struct Shared {
    channels: i32,
    minus_sum: [i64; TOKENS],
    r: [i64; TOKENS],
    k: [i64; TOKENS],
}

impl Shared {
    /// # Safety
    /// From `x` on, `tokens` tokens may be read.
    #[inline(always)]
    unsafe fn new<V: Lanes>(v: V, x: *const i16, tokens: usize, norm: &Norm<'_>) -> Self {
        let (channels, zero) = (norm.gain.len(), v.splat(0));
        let (one, low) = (v.splat(0x1_0001), v.splat64(0xffff_ffff));
        let (mut sums, mut squares) = ([zero; TOKENS], [zero; TOKENS]);
        for (token, (sums, squares)) in sums.iter_mut().zip(&mut squares).enumerate().take(tokens) {
            let (mut sum, mut even, mut odd) = (zero, zero, zero);
            for first in (0..channels).step_by(V::WORDS) {
                // SAFETY: the channels are this token's.
                let x = unsafe { v.load_words(x.wrapping_add(token * channels + first), channels - first) };
                sum = v.dot(sum, x, one);
                // Two squares are at most 2^31: right as an unsigned number.
                let both = v.products(x, x);
                even = v.add64(even, v.and(both, low));
                odd = v.add64(odd, v.odd(both));
            }
            // Only the lower half of each 64 bits of the sum counts.
            (*sums, *squares) = (v.add(sum, v.odd(sum)), v.add64(even, odd));
        }
        let (sum, squares, count) = (v.totals(sums), v.totals(squares), v.splat64(channels as i64));
        let variance = block!(v, |i| {
            let all = v.add64(v.mul_even_unsigned(squares[i], count), v.shl64(v.mul_even_unsigned(v.odd(squares[i]), count), v.splat64(32)));
            v.add64(v.sub64(all, v.mul_even(sum[i], sum[i])), v.splat64(norm.eps as i64))
        });
        let (r, k) = v.rsqrt(variance, tokens);
        let k = block!(v, |i| v.sub64(k[i], v.splat64(norm.finer().into())));
        Self { channels: channels as i32, minus_sum: v.eight(block!(v, |i| v.sub64(zero, sum[i]))), r: v.eight(r), k: v.eight(k) }
    }

    /// Normalised channels, `((C * x - sum) * r + 2^(k - 1)) >> k`, saturated to 16 bits where they
    /// are `FINE`: the even ones, the odd ones.
    #[inline(always)]
    fn normal<V: Lanes, const FINE: bool>(&self, v: V, token: usize, x: V::Vec) -> [V::Vec; 2] {
        let (sum, r, k) = (v.splat(self.minus_sum[token] as i32), v.splat(self.r[token] as i32), self.k[token] as u32);
        let scaled = [v.dot(sum, x, v.splat(self.channels)), v.dot(sum, x, v.splat(self.channels << 16))];
        let mut values = scaled;
        for (value, d) in values.iter_mut().zip(scaled) {
            let (even, odd) = (v.mul_even(d, r), v.mul_even(v.odd(d), r));
            *value = if k > 32 {
                // The rounding term is a number of the upper half.
                v.shr(v.add(v.upper_halves(even, odd), v.splat(1i32.wrapping_shl(k - 33))), v.splat(k as i32 - 32))
            } else {
                v.shifted(even, odd, k)
            };
        }
        if FINE { v.saturated(values[0], values[1]) } else { values }
    }
}

/// `(x * gain + offset + 2^(shift - 1)) >> shift` of a register of channels, the even ones and the
/// odd ones. The sum fits 32 bits.
struct Affine<V: Lanes> {
    /// In the lower half of each lane.
    gain: [V::Vec; 2],
    /// Rounding included.
    offset: [V::Vec; 2],
    shift: V::Vec,
}

impl<V: Lanes> Affine<V> {
    #[inline(always)]
    fn new(v: V, norm: &Norm<'_>, first: usize) -> Self {
        let (low, half) = (v.splat(0xffff), v.splat(1 << (norm.shift - 1)));
        let ([gain_even, gain_odd], [offset_even, offset_odd]) = (v.even_and_odd(norm.gain, first), v.even_and_odd(norm.offset, first));
        Self {
            gain: [v.and(gain_even, low), v.and(gain_odd, low)],
            offset: [v.add(offset_even, half), v.add(offset_odd, half)],
            shift: v.splat(norm.shift.into()),
        }
    }

    /// Of normalised channels, packed to 16 bits.
    #[inline(always)]
    fn apply(&self, v: V, [even, odd]: [V::Vec; 2]) -> V::Vec {
        v.pack(v.shr(v.dot(self.offset[0], even, self.gain[0]), self.shift), v.shr(v.dot(self.offset[1], odd, self.gain[1]), self.shift))
    }
}
