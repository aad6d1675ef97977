//! The elementwise operators on AVX-512, 64 elements at a time. Sums and means, which compilers
//! turn into vectors by themselves, are `avx2`.

use core::arch::x86_64::*;

use crate::avx512::rates::Rates;
use crate::avx512::sink::{Kernel, Place, Sink, drive};
use crate::avx512::{LANES, first_lanes, load_i8, load_i16, load_i32};
use crate::epilogue::Epilogue;
use crate::isa::Avx512;
use crate::requant::{Range8, Requant, TensorRequant};

/// Vectors of a turn.
const TURN: usize = 4;

/// See [`Kernels::narrow_s16`](crate::Kernels::narrow_s16).
pub(super) fn narrow_s16(_: Avx512, x: &[i16], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: the token proves AVX-512, here and below.
    unsafe { drive(Epilogue::Store8 { out, range }, PerChannel { values: Words(x), requant }) }
}

/// See [`Kernels::rescale_s16`](crate::Kernels::rescale_s16).
pub(super) fn rescale_s16(_: Avx512, x: &[i16], requant: Requant<'_>, out: &mut [i16]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Store16 { out }, PerChannel { values: Words(x), requant }) }
}

/// See [`Kernels::rescale_add32`](crate::Kernels::rescale_add32).
pub(super) fn rescale_add32(_: Avx512, x: &[i16], requant: Requant<'_>, out: &mut [i32]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Add32 { out }, PerChannel { values: Words(x), requant }) }
}

/// See [`Kernels::store_s8`](crate::Kernels::store_s8).
pub(super) fn store_s8(_: Avx512, acc: &[i32], requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Store8 { out, range }, PerTensor { values: Sums(acc), requant }) }
}

/// See [`Kernels::table_s8`](crate::Kernels::table_s8).
pub(super) fn table_s8(_: Avx512, acc: &[i32], requant: TensorRequant, zero: i32, table: &[i8], out: &mut [i8]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Table8 { out, table, zero }, PerTensor { values: Sums(acc), requant }) }
}

/// See [`Kernels::hardswish_s8`](crate::Kernels::hardswish_s8).
pub(super) fn hardswish_s8(_: Avx512, v: &[i8], three: &[i32], requant: Requant<'_>, range: Range8, out: &mut [i8]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Store8 { out, range }, PerChannel { values: GatedCodes { v, three }, requant }) }
}

/// See [`Kernels::hardswish_s16`](crate::Kernels::hardswish_s16).
pub(super) fn hardswish_s16(_: Avx512, x: &[i16], three: i32, requant: TensorRequant, range: Range8, out: &mut [i8]) {
    // SAFETY: as above.
    unsafe { drive(Epilogue::Store8 { out, range }, PerTensor { values: GatedWords { x, three }, requant }) }
}

/// Values that are requantised, element by element.
trait Values {
    /// The 16 elements from `at` on, whose channels start at `first`; anything beyond the end.
    ///
    /// # Safety
    /// The processor has AVX-512.
    unsafe fn sixteen(&self, at: usize, first: usize) -> __m512i;

    /// Element `at`, of `channel`.
    fn one(&self, at: usize, channel: usize) -> i32;
}

/// 16-bit values.
struct Words<'a>(&'a [i16]);

impl Values for Words<'_> {
    #[inline(always)]
    unsafe fn sixteen(&self, at: usize, _: usize) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { _mm512_cvtepi16_epi32(load_i16(self.0, at)) }
    }

    fn one(&self, at: usize, _: usize) -> i32 {
        self.0.get(at).copied().unwrap_or_default().into()
    }
}

/// 32-bit sums.
struct Sums<'a>(&'a [i32]);

impl Values for Sums<'_> {
    #[inline(always)]
    unsafe fn sixteen(&self, at: usize, _: usize) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe { load_i32(self.0, at) }
    }

    fn one(&self, at: usize, _: usize) -> i32 {
        self.0.get(at).copied().unwrap_or_default()
    }
}

/// `v * clamp((v << 8) + three, 0, 2 * three)`, `three` per channel.
struct GatedCodes<'a> {
    v: &'a [i8],
    three: &'a [i32],
}

impl Values for GatedCodes<'_> {
    #[inline(always)]
    unsafe fn sixteen(&self, at: usize, first: usize) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let v = _mm512_cvtepi8_epi32(load_i8(self.v, at));
            gated(v, _mm512_slli_epi32::<8>(v), load_i32(self.three, first))
        }
    }

    fn one(&self, at: usize, channel: usize) -> i32 {
        let v = i32::from(self.v.get(at).copied().unwrap_or_default());
        let three = self.three.get(channel).copied().unwrap_or_default();
        v * ((v << 8) + three).max(0).min(2 * three)
    }
}

/// `x * clamp(x + three, 0, 2 * three)`.
struct GatedWords<'a> {
    x: &'a [i16],
    three: i32,
}

impl Values for GatedWords<'_> {
    #[inline(always)]
    unsafe fn sixteen(&self, at: usize, _: usize) -> __m512i {
        // SAFETY: the caller has AVX-512.
        unsafe {
            let x = _mm512_cvtepi16_epi32(load_i16(self.x, at));
            gated(x, x, _mm512_set1_epi32(self.three))
        }
    }

    fn one(&self, at: usize, _: usize) -> i32 {
        let x = i32::from(self.x.get(at).copied().unwrap_or_default());
        x * (x + self.three).max(0).min(2 * self.three)
    }
}

/// `x * clamp(y + three, 0, 2 * three)`.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn gated(x: __m512i, y: __m512i, three: __m512i) -> __m512i {
    let gate = _mm512_max_epi32(_mm512_add_epi32(y, three), _mm512_setzero_si512());
    _mm512_mullo_epi32(x, _mm512_min_epi32(gate, _mm512_slli_epi32::<1>(three)))
}

/// `[tokens, channels]` with a multiplier per channel.
struct PerChannel<'a, V> {
    values: V,
    requant: Requant<'a>,
}

impl<V: Values> Kernel for PerChannel<'_, V> {
    #[inline(always)]
    unsafe fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: by the contract.
        unsafe { per_channel(&self.values, self.requant, sink, out) }
    }

    fn otherwise(self, mut epilogue: Epilogue<'_>) {
        let channels = self.requant.mult.len();
        for at in 0..epilogue.out_len() {
            let channel = at % channels;
            epilogue.store(at, &[self.values.one(at, channel)], self.requant, channel);
        }
    }
}

/// A block of 16 channels of all tokens after the other, four tokens at a time.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn per_channel<V: Values, S: Sink>(values: &V, requant: Requant<'_>, sink: S, out: &mut [S::Out]) {
    let channels = requant.mult.len();
    let tokens = out.len() / channels;
    for first in (0..channels).step_by(LANES) {
        let rates = Rates::new(requant, first);
        for token in (0..tokens).step_by(TURN) {
            let start = token * channels + first;
            let place =
                Place { out: out.as_mut_ptr().wrapping_add(start), stride: channels, runs: TURN.min(tokens - token), channels: first_lanes(channels - first) };
            // SAFETY: AVX-512 by this function's attribute; the output holds `tokens` of as many
            // channels.
            unsafe {
                let at = |i: usize| values.sixteen(start + i * channels, first);
                sink.four(place, rates.four([at(0), at(1), at(2), at(3)]));
            }
        }
    }
}

/// Any number of elements with one multiplier.
struct PerTensor<V> {
    values: V,
    requant: TensorRequant,
}

impl<V: Values> Kernel for PerTensor<V> {
    #[inline(always)]
    unsafe fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: by the contract.
        unsafe { per_tensor(&self.values, self.requant, sink, out) }
    }

    fn otherwise(self, mut epilogue: Epilogue<'_>) {
        for at in 0..epilogue.out_len() {
            epilogue.put(at, &[self.requant.apply(self.values.one(at, 0))]);
        }
    }
}

/// 64 elements after the other.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn per_tensor<V: Values, S: Sink>(values: &V, requant: TensorRequant, sink: S, out: &mut [S::Out]) {
    let rates = Rates::splat(requant);
    let turn = |start: usize, runs: usize, channels: __mmask16, out: &mut [S::Out]| {
        let place = Place { out: out.as_mut_ptr().wrapping_add(start), stride: LANES, runs, channels };
        // SAFETY: AVX-512 by the function's attribute; the callers' runs lie inside the output.
        unsafe {
            let at = |i: usize| values.sixteen(start + i * LANES, 0);
            sink.four(place, rates.four([at(0), at(1), at(2), at(3)]));
        }
    };
    let vectors = out.len() / LANES;
    for vector in (0..vectors).step_by(TURN) {
        turn(vector * LANES, TURN.min(vectors - vector), !0, out);
    }
    if !out.len().is_multiple_of(LANES) {
        turn(vectors * LANES, 1, first_lanes(out.len() % LANES), out);
    }
}
