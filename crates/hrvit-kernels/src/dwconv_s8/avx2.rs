//! Depthwise convolution on AVX2, 16 channels at a time: columns of the window are brought to 16
//! bits once, two kernel rows side by side, so that `vpmaddwd` adds the products of both; every
//! output then reads the columns of its window.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Depthwise, scalar};
use crate::avx2::rates::up_to;
use crate::avx2::{interleave, load16};
use crate::epilogue::Epilogue;
use crate::isa::Avx2;
use crate::slices::window;
use crate::x86::rates::Rates;
use crate::x86::sink::{Kernel, Sink, drive};
use crate::x86::{Place, first_channels};

/// Channels of a block.
const BLOCK: usize = 16;
/// Output tokens that are stored at a time.
const TOKENS: usize = 4;
/// Vectors of the buffer of columns.
const BUFFER: usize = 256;

/// See [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8). Kernels other than 1, 3, 5, 7 and 9
/// are left to `scalar`.
pub(super) fn run(token: Avx2, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    match args.kernel {
        1 => drive(epilogue, Row::<1, 1> { token, args, out_stride }),
        3 => drive(epilogue, Row::<3, 2> { token, args, out_stride }),
        5 => drive(epilogue, Row::<5, 3> { token, args, out_stride }),
        7 => drive(epilogue, Row::<7, 4> { token, args, out_stride }),
        9 => drive(epilogue, Row::<9, 5> { token, args, out_stride }),
        _ => scalar::run(args, epilogue, out_stride),
    }
}

/// Two kernel rows of one column: 16-bit pairs of channels `[0 1 2 3 | 8 9 10 11]` and
/// `[4 5 6 7 | 12 13 14 15]`.
type Pair = [__m256i; 2];

/// One output row. `PAIRS` is `KERNEL` halved, rounded up.
struct Row<'a, const KERNEL: usize, const PAIRS: usize> {
    token: Avx2,
    args: &'a Depthwise<'a>,
    out_stride: usize,
}

impl<const KERNEL: usize, const PAIRS: usize> Kernel for Row<'_, KERNEL, PAIRS> {
    #[inline(always)]
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: the token proves AVX2.
        unsafe { self.blocks(sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        scalar::run(self.args, epilogue, self.out_stride);
    }
}

impl<const KERNEL: usize, const PAIRS: usize> Row<'_, KERNEL, PAIRS> {
    /// All blocks of channels, as many output tokens at a time as the buffer has columns for.
    #[target_feature(enable = "avx2")]
    fn blocks<S: Sink>(&self, sink: S, out: &mut [S::Out]) {
        let (channels, stride) = (self.args.bias.len(), self.args.stride);
        let tokens = self.args.columns_out();
        let columns = BUFFER / (2 * PAIRS);
        let per_pass = (columns - KERNEL) / stride + 1;
        let mut buffer = [const { MaybeUninit::<Pair>::uninit() }; BUFFER / 2];
        for first in (0..channels).step_by(BLOCK) {
            let weights = self.weights(first);
            let bias = interleave(&up_to(self.args.bias, first, 0));
            let rates = Rates::new(self.token, self.args.requant, first);
            let stored = first_channels(channels - first);
            let mut x = 0;
            while x < tokens {
                let count = per_pass.min(tokens - x);
                let columns = self.columns(first, x, (count - 1) * stride + KERNEL, &mut buffer);
                for i in (0..count).step_by(TOKENS) {
                    // Two tokens at a time: each weight is loaded once for both.
                    let Some(any) = window::<_, KERNEL>(columns, i * stride) else { break };
                    let two = |i: usize| sums([i, i + 1].map(|i| window(columns, i * stride).unwrap_or(any)), &weights, bias);
                    let [a, b] = two(i);
                    let [c, d] = if i + 2 < count { two(i + 2) } else { [a, b] };
                    let Some(out) = out.get_mut((x + i) * self.out_stride + first..) else { continue };
                    let place = Place { out: out.as_mut_ptr(), stride: self.out_stride, runs: TOKENS.min(count - i), channels: stored };
                    // SAFETY: by the entry's checks every token has all channels.
                    unsafe { sink.four(self.token, place, rates.four(self.token, [a, b, c, d])) };
                }
                x += count;
            }
        }
    }

    /// Weights of the channels from `first` on: per kernel column, pairs of kernel rows, the last
    /// one with zeros.
    #[target_feature(enable = "avx2")]
    fn weights(&self, first: usize) -> [[Pair; PAIRS]; KERNEL] {
        let tap = |ky: usize, kx: usize| {
            let at = (ky * KERNEL + kx) * self.args.weight_stride + first;
            let weights = if ky < KERNEL { up_to(self.args.weights, at, 0) } else { [0; BLOCK] };
            _mm256_cvtepi8_epi16(load16(&weights))
        };
        core::array::from_fn(|kx| core::array::from_fn(|pair| side_by_side(tap(2 * pair, kx), tap(2 * pair + 1, kx))))
    }

    /// The input columns of the output tokens from `x` on, `count` of them, those outside the map
    /// as well.
    #[target_feature(enable = "avx2")]
    fn columns<'b>(&self, first: usize, x: usize, count: usize, buffer: &'b mut [MaybeUninit<Pair>]) -> &'b [[Pair; PAIRS]] {
        let Depthwise { rows, in_stride, columns, stride, pad, .. } = *self.args;
        let pads = [pad; BLOCK];
        let (all, _) = buffer.as_chunks_mut::<PAIRS>();
        let all = all.get_mut(..count).unwrap_or_default();
        let source = |ky: usize| {
            rows.get(ky).copied().flatten().map_or(Source { codes: &pads, stride: 0, whole: usize::MAX, columns }, |row| {
                let codes = row.get(first..).unwrap_or_default();
                let whole = codes.len().checked_sub(BLOCK).map_or(0, |rest| rest / in_stride + 1);
                Source { codes, stride: in_stride, whole: whole.min(columns), columns }
            })
        };
        for pair in 0..PAIRS {
            let (upper, lower) = (source(2 * pair), source(2 * pair + 1));
            // Column `i` of the buffer is column `x * stride + i - KERNEL / 2` of the map.
            let before = (KERNEL / 2).saturating_sub(x * stride).min(count);
            let first_column = (x * stride + before).saturating_sub(KERNEL / 2);
            let whole = upper.whole.min(lower.whole).min(columns).saturating_sub(first_column).min(count - before);
            let Some((left, rest)) = all.split_at_mut_checked(before) else { continue };
            let Some((inside, right)) = rest.split_at_mut_checked(whole) else { continue };
            fill(left.iter_mut().filter_map(|out| out.get_mut(pair)), |_| [_mm256_set1_epi16(pad.into()); 2]);
            // SAFETY: `whole` columns from `first_column` on are below both sources' `whole`.
            unsafe { inner_columns(upper.at(first_column), lower.at(first_column), inside, pair) };
            let next = first_column + whole;
            fill(right.iter_mut().filter_map(|out| out.get_mut(pair)), |i| [upper.column(next + i, pad), lower.column(next + i, pad)]);
        }
        // SAFETY: the loops above have written all pairs of all columns; arrays of `MaybeUninit`
        // lie like arrays of what they hold.
        unsafe { core::slice::from_raw_parts(all.as_ptr().cast(), all.len()) }
    }
}

/// One input row from the block's first channel on.
struct Source<'a> {
    codes: &'a [i8],
    stride: usize,
    /// Columns of which 16 codes exist.
    whole: usize,
    columns: usize,
}

impl Source<'_> {
    /// Start of `column`, and the distance to the next.
    #[inline(always)]
    fn at(&self, column: usize) -> (*const i8, usize) {
        (self.codes.as_ptr().wrapping_add(column.wrapping_mul(self.stride)), self.stride)
    }

    /// 16 channels of any column: `pad` outside the map, anything beyond the row's end.
    #[target_feature(enable = "avx2")]
    fn column(&self, column: usize, pad: i8) -> __m256i {
        let codes = if column < self.columns { up_to(self.codes, column * self.stride, pad) } else { [pad; BLOCK] };
        _mm256_cvtepi8_epi16(load16(&codes))
    }
}

/// Writes what `codes(i)` gives for each column i, the two rows side by side.
#[inline(always)]
fn fill<'b>(columns: impl Iterator<Item = &'b mut MaybeUninit<Pair>>, codes: impl Fn(usize) -> [__m256i; 2]) {
    for (i, column) in columns.enumerate() {
        let [upper, lower] = codes(i);
        // SAFETY: only called from functions with AVX2.
        column.write(unsafe { side_by_side(upper, lower) });
    }
}

/// Columns inside the map, of which all 16 codes exist in both rows. Not inlined: the loop needs
/// its registers.
///
/// # Safety
/// From both pointers on, 16 codes exist for each of the columns, as far apart as said.
#[inline(never)]
#[target_feature(enable = "avx2")]
unsafe fn inner_columns<const PAIRS: usize>(
    (mut upper, upper_stride): (*const i8, usize),
    (mut lower, lower_stride): (*const i8, usize),
    columns: &mut [[MaybeUninit<Pair>; PAIRS]],
    pair: usize,
) {
    for column in columns.iter_mut().filter_map(|column| column.get_mut(pair)) {
        // SAFETY: by this function's contract; the loads need no alignment.
        let codes = unsafe { [_mm_loadu_si128(upper.cast()), _mm_loadu_si128(lower.cast())] };
        column.write(side_by_side(_mm256_cvtepi8_epi16(codes[0]), _mm256_cvtepi8_epi16(codes[1])));
        (upper, lower) = (upper.wrapping_add(upper_stride), lower.wrapping_add(lower_stride));
    }
}

/// The values of two vectors in turn, low and high half of each lane.
#[inline]
#[target_feature(enable = "avx2")]
fn side_by_side(a: __m256i, b: __m256i) -> Pair {
    [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)]
}

/// Accumulators of 16 channels of two output tokens.
#[inline]
#[target_feature(enable = "avx2")]
fn sums<const KERNEL: usize, const PAIRS: usize>(windows: [&[[Pair; PAIRS]; KERNEL]; 2], weights: &[[Pair; PAIRS]; KERNEL], bias: Pair) -> [Pair; 2] {
    let mut acc = [bias; 2];
    for ((first, second), weights) in windows[0].iter().zip(windows[1]).zip(weights) {
        for ((first, second), weights) in first.iter().zip(second).zip(weights) {
            for half in 0..2 {
                acc[0][half] = _mm256_add_epi32(acc[0][half], _mm256_madd_epi16(first[half], weights[half]));
                acc[1][half] = _mm256_add_epi32(acc[1][half], _mm256_madd_epi16(second[half], weights[half]));
            }
        }
    }
    acc
}
