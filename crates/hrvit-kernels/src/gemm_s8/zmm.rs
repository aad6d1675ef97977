//! The product on AVX-512: `vpdpbusd` multiplies four unsigned bytes with four signed ones and adds
//! all four products to 32 bits, in 16 channels at a time.
//!
//! As in `avx_vnni` activations become unsigned by 128 more, and `128 * sum of the weights` is
//! taken from every channel's bias. A tile is up to 12 rows with 32 channels (four blocks of
//! [`Packing::K4`]): 24 accumulators, so that every activation is used twice and every weight 12
//! times.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::avx_vnni::{HELD, MAX_DEPTH, unsigned};
use super::{Gemm, avx2};
use crate::avx2::tile::ROWS;
use crate::epilogue::Epilogue;
use crate::isa::Avx512;
use crate::packing::Packing;
use crate::slices::rows as each_row;
use crate::x86::rates::Rates;
use crate::x86::sink::{Kernel, Sink, drive};
use crate::x86::{BLOCK as LANES, Place, first_channels, load_i32};

/// Most rows of a tile.
const MAX_ROWS: usize = 3 * ROWS;

/// A block's weights of one group of 4 steps of depth.
type Group = [i8; 4 * Packing::BLOCK];

/// Weights in [`Packing::K4`].
pub(super) fn k4(token: Avx512, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    if args.depth > MAX_DEPTH {
        return avx2::k4(token.into(), args, epilogue);
    }
    drive(epilogue, Product { token, args });
}

/// The whole product.
struct Product<'a> {
    token: Avx512,
    args: &'a Gemm<'a>,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: the token proves AVX-512.
        unsafe { product(self.token, self.args, sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        avx2::k4(self.token.into(), self.args, epilogue);
    }
}

/// All rows, as many at a time as the buffer holds.
#[inline(never)]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn product<S: Sink>(token: Avx512, args: &Gemm<'_>, sink: S, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let groups = args.depth.div_ceil(4);
    let stride = 4 * groups;
    let mut buffer = [MaybeUninit::<u8>::uninit(); HELD];
    let per_pass = HELD / (ROWS * stride) * ROWS;
    let (blocks, _) = args.weights.as_chunks::<{ 4 * Packing::BLOCK }>();
    for (a, out) in args.a.chunks(per_pass * args.depth).zip(out.chunks_mut(per_pass * cout)) {
        let a = unsigned(a, args.depth, stride, &mut buffer);
        let mut first = 0;
        let mut blocks = each_row(blocks, groups);
        while let Some(one) = blocks.next() {
            // In place of a missing block any other: its sums are not stored.
            let pair = [one, blocks.next().unwrap_or(one)];
            match blocks.next() {
                Some(one) => columns(token, args, sink, [pair, [one, blocks.next().unwrap_or(one)]], a, first, out),
                None => columns(token, args, sink, [pair], a, first, out),
            }
            first += 2 * LANES;
        }
    }
}

/// Two blocks of weights, of equal lengths.
type Pair<'a> = [&'a [Group]; 2];

/// `N` times 16 channels from `first` on of all rows.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn columns<S: Sink, const N: usize>(token: Avx512, args: &Gemm<'_>, sink: S, weights: [Pair<'_>; N], a: &[u8], first: usize, out: &mut [S::Out]) {
    let offset = _mm512_set1_epi8(i8::MIN);
    let mut start = [_mm512_setzero_si512(); N];
    let mut rates = [Rates::new(token, args.requant, first); N];
    for (n, (start, rates)) in start.iter_mut().zip(&mut rates).enumerate() {
        // 128 times the sum of the weights, in two chains.
        let (mut even, mut odd) = (_mm512_setzero_si512(), _mm512_setzero_si512());
        let [low, high] = weights[n];
        for (low, high) in low.iter().zip(high) {
            (even, odd) = (odd, _mm512_dpbusd_epi32(even, offset, load(low, high)));
        }
        *start = _mm512_sub_epi32(load_i32(args.bias, first + n * LANES), _mm512_add_epi32(even, odd));
        *rates = Rates::new(token, args.requant, first + n * LANES);
    }
    let mut todo = Rows { token, weights, a, start, rates, first, cout: args.bias.len() };
    let mut out = out;
    loop {
        // Never a single four after threes where it can be two twos.
        out = match todo.a.len() / (ROWS * 4 * weights[0][0].len()) {
            0 => return,
            1 => todo.next::<{ ROWS }, S>(sink, out),
            2 | 4 => todo.next::<{ 2 * ROWS }, S>(sink, out),
            _ => todo.next::<{ 3 * ROWS }, S>(sink, out),
        };
    }
}

/// Rows of `N` times 16 channels that are not computed yet.
struct Rows<'a, const N: usize> {
    token: Avx512,
    weights: [Pair<'a>; N],
    a: &'a [u8],
    start: [__m512i; N],
    rates: [Rates<Avx512>; N],
    first: usize,
    cout: usize,
}

impl<const N: usize> Rows<'_, N> {
    /// Computes and stores the next `R` rows; returns the outputs of those that follow.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn next<'o, const R: usize, S: Sink>(&mut self, sink: S, out: &'o mut [S::Out]) -> &'o mut [S::Out] {
        let groups = self.weights[0][0].len();
        let stride = 4 * groups;
        let (now, later) = self.a.split_at(R * stride);
        self.a = later;
        let mut acc = [self.start; R];
        // Three rows from each of these on: as many as an address says without a register of their
        // own.
        let mut starts = [now.as_ptr(); MAX_ROWS / 3];
        for (i, start) in starts.iter_mut().enumerate() {
            *start = start.wrapping_add(3 * i * stride);
        }
        for g in 0..groups {
            let mut weights = [_mm512_setzero_si512(); N];
            for (to, [low, high]) in weights.iter_mut().zip(self.weights) {
                // SAFETY: all blocks have as many groups.
                *to = unsafe { load(low.get_unchecked(g), high.get_unchecked(g)) };
            }
            for (row, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `row < R` and `g < stride / 4`, so these 4 bytes lie in `now`, which has
                // `R * stride`; the read needs no alignment.
                let four = unsafe { starts[row / 3].add(row % 3 * stride).cast::<i32>().read_unaligned() };
                let four = _mm512_set1_epi32(four);
                for (acc, weights) in acc.iter_mut().zip(weights) {
                    *acc = _mm512_dpbusd_epi32(*acc, four, weights);
                }
            }
            for start in &mut starts {
                *start = start.wrapping_add(4);
            }
        }
        let (out, later) = out.split_at_mut(out.len().min(R * self.cout));
        // Not a loop: sums stay in their registers.
        self.store(sink, [acc[0], acc[1], acc[2], acc[3]], 0, out);
        if R > ROWS {
            self.store(sink, [acc[4 % R], acc[5 % R], acc[6 % R], acc[7 % R]], ROWS, out);
        }
        if R > 2 * ROWS {
            self.store(sink, [acc[8 % R], acc[9 % R], acc[10 % R], acc[11 % R]], 2 * ROWS, out);
        }
        later
    }

    /// Stores four rows from `row` on, or as many as there are.
    #[inline(always)]
    fn store<S: Sink>(&self, sink: S, acc: [[__m512i; N]; ROWS], row: usize, out: &mut [S::Out]) {
        let out = out.get_mut(row * self.cout..).unwrap_or_default();
        let [a, b, c, d] = acc;
        for (n, rates) in self.rates.iter().enumerate() {
            let first = self.first + n * LANES;
            let place = Place {
                out: out.as_mut_ptr().wrapping_add(first),
                stride: self.cout,
                runs: (out.len() / self.cout).min(ROWS),
                channels: first_channels(self.cout.saturating_sub(first)),
            };
            // SAFETY: `out` holds as many rows of `cout`
            // elements, of which the mask has those from `first` on.
            unsafe { sink.four(self.token, place, rates.four(self.token, [[a[n]], [b[n]], [c[n]], [d[n]]])) };
        }
    }
}

/// The same group of two blocks.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn load(low: &Group, high: &Group) -> __m512i {
    // SAFETY: each load reads the 32 bytes of a reference, without alignment.
    let (low, high) = unsafe { (_mm256_loadu_si256(low.as_ptr().cast()), _mm256_loadu_si256(high.as_ptr().cast())) };
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}
