//! The elementwise operators on vectors, 64 elements at a time. Sums are `avx2`, means the
//! definition, compiled for it.

use core::mem::MaybeUninit;

use super::scalar;
use crate::requant::{Range8, Requant, TensorRequant};
use crate::x86::rates::Rates;
use crate::x86::sink::Sink;
use crate::x86::stores::{Add32, Store8, Store16, Table8};
use crate::x86::{BLOCK, Element, Lanes, Place, block, first_channels};

/// Blocks of a turn.
const TURN: usize = 4;

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
#[inline(always)]
pub(super) fn narrow_s16(v: impl Lanes, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_channel(v, x, Open, requant, sink, out),
        None => scalar::narrow_s16(x, requant, range, out),
    }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
#[inline(always)]
pub(super) fn rescale_s16(v: impl Lanes, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    per_channel(v, x, Open, requant, Store16, out);
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
#[inline(always)]
pub(super) fn rescale_add32(v: impl Lanes, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    per_channel(v, x, Open, requant, Add32, out);
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
#[inline(always)]
pub(super) fn store_s8(v: impl Lanes, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_tensor(v, acc, Open, requant, sink, out),
        None => scalar::store_s8(acc, requant, range, out),
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
#[inline(always)]
pub(super) fn table_s8(v: impl Lanes, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    match Table8::new(table, zero, &mut MaybeUninit::uninit()) {
        Some(sink) => per_tensor(v, acc, Open, requant, sink, out),
        None => scalar::table_s8(acc, requant, zero, table, out),
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
#[inline(always)]
pub(super) fn hardswish_s8(token: impl Lanes, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_channel(token, v, PerChannel(three), requant, sink, out),
        None => scalar::hardswish_s8(v, three, requant, range, out),
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
#[inline(always)]
pub(super) fn hardswish_s16(v: impl Lanes, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_tensor(v, x, PerTensor(three), requant, sink, out),
        None => scalar::hardswish_s16(x, three, requant, range, out),
    }
}

/// What becomes of a value before it is requantised.
trait Gate {
    /// Of 16 values, whose channels start at `first`.
    fn of<V: Lanes>(&self, v: V, x: V::Block, first: usize) -> V::Block;
}

/// Nothing.
struct Open;

impl Gate for Open {
    #[inline(always)]
    fn of<V: Lanes>(&self, _: V, x: V::Block, _: usize) -> V::Block {
        x
    }
}

/// `x * clamp((x << 8) + three, 0, 2 * three)`, `three` per channel.
struct PerChannel<'a>(&'a [i32]);

impl Gate for PerChannel<'_> {
    #[inline(always)]
    fn of<V: Lanes>(&self, v: V, x: V::Block, first: usize) -> V::Block {
        let three = v.load_i32(self.0, first);
        block!(v, |i| gated(v, x[i], v.shl(x[i], 8), three[i]))
    }
}

/// `x * clamp(x + three, 0, 2 * three)`.
struct PerTensor(i32);

impl Gate for PerTensor {
    #[inline(always)]
    fn of<V: Lanes>(&self, v: V, x: V::Block, _: usize) -> V::Block {
        block!(v, |i| gated(v, x[i], x[i], v.splat(self.0)))
    }
}

/// Four times 16 values of `x`, `stride` elements apart, the first from `at` on; anything beyond the
/// end.
#[inline(always)]
fn four<V: Lanes, T: Element>(v: V, x: &[T], at: usize, stride: usize) -> [V::Block; 4] {
    let (b, c, d) = (at + stride, at + 2 * stride, at + 3 * stride);
    if d + BLOCK > x.len() {
        return [T::load(v, x, at), T::load(v, x, b), T::load(v, x, c), T::load(v, x, d)];
    }
    let from = x.as_ptr();
    // SAFETY: the last 16 elements lie in front of the end, by the line above.
    unsafe { [T::whole(v, &*from.add(at).cast()), T::whole(v, &*from.add(b).cast()), T::whole(v, &*from.add(c).cast()), T::whole(v, &*from.add(d).cast())] }
}

/// `x * clamp(y + three, 0, 2 * three)`.
#[inline(always)]
fn gated<V: Lanes>(v: V, x: V::Vec, y: V::Vec, three: V::Vec) -> V::Vec {
    v.mul(x, v.min(v.max(v.add(y, three), v.splat(0)), v.shl(three, 1)))
}

/// `[tokens, channels]` with a multiplier per channel: a block of 16 channels of all tokens after
/// the other, four tokens at a time.
#[inline(always)]
fn per_channel<V: Lanes, T: Element, S: Sink>(v: V, x: &[T], gate: impl Gate, requant: Requant<'_>, sink: S, out: &mut [S::Out]) {
    let channels = requant.mult.len();
    let tokens = out.len() / channels;
    for first in (0..channels).step_by(BLOCK) {
        let rates = Rates::new(v, requant, first);
        for token in (0..tokens).step_by(TURN) {
            let start = token * channels + first;
            let out = out.as_mut_ptr().wrapping_add(start);
            let place = Place { out, stride: channels, runs: TURN.min(tokens - token), channels: first_channels(channels - first) };
            let [a, b, c, d] = four(v, x, start, channels);
            let values = [gate.of(v, a, first), gate.of(v, b, first), gate.of(v, c, first), gate.of(v, d, first)];
            // SAFETY: the output holds `tokens` of as many channels.
            unsafe { sink.four(v, place, rates.four(v, values)) };
        }
    }
}

/// Any number of elements with one multiplier, 64 after the other.
#[inline(always)]
fn per_tensor<V: Lanes, T: Element, S: Sink>(v: V, x: &[T], gate: impl Gate, requant: TensorRequant, sink: S, out: &mut [S::Out]) {
    let rates = Rates::splat(v, requant);
    let mut start = 0;
    while start < out.len() {
        let left = out.len() - start;
        // Whole blocks, and what is left at the end.
        let (runs, channels) = if left < BLOCK { (1, first_channels(left)) } else { (TURN.min(left / BLOCK), !0) };
        let place = Place { out: out.as_mut_ptr().wrapping_add(start), stride: BLOCK, runs, channels };
        let [a, b, c, d] = four(v, x, start, BLOCK);
        let values = [gate.of(v, a, 0), gate.of(v, b, 0), gate.of(v, c, 0), gate.of(v, d, 0)];
        // SAFETY: the runs lie inside the output.
        unsafe { sink.four(v, place, rates.four(v, values)) };
        start += runs * BLOCK;
    }
}
