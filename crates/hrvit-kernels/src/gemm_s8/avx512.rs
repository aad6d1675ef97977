//! The product on AVX-512: `vpdpbusd` multiplies four unsigned bytes with four signed ones and adds all four products to 32 bits, in 16 channels at a time.
//!
//! As in `avx_vnni` activations become unsigned by 128 more, and `128 * sum of the weights` is taken from every channel's bias. A tile is up to 12 rows with 32 channels (four
//! blocks of [`Layout::K4`]): 24 accumulators, so that every activation is used twice and every weight 12 times.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::avx_vnni::{HELD, MAX_DEPTH, unsigned};
use super::{Gemm, avx2};
use crate::avx2::tile::ROWS;
use crate::avx512::rates::Rates;
use crate::avx512::sink::{Kernel, Place, Sink, drive};
use crate::avx512::{LANES, first_lanes, load_i32};
use crate::epilogue::Epilogue;
use crate::isa::Avx512;
use crate::lanes::rows as each_row;
use crate::layout::Layout;

/// A block's weights of one group of 4 steps of depth.
type Group = [i8; 4 * Layout::BLOCK];

/// Weights in [`Layout::K4`].
pub(super) fn k4(token: Avx512, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    if args.depth > MAX_DEPTH {
        return avx2::k4(token.into(), args, epilogue);
    }
    // SAFETY: the token proves AVX-512.
    unsafe { drive(epilogue, Product { token, args }) }
}

/// The whole product.
struct Product<'a> {
    token: Avx512,
    args: &'a Gemm<'a>,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    unsafe fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: by the contract.
        unsafe { product(self.args, sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        avx2::k4(self.token.into(), self.args, epilogue);
    }
}

/// All rows, as many at a time as the buffer holds.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn product<S: Sink>(args: &Gemm<'_>, sink: S, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let groups = args.depth.div_ceil(4);
    let stride = 4 * groups;
    let mut buffer = [MaybeUninit::<u8>::uninit(); HELD];
    let per_pass = HELD / (ROWS * stride) * ROWS;
    let (blocks, _) = args.weights.as_chunks::<{ 4 * Layout::BLOCK }>();
    for (a, out) in args.a.chunks(per_pass * args.depth).zip(out.chunks_mut(per_pass * cout)) {
        let a = unsigned(a, args.depth, stride, &mut buffer);
        let mut first = 0;
        let mut blocks = each_row(blocks, groups);
        while let Some(one) = blocks.next() {
            let four = [one, blocks.next().unwrap_or_default(), blocks.next().unwrap_or_default(), blocks.next().unwrap_or_default()];
            let [a_block, b, c, d] = four;
            if first + LANES < cout {
                columns(args, sink, [[a_block, b], [c, d]], a, first, out);
            } else {
                columns(args, sink, [[a_block, b]], a, first, out);
            }
            first += 2 * LANES;
        }
    }
}

/// Two blocks of weights, of which the second may be missing.
type Pair<'a> = [&'a [Group]; 2];

/// `N` times 16 channels from `first` on of all rows.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn columns<S: Sink, const N: usize>(args: &Gemm<'_>, sink: S, weights: [Pair<'_>; N], a: &[u8], first: usize, out: &mut [S::Out]) {
    let offset = _mm512_set1_epi8(i8::MIN);
    let groups = weights[0][0].len();
    let zeros = [[0; 4 * Layout::BLOCK]; 1];
    // A missing block is one group of zeros, again and again.
    let weights = weights.map(|pair| pair.map(|block| if block.is_empty() { (zeros.as_ptr(), 0) } else { (block.as_ptr(), 1) }));
    let todo = Rows {
        weights,
        groups,
        a,
        // 128 times the sum of the weights.
        start: core::array::from_fn(|n| {
            let mut sums = [_mm512_setzero_si512(); 2];
            for g in 0..groups {
                // SAFETY: `g < groups`.
                sums[g % 2] = _mm512_dpbusd_epi32(sums[g % 2], offset, unsafe { load(weights[n], g) });
            }
            _mm512_sub_epi32(load_i32(args.bias, first + n * LANES), _mm512_add_epi32(sums[0], sums[1]))
        }),
        rates: core::array::from_fn(|n| Rates::new(args.requant, first + n * LANES)),
        first,
        cout: args.bias.len(),
    };
    let mut todo = todo;
    let mut out = out;
    loop {
        // Never a single four after threes where it can be two twos.
        out = match todo.a.len() / (ROWS * 4 * groups) {
            0 => return,
            1 => todo.next::<{ ROWS }, S>(sink, out),
            2 | 4 => todo.next::<{ 2 * ROWS }, S>(sink, out),
            _ => todo.next::<{ 3 * ROWS }, S>(sink, out),
        };
    }
}

/// Rows of `N` times 16 channels that are not computed yet.
struct Rows<'a, const N: usize> {
    weights: [[(*const Group, usize); 2]; N],
    groups: usize,
    a: &'a [u8],
    start: [__m512i; N],
    rates: [Rates; N],
    first: usize,
    cout: usize,
}

impl<const N: usize> Rows<'_, N> {
    /// Computes and stores the next `R` rows; returns the outputs of those that follow.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn next<'o, const R: usize, S: Sink>(&mut self, sink: S, out: &'o mut [S::Out]) -> &'o mut [S::Out] {
        let stride = 4 * self.groups;
        let (now, later) = self.a.split_at(R * stride);
        self.a = later;
        let mut acc = [self.start; R];
        for g in 0..self.groups {
            // SAFETY: `g` is below the number of groups.
            let weights = self.weights.map(|pair| unsafe { load(pair, g) });
            for (row, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `row < R` and `g < stride / 4`, so these 4 bytes lie in `now`, which has `R * stride`; the read needs no alignment.
                let four = unsafe { now.as_ptr().add(row * stride + 4 * g).cast::<i32>().read_unaligned() };
                let four = _mm512_set1_epi32(four);
                for (acc, weights) in acc.iter_mut().zip(weights) {
                    *acc = _mm512_dpbusd_epi32(*acc, four, weights);
                }
            }
        }
        let (out, later) = out.split_at_mut(out.len().min(R * self.cout));
        for (acc, out) in acc.as_chunks::<ROWS>().0.iter().zip(out.chunks_mut(ROWS * self.cout)) {
            for (n, rates) in self.rates.iter().enumerate() {
                let first = self.first + n * LANES;
                let place = Place {
                    out: out.as_mut_ptr().wrapping_add(first),
                    stride: self.cout,
                    runs: out.len() / self.cout,
                    channels: first_lanes(self.cout.saturating_sub(first)),
                };
                // SAFETY: AVX-512 by this function's attribute; `out` holds as many rows of `cout` elements, of which the mask has those from `first` on.
                unsafe { sink.four(place, rates.four(acc.map(|acc| acc[n]))) };
            }
        }
        later
    }
}

/// Group `g` of two blocks.
///
/// # Safety
/// Each block has that group, or one that stands for all.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
unsafe fn load(blocks: [(*const Group, usize); 2], g: usize) -> __m512i {
    // SAFETY: by the contract, 32 bytes each; the loads need no alignment.
    let [low, high] = blocks.map(|(block, step)| unsafe { _mm256_loadu_si256(block.wrapping_add(g * step).cast()) });
    _mm512_inserti64x4::<1>(_mm512_castsi256_si512(low), high)
}
