//! Depthwise convolution on AVX2, 16 channels at a time: columns of the window are brought to 16 bits once, two kernel rows side by side, so that `vpmaddwd` adds
//! the products of both; every output then reads the columns of its window.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Depthwise, scalar};
use crate::avx2::rates::{Rates, up_to};
use crate::avx2::sink::{Add16, Add32, Sink, Store8, Store16, Table8, put};
use crate::avx2::{interleave, load16};
use crate::epilogue::Epilogue;
use crate::isa::Avx2;

/// Channels of a block.
const BLOCK: usize = 16;
/// Vectors of the buffer of columns.
const BUFFER: usize = 1024;

/// See [`super::depthwise_s8`]. Kernels other than 1, 3, 5, 7 and 9 are left to `scalar`.
pub(super) fn run(_: Avx2, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: the token proves AVX2.
    unsafe {
        match args.kernel {
            1 => drive::<1, 1>(args, epilogue, out_stride),
            3 => drive::<3, 2>(args, epilogue, out_stride),
            5 => drive::<5, 3>(args, epilogue, out_stride),
            7 => drive::<7, 4>(args, epilogue, out_stride),
            9 => drive::<9, 5>(args, epilogue, out_stride),
            _ => scalar::run(args, epilogue, out_stride),
        }
    }
}

/// Two kernel rows of one column: 16-bit pairs of channels `[0 1 2 3 | 8 9 10 11]` and `[4 5 6 7 | 12 13 14 15]`.
type Pair = [__m256i; 2];

/// Chooses the way of storing; what the vectors cannot do exactly is left to `scalar`. `PAIRS` is `KERNEL` halved, rounded up.
#[target_feature(enable = "avx2")]
fn drive<const KERNEL: usize, const PAIRS: usize>(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    let row = Row::<KERNEL, PAIRS> { args, out_stride };
    match epilogue {
        Epilogue::Store8 { out, range } => match Store8::new(range) {
            Some(sink) => row.run(sink, out),
            None => scalar::run(args, Epilogue::Store8 { out, range }, out_stride),
        },
        Epilogue::Store16 { out } => row.run(Store16, out),
        Epilogue::Add16 { out } => row.run(Add16, out),
        Epilogue::Add32 { out } => row.run(Add32, out),
        Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero) {
            Some(sink) => row.run(sink, out),
            None => scalar::run(args, Epilogue::Table8 { out, table, zero }, out_stride),
        },
    }
}

/// One output row.
struct Row<'a, const KERNEL: usize, const PAIRS: usize> {
    args: &'a Depthwise<'a>,
    out_stride: usize,
}

impl<const KERNEL: usize, const PAIRS: usize> Row<'_, KERNEL, PAIRS> {
    /// All blocks of channels, as many output tokens at a time as the buffer has columns for.
    #[target_feature(enable = "avx2")]
    fn run<S: Sink>(&self, sink: S, out: &mut [S::Out]) {
        let (channels, stride) = (self.args.bias.len(), self.args.stride);
        let tokens = self.args.columns_out();
        let columns = BUFFER / (2 * PAIRS);
        let per_pass = (columns - KERNEL) / stride + 1;
        let mut buffer = [const { MaybeUninit::<Pair>::uninit() }; BUFFER / 2];
        for first in (0..channels).step_by(BLOCK) {
            let weights = self.weights(first);
            let bias = interleave(&up_to(self.args.bias, first, 0));
            let rates = Rates::sixteen(self.args.requant, first);
            let width = BLOCK.min(channels - first);
            let mut x = 0;
            while x < tokens {
                let count = per_pass.min(tokens - x);
                let columns = self.columns(first, x, (count - 1) * stride + KERNEL, &mut buffer);
                let outs = out.get_mut(x * self.out_stride + first..).unwrap_or_default();
                for (i, out) in outs.chunks_mut(self.out_stride).take(count).enumerate() {
                    let window = columns.get(i * stride..i * stride + KERNEL).unwrap_or_default();
                    let [low, high] = sum(window, &weights, bias);
                    put(sink, out, width, rates[0].apply(low), rates[1].apply(high));
                }
                x += count;
            }
        }
    }

    /// Weights of the channels from `first` on: per kernel column, pairs of kernel rows, the last one with zeros.
    #[target_feature(enable = "avx2")]
    fn weights(&self, first: usize) -> [[Pair; PAIRS]; KERNEL] {
        let tap = |ky: usize, kx: usize| {
            let at = (ky * KERNEL + kx) * self.args.weight_stride + first;
            let weights = if ky < KERNEL { up_to(self.args.weights, at, 0) } else { [0; BLOCK] };
            _mm256_cvtepi8_epi16(load16(&weights))
        };
        core::array::from_fn(|kx| core::array::from_fn(|pair| side_by_side(tap(2 * pair, kx), tap(2 * pair + 1, kx))))
    }

    /// The input columns of the output tokens from `x` on, `count` of them, those outside the map as well.
    #[target_feature(enable = "avx2")]
    fn columns<'b>(&self, first: usize, x: usize, count: usize, buffer: &'b mut [MaybeUninit<Pair>]) -> &'b [[Pair; PAIRS]] {
        let Depthwise { rows, in_stride, columns, stride, pad, .. } = *self.args;
        let pad = _mm256_set1_epi16(pad.into());
        let (all, _) = buffer.as_chunks_mut::<PAIRS>();
        let all = all.get_mut(..count).unwrap_or_default();
        for pair in 0..PAIRS {
            let upper = rows.get(2 * pair).copied().flatten();
            let lower = rows.get(2 * pair + 1).copied().flatten();
            for (i, out) in all.iter_mut().enumerate() {
                // Left of the map the column wraps to a huge number, which is outside too.
                let column = (x * stride + i).wrapping_sub(KERNEL / 2);
                let codes = |row: Option<&[i8]>| match row {
                    Some(row) if column < columns => _mm256_cvtepi8_epi16(load16(&up_to(row, column * in_stride + first, 0))),
                    _ => pad,
                };
                if let Some(out) = out.get_mut(pair) {
                    out.write(side_by_side(codes(upper), codes(lower)));
                }
            }
        }
        // SAFETY: the loops above have written all pairs of all columns; arrays of `MaybeUninit` lie like arrays of what they hold.
        unsafe { core::slice::from_raw_parts(all.as_ptr().cast(), all.len()) }
    }
}

/// The values of two vectors in turn, low and high half of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn side_by_side(a: __m256i, b: __m256i) -> Pair {
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// Accumulators of 16 channels of one output token.
#[inline]
#[target_feature(enable = "avx2")]
fn sum<const KERNEL: usize, const PAIRS: usize>(window: &[[Pair; PAIRS]], weights: &[[Pair; PAIRS]; KERNEL], bias: Pair) -> Pair {
    let mut acc = bias;
    for (codes, weights) in window.iter().zip(weights) {
        for (codes, weights) in codes.iter().zip(weights) {
            acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(codes[0], weights[0]));
            acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(codes[1], weights[1]));
        }
    }
    acc
}
