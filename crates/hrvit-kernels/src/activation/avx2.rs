//! The elementwise operators on AVX2, 16 elements at a time. The plain loop, compiled for AVX2,
//! serves where compilers turn it into vectors by themselves.

use core::arch::x86_64::*;

use super::scalar;
use crate::avx2::rates::{Rates, up_to};
use crate::avx2::sink::{Add32, Sink, Store8, Store16, Table8, put};
use crate::avx2::{interleave, load16, load16_i16, store16_i16, widen_sixteen};
use crate::isa::Avx2;
use crate::requant::{Range8, Requant, TensorRequant};
use crate::slices::rows;

/// Elements of a block.
const BLOCK: usize = 16;

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(_: Avx2, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match Store8::new(range) {
            Some(sink) => per_channel(x, requant, sink, out),
            None => scalar::narrow_s16(x, requant, range, out),
        }
    }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(_: Avx2, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    // SAFETY: the token proves AVX2.
    unsafe { per_channel(x, requant, Store16, out) }
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(_: Avx2, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    // SAFETY: the token proves AVX2.
    unsafe { per_channel(x, requant, Add32, out) }
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(_: Avx2, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match Store8::new(range) {
            Some(sink) => per_tensor(acc, requant, sink, out),
            None => scalar::store_s8(acc, requant, range, out),
        }
    }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(_: Avx2, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match Table8::new(table, zero) {
            Some(sink) => per_tensor(acc, requant, sink, out),
            None => scalar::table_s8(acc, requant, zero, table, out),
        }
    }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(_: Avx2, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match Store8::new(range) {
            Some(sink) => hardswish_of_v(v, three, requant, sink, out),
            None => scalar::hardswish_s8(v, three, requant, range, out),
        }
    }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(_: Avx2, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match Store8::new(range) {
            Some(sink) => hardswish_of_sum(x, three, requant, sink, out),
            None => scalar::hardswish_s16(x, three, requant, range, out),
        }
    }
}

/// See [`Kernels::add_s16`](crate::Kernels::add_s16).
pub(super) fn add_s16(_: Avx2, x: &mut [i16], y: &[i32]) {
    // SAFETY: the token proves AVX2.
    unsafe { add_to_stream(x, y) }
}

/// See [`Kernels::add_s32`](crate::Kernels::add_s32).
pub(super) fn add_s32(_: Avx2, acc: &mut [i32], other: &[i32]) {
    // SAFETY: the token proves AVX2.
    unsafe { add(acc, other) }
}

/// See [`Kernels::relu_s32`](crate::Kernels::relu_s32).
pub(super) fn relu_s32(_: Avx2, acc: &mut [i32]) {
    // SAFETY: the token proves AVX2.
    unsafe { relu(acc) }
}

/// See [`Kernels::mean_s8`](crate::Kernels::mean_s8).
pub(super) fn mean_s8(_: Avx2, sums: &mut [i32], codes: &[i8], zero: i32) {
    // SAFETY: the token proves AVX2.
    unsafe { add_codes(sums, codes, zero) }
}

/// Stores `rq(x)` per channel: a block of channels of all tokens after the other.
#[target_feature(enable = "avx2")]
fn per_channel<S: Sink>(x: &[i16], requant: Requant<'_>, sink: S, out: &mut [S::Out]) {
    let channels = requant.mult.len();
    for first in (0..channels).step_by(BLOCK) {
        let rates = Rates::sixteen(requant, first);
        let width = BLOCK.min(channels - first);
        let (x, out) = (x.get(first..).unwrap_or_default(), out.get_mut(first..).unwrap_or_default());
        for (x, out) in x.chunks(channels).zip(out.chunks_mut(channels)) {
            let [low, high] = widen_sixteen(load16_i16(&up_to(x, 0, 0)));
            put(sink, out, width, rates[0].apply(low), rates[1].apply(high));
        }
    }
}

/// Stores `rq(acc)`, one multiplier for all.
#[target_feature(enable = "avx2")]
fn per_tensor<S: Sink>(acc: &[i32], requant: TensorRequant, sink: S, out: &mut [S::Out]) {
    let rates = Rates::splat(requant);
    for (acc, out) in acc.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let [low, high] = interleave(&up_to(acc, 0, 0));
        put(sink, out, out.len(), rates.apply(low), rates.apply(high));
    }
}

#[target_feature(enable = "avx2")]
fn hardswish_of_v<S: Sink>(v: &[i8], three: &[i32], requant: Requant<'_>, sink: S, out: &mut [S::Out]) {
    let channels = three.len();
    for first in (0..channels).step_by(BLOCK) {
        let rates = Rates::sixteen(requant, first);
        let three = interleave(&up_to(three, first, 1));
        let width = BLOCK.min(channels - first);
        let (v, out) = (v.get(first..).unwrap_or_default(), out.get_mut(first..).unwrap_or_default());
        for (v, out) in v.chunks(channels).zip(out.chunks_mut(channels)) {
            let [low, high] = widen_sixteen(_mm256_cvtepi8_epi16(load16(&up_to(v, 0, 0))));
            let low = gated(low, _mm256_slli_epi32::<8>(low), three[0]);
            let high = gated(high, _mm256_slli_epi32::<8>(high), three[1]);
            put(sink, out, width, rates[0].apply(low), rates[1].apply(high));
        }
    }
}

#[target_feature(enable = "avx2")]
fn hardswish_of_sum<S: Sink>(x: &[i16], three: i32, requant: TensorRequant, sink: S, out: &mut [S::Out]) {
    let rates = Rates::splat(requant);
    let three = _mm256_set1_epi32(three);
    for (x, out) in x.chunks(BLOCK).zip(out.chunks_mut(BLOCK)) {
        let [low, high] = widen_sixteen(load16_i16(&up_to(x, 0, 0)));
        put(sink, out, out.len(), rates.apply(gated(low, low, three)), rates.apply(gated(high, high, three)));
    }
}

/// `x * clamp(y + three, 0, 2 * three)`.
#[inline]
#[target_feature(enable = "avx2")]
fn gated(x: __m256i, y: __m256i, three: __m256i) -> __m256i {
    let gate = _mm256_max_epi32(_mm256_add_epi32(y, three), _mm256_setzero_si256());
    _mm256_mullo_epi32(x, _mm256_min_epi32(gate, _mm256_slli_epi32::<1>(three)))
}

#[target_feature(enable = "avx2")]
fn add_to_stream(x: &mut [i16], y: &[i32]) {
    // Beyond this every sum saturates, whatever x is: no sum leaves 32 bits.
    let most = _mm256_set1_epi32(1 << 17);
    let least = _mm256_set1_epi32(-(1 << 17));
    let limit = |y: __m256i| _mm256_max_epi32(_mm256_min_epi32(y, most), least);
    let (blocks, tail) = x.as_chunks_mut::<BLOCK>();
    let (y_blocks, y_tail) = y.as_chunks::<BLOCK>();
    for (x, y) in blocks.iter_mut().zip(y_blocks) {
        let ([x_low, x_high], [low, high]) = (widen_sixteen(load16_i16(x)), interleave(y));
        store16_i16(x, _mm256_packs_epi32(_mm256_add_epi32(x_low, limit(low)), _mm256_add_epi32(x_high, limit(high))));
    }
    scalar::add_s16(tail, y_tail);
}

#[target_feature(enable = "avx2")]
fn add(acc: &mut [i32], other: &[i32]) {
    for (acc, other) in acc.iter_mut().zip(other) {
        *acc = acc.wrapping_add(*other);
    }
}

#[target_feature(enable = "avx2")]
fn relu(acc: &mut [i32]) {
    for acc in acc {
        *acc = (*acc).max(0);
    }
}

#[target_feature(enable = "avx2")]
fn add_codes(sums: &mut [i32], codes: &[i8], zero: i32) {
    for token in rows(codes, sums.len()) {
        for (sum, code) in sums.iter_mut().zip(token) {
            *sum = sum.wrapping_add(i32::from(*code) - zero);
        }
    }
}
