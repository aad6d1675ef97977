//! The elementwise operators on NEON, 8 or 16 elements at a time.

use core::arch::aarch64::*;

pub(super) use super::neon_sums::{add_s16, add_s32, relu_s32};
use super::scalar;
use crate::isa::Neon;
use crate::neon::rates::Rates;
use crate::neon::sink::{Add32, Sink, Store8, Store16, Table8};
use crate::neon::{load_s8x8, load_s16x8, load_s32x4};
use crate::requant::{Range8, Requant, TensorRequant};

/// Elements of a block.
const BLOCK: usize = 8;

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(_: Neon, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe {
        match Store8::new(range) {
            Some(sink) => per_channel(x, requant, |_, _| (), |(), x| widen(x), sink, out),
            None => scalar::narrow_s16(x, requant, range, out),
        }
    }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(_: Neon, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe { per_channel(x, requant, |_, _| (), |(), x| widen(x), Store16, out) }
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(_: Neon, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe { per_channel(x, requant, |_, _| (), |(), x| widen(x), Add32, out) }
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(_: Neon, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe {
        match Store8::new(range) {
            Some(sink) => per_tensor(acc, requant, |x| read(x), sink, out),
            None => scalar::store_s8(acc, requant, range, out),
        }
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(_: Neon, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe {
        match Table8::new(table, zero) {
            Some(sink) => per_tensor(acc, requant, |x| read(x), sink, out),
            None => scalar::table_s8(acc, requant, zero, table, out),
        }
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(_: Neon, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe {
        match Store8::new(range) {
            Some(sink) => per_channel(v, requant, |first, width| Gates::new(three, first, width), |gates, v| gates.codes(v), sink, out),
            None => scalar::hardswish_s8(v, three, requant, range, out),
        }
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(_: Neon, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves NEON; the caller has checked the lengths.
    unsafe {
        match (Store8::new(range), i16::try_from(2 * three)) {
            (Some(sink), Ok(six)) => {
                let (three, six) = (vdupq_n_s16(three as i16), vdupq_n_s16(six));
                per_tensor(x, requant, |x| gated(three, six, x), sink, out);
            }
            (Some(sink), Err(_)) => {
                let three = vdupq_n_s32(three);
                per_tensor(x, requant, |x| widen(x).map(|x| wide_gated(x, three)), sink, out);
            }
            (None, _) => scalar::hardswish_s16(x, three, requant, range, out),
        }
    }
}

/// 8 elements of 32 bits.
///
/// # Safety
/// The processor has NEON, and 8 elements may be read; so below.
#[inline(always)]
unsafe fn read(x: *const i32) -> [int32x4_t; 2] {
    // SAFETY: the caller vouches for 8 elements.
    unsafe { [load_s32x4(x), load_s32x4(x.add(4))] }
}

/// 8 elements of 16 bits.
///
/// # Safety
/// See [`read`].
#[inline(always)]
unsafe fn widen(x: *const i16) -> [int32x4_t; 2] {
    // SAFETY: the caller has NEON and vouches for 8 elements.
    unsafe {
        let x = load_s16x8(x);
        [vmovl_s16(vget_low_s16(x)), vmovl_high_s16(x)]
    }
}

/// `x * clamp(x + three, 0, six)` of 16 bits each: a sum that saturates is clamped anyway.
///
/// # Safety
/// See [`read`].
#[inline(always)]
unsafe fn gated(three: int16x8_t, six: int16x8_t, x: *const i16) -> [int32x4_t; 2] {
    // SAFETY: the caller has NEON and vouches for 8 elements.
    unsafe {
        let x = load_s16x8(x);
        let gate = vminq_s16(vmaxq_s16(vqaddq_s16(x, three), vdupq_n_s16(0)), six);
        [vmull_s16(vget_low_s16(x), vget_low_s16(gate)), vmull_high_s16(x, gate)]
    }
}

/// `three` of 8 channels, and the limits as far as they have 16 bits: beyond these nothing is
/// clamped.
#[derive(Clone, Copy)]
struct Gates {
    three: [int32x4_t; 2],
    lowest: int16x8_t,
    highest: int16x8_t,
}

impl Gates {
    /// Of the channels from `first` on, of which `width` exist.
    ///
    /// # Safety
    /// The processor has NEON, and so many channels exist.
    #[inline(always)]
    unsafe fn new(three: &[i32], first: usize, width: usize) -> Self {
        let mut own = [1; BLOCK];
        // SAFETY: the caller vouches for `width` channels.
        unsafe {
            core::ptr::copy_nonoverlapping(three.as_ptr().add(first), own.as_mut_ptr(), width);
            let three = read(own.as_ptr());
            let narrow = |[low, high]: [int32x4_t; 2]| vqmovn_high_s32(vqmovn_s32(low), high);
            Self { three, lowest: narrow(three.map(|three| vnegq_s32(three))), highest: narrow(three) }
        }
    }

    /// `v * clamp((v << 8) + three, 0, 2 * three)`, which is
    /// `v * three + v * clamp(v << 8, -three, three)`, whose clamp has 16 bits.
    ///
    /// # Safety
    /// See [`read`].
    #[inline(always)]
    unsafe fn codes(self, v: *const i8) -> [int32x4_t; 2] {
        // SAFETY: the caller has NEON and vouches for 8 elements.
        unsafe {
            let v = load_s8x8(v);
            let gate = vmaxq_s16(vminq_s16(vshll_n_s8::<8>(v), self.highest), self.lowest);
            let v = vmovl_s8(v);
            let (low, high) = (vmull_s16(vget_low_s16(v), vget_low_s16(gate)), vmull_high_s16(v, gate));
            [vmlaq_s32(low, vmovl_s16(vget_low_s16(v)), self.three[0]), vmlaq_s32(high, vmovl_high_s16(v), self.three[1])]
        }
    }
}

/// `x * clamp(x + three, 0, 2 * three)` of 32 bits each.
#[inline]
#[target_feature(enable = "neon")]
fn wide_gated(x: int32x4_t, three: int32x4_t) -> int32x4_t {
    let gate = vmaxq_s32(vaddq_s32(x, three), vdupq_n_s32(0));
    vmulq_s32(x, vminq_s32(gate, vshlq_n_s32::<1>(three)))
}

/// Stores `rq(eight(x))` per channel: a block of channels of all tokens after the other. `of` gives
/// the parameters of channels from the first on, of which so many exist.
///
/// # Safety
/// The processor has NEON; `x` and `out` have the same length, a whole number of tokens.
#[inline(always)]
unsafe fn per_channel<T: Copy + Default, C: Copy, S: Sink>(
    x: &[T],
    requant: Requant<'_>,
    of: impl Fn(usize, usize) -> C,
    eight: impl Fn(C, *const T) -> [int32x4_t; 2],
    sink: S,
    out: &mut [S::Out],
) {
    let channels = requant.mult.len();
    let whole = channels / BLOCK * BLOCK;
    // SAFETY: the caller vouches for NEON and the lengths: both hold `channels` elements of every
    // token.
    unsafe {
        for first in (0..whole).step_by(BLOCK) {
            let (rates, shared) = (Rates::whole(requant, first), of(first, BLOCK));
            let (mut from, mut to) = (x.as_ptr().wrapping_add(first), out.as_mut_ptr().wrapping_add(first));
            let mut left = out.len();
            // Two tokens at a time.
            while left >= 2 * channels {
                let elements = [eight(shared, from), eight(shared, from.wrapping_add(channels))];
                sink.pair(to, channels, rates.apply(elements));
                (from, to, left) = (from.wrapping_add(2 * channels), to.wrapping_add(2 * channels), left - 2 * channels);
            }
            if left != 0 {
                let [rq] = rates.apply([eight(shared, from)]);
                sink.row(to, rq);
            }
        }
        if whole < channels {
            let width = channels - whole;
            let (rates, shared) = (Rates::new(requant, whole), of(whole, width));
            for (x, out) in x.chunks(channels).zip(out.chunks_mut(channels)) {
                last(&x[whole..], &mut out[whole..], rates, |x| eight(shared, x), sink);
            }
        }
    }
}

/// Stores `rq(eight(x))`, one multiplier for all.
///
/// # Safety
/// The processor has NEON; `x` and `out` have the same length.
#[inline(always)]
unsafe fn per_tensor<T: Copy + Default, S: Sink>(x: &[T], requant: TensorRequant, eight: impl Fn(*const T) -> [int32x4_t; 2], sink: S, out: &mut [S::Out]) {
    // SAFETY: the caller vouches for NEON.
    unsafe {
        let rates = Rates::splat(requant);
        let (mut blocks, mut outs) = (x.chunks_exact(2 * BLOCK), out.chunks_exact_mut(2 * BLOCK));
        for (x, out) in blocks.by_ref().zip(outs.by_ref()) {
            sink.pair(out.as_mut_ptr(), BLOCK, rates.apply([eight(x.as_ptr()), eight(x.as_ptr().add(BLOCK))]));
        }
        for (x, out) in blocks.remainder().chunks(BLOCK).zip(outs.into_remainder().chunks_mut(BLOCK)) {
            last(x, out, rates, &eight, sink);
        }
    }
}

/// Up to 8 elements, through blocks of their own.
///
/// # Safety
/// The processor has NEON; `x` and `out` have the same length, 8 at most.
#[inline(always)]
unsafe fn last<T: Copy + Default, S: Sink>(x: &[T], out: &mut [S::Out], rates: Rates, eight: impl Fn(*const T) -> [int32x4_t; 2], sink: S) {
    let (mut from, mut to) = ([T::default(); BLOCK], [S::Out::default(); BLOCK]);
    from.iter_mut().zip(x).for_each(|(to, from)| *to = *from);
    to.iter_mut().zip(&*out).for_each(|(to, from)| *to = *from);
    // SAFETY: the caller has NEON; both blocks have 8 elements.
    unsafe {
        let [rq] = rates.apply([eight(from.as_ptr())]);
        sink.row(to.as_mut_ptr(), rq);
    }
    out.iter_mut().zip(to).for_each(|(to, from)| *to = from);
}
