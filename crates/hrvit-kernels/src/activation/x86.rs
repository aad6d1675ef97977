//! The elementwise operators on vectors, 64 elements at a time. Sums and means, which compilers
//! turn into vectors by themselves, are `avx2`.

use core::mem::MaybeUninit;

use super::scalar;
use crate::requant::{Range8, Requant, TensorRequant};
use crate::x86::rates::Rates;
use crate::x86::sink::{Add32, Sink, Store8, Store16, Table8};
use crate::x86::{BLOCK, Lanes, Place, block, first_channels};

/// Blocks of a turn.
const TURN: usize = 4;

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
#[inline(always)]
pub(super) fn narrow_s16(v: impl Lanes, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_channel(v, &Words(x), requant, sink, out),
        None => scalar::narrow_s16(x, requant, range, out),
    }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
#[inline(always)]
pub(super) fn rescale_s16(v: impl Lanes, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    per_channel(v, &Words(x), requant, Store16, out);
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
#[inline(always)]
pub(super) fn rescale_add32(v: impl Lanes, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    per_channel(v, &Words(x), requant, Add32, out);
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
#[inline(always)]
pub(super) fn store_s8(v: impl Lanes, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_tensor(v, &Sums(acc), requant, sink, out),
        None => scalar::store_s8(acc, requant, range, out),
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
#[inline(always)]
pub(super) fn table_s8(v: impl Lanes, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    match Table8::new(table, zero, &mut MaybeUninit::uninit()) {
        Some(sink) => per_tensor(v, &Sums(acc), requant, sink, out),
        None => scalar::table_s8(acc, requant, zero, table, out),
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
#[inline(always)]
pub(super) fn hardswish_s8(token: impl Lanes, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_channel(token, &GatedCodes { v, three }, requant, sink, out),
        None => scalar::hardswish_s8(v, three, requant, range, out),
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
#[inline(always)]
pub(super) fn hardswish_s16(v: impl Lanes, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    match Store8::new(range) {
        Some(sink) => per_tensor(v, &GatedWords { x, three }, requant, sink, out),
        None => scalar::hardswish_s16(x, three, requant, range, out),
    }
}

/// Values that are requantised, element by element.
trait Values {
    /// Element.
    type Value: Copy;

    /// The elements.
    fn all(&self) -> &[Self::Value];

    /// 16 of them, whose channels start at `first`.
    fn whole<V: Lanes>(&self, v: V, values: &[Self::Value; BLOCK], first: usize) -> V::Block;

    /// The 16 from `at` on, whose channels start at `first`; anything beyond the end.
    fn sixteen<V: Lanes>(&self, v: V, at: usize, first: usize) -> V::Block;

    /// Four times 16, `stride` elements apart.
    #[inline(always)]
    fn four<V: Lanes>(&self, v: V, at: usize, stride: usize, first: usize) -> [V::Block; 4] {
        let (b, c, d) = (at + stride, at + 2 * stride, at + 3 * stride);
        if d + BLOCK > self.all().len() {
            return [self.sixteen(v, at, first), self.sixteen(v, b, first), self.sixteen(v, c, first), self.sixteen(v, d, first)];
        }
        let from = self.all().as_ptr();
        // SAFETY: the last 16 elements lie in front of the end, by the line above.
        unsafe {
            [
                self.whole(v, &*from.add(at).cast(), first),
                self.whole(v, &*from.add(b).cast(), first),
                self.whole(v, &*from.add(c).cast(), first),
                self.whole(v, &*from.add(d).cast(), first),
            ]
        }
    }
}

/// 16-bit values.
struct Words<'a>(&'a [i16]);

impl Values for Words<'_> {
    type Value = i16;

    #[inline(always)]
    fn all(&self) -> &[i16] {
        self.0
    }

    #[inline(always)]
    fn whole<V: Lanes>(&self, v: V, values: &[i16; BLOCK], _: usize) -> V::Block {
        v.widen_i16(values)
    }

    #[inline(always)]
    fn sixteen<V: Lanes>(&self, v: V, at: usize, _: usize) -> V::Block {
        v.load_i16(self.0, at)
    }
}

/// 32-bit sums.
struct Sums<'a>(&'a [i32]);

impl Values for Sums<'_> {
    type Value = i32;

    #[inline(always)]
    fn all(&self) -> &[i32] {
        self.0
    }

    #[inline(always)]
    fn whole<V: Lanes>(&self, v: V, values: &[i32; BLOCK], _: usize) -> V::Block {
        v.whole_i32(values)
    }

    #[inline(always)]
    fn sixteen<V: Lanes>(&self, v: V, at: usize, _: usize) -> V::Block {
        v.load_i32(self.0, at)
    }
}

/// `v * clamp((v << 8) + three, 0, 2 * three)`, `three` per channel.
struct GatedCodes<'a> {
    v: &'a [i8],
    three: &'a [i32],
}

impl GatedCodes<'_> {
    #[inline(always)]
    fn gated<V: Lanes>(&self, v: V, x: V::Block, first: usize) -> V::Block {
        let three = v.load_i32(self.three, first);
        block!(v, |i| gated(v, x[i], v.shl(x[i], 8), three[i]))
    }
}

impl Values for GatedCodes<'_> {
    type Value = i8;

    #[inline(always)]
    fn all(&self) -> &[i8] {
        self.v
    }

    #[inline(always)]
    fn whole<V: Lanes>(&self, v: V, values: &[i8; BLOCK], first: usize) -> V::Block {
        self.gated(v, v.widen_i8(values), first)
    }

    #[inline(always)]
    fn sixteen<V: Lanes>(&self, v: V, at: usize, first: usize) -> V::Block {
        self.gated(v, v.load_i8(self.v, at), first)
    }
}

/// `x * clamp(x + three, 0, 2 * three)`.
struct GatedWords<'a> {
    x: &'a [i16],
    three: i32,
}

impl Values for GatedWords<'_> {
    type Value = i16;

    #[inline(always)]
    fn all(&self) -> &[i16] {
        self.x
    }

    #[inline(always)]
    fn whole<V: Lanes>(&self, v: V, values: &[i16; BLOCK], _: usize) -> V::Block {
        let x = v.widen_i16(values);
        block!(v, |i| gated(v, x[i], x[i], v.splat(self.three)))
    }

    #[inline(always)]
    fn sixteen<V: Lanes>(&self, v: V, at: usize, _: usize) -> V::Block {
        let x = v.load_i16(self.x, at);
        block!(v, |i| gated(v, x[i], x[i], v.splat(self.three)))
    }
}

/// `x * clamp(y + three, 0, 2 * three)`.
#[inline(always)]
fn gated<V: Lanes>(v: V, x: V::Vec, y: V::Vec, three: V::Vec) -> V::Vec {
    v.mul(x, v.min(v.max(v.add(y, three), v.splat(0)), v.shl(three, 1)))
}

/// `[tokens, channels]` with a multiplier per channel: a block of 16 channels of all tokens after the
/// other, four tokens at a time.
#[inline(always)]
fn per_channel<V: Lanes, S: Sink>(v: V, values: &impl Values, requant: Requant<'_>, sink: S, out: &mut [S::Out]) {
    let channels = requant.mult.len();
    let tokens = out.len() / channels;
    for first in (0..channels).step_by(BLOCK) {
        let rates = Rates::new(v, requant, first);
        for token in (0..tokens).step_by(TURN) {
            let start = token * channels + first;
            let out = out.as_mut_ptr().wrapping_add(start);
            let place = Place { out, stride: channels, runs: TURN.min(tokens - token), channels: first_channels(channels - first) };
            // SAFETY: the output holds `tokens` of as many channels.
            unsafe { sink.four(v, place, rates.four(v, values.four(v, start, channels, first))) };
        }
    }
}

/// Any number of elements with one multiplier, 64 after the other.
#[inline(always)]
fn per_tensor<V: Lanes, S: Sink>(v: V, values: &impl Values, requant: TensorRequant, sink: S, out: &mut [S::Out]) {
    let rates = Rates::splat(v, requant);
    let mut start = 0;
    while start < out.len() {
        let left = out.len() - start;
        // Whole blocks, and what is left at the end.
        let (runs, channels) = if left < BLOCK { (1, first_channels(left)) } else { (TURN.min(left / BLOCK), !0) };
        let place = Place { out: out.as_mut_ptr().wrapping_add(start), stride: BLOCK, runs, channels };
        // SAFETY: the runs lie inside the output.
        unsafe { sink.four(v, place, rates.four(v, values.four(v, start, BLOCK, 0))) };
        start += runs * BLOCK;
    }
}
