//! The product on AVX-VNNI: `vpdpbusd` multiplies four unsigned bytes with four signed ones and
//! adds all four products to 32 bits, without saturation on the way.
//!
//! Activations become unsigned by 128 more (their sign bit turned, once per call);
//! `128 * sum of the weights` is taken from every channel's bias, so that the sums are those of the
//! definition, modulo 2^32 at every step. A tile is up to 12 rows with one block of 8 channels: 12
//! accumulators hide the instruction's latency.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::avx2::{self, store};
use super::{Gemm, scalar};
use crate::avx2::load8_i32;
use crate::avx2::rates::{Rates, up_to};
use crate::avx2::tile::ROWS;
use crate::epilogue::Epilogue;
use crate::isa::AvxVnni;
use crate::packing::Packing;
use crate::slices::rows as each_row;
use crate::x86::sink::{Kernel, Sink, drive};

/// Channels of a block.
const BLOCK: usize = Packing::BLOCK;
/// Deepest product whose rows the buffer holds four of; deeper ones are left to `avx2`.
pub(super) const MAX_DEPTH: usize = 5120;
/// Bytes of activations that are held at a time: room is left for weights in the first-level cache.
pub(super) const HELD: usize = ROWS * MAX_DEPTH;

/// A block's weights of one group of 4 steps of depth.
type Group = [i8; 4 * BLOCK];

/// Weights in [`Packing::K4`].
pub(super) fn k4(token: AvxVnni, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    if args.depth > MAX_DEPTH {
        return avx2::k4(token.into(), args, epilogue);
    }
    drive(epilogue, Product { _token: token, args });
}

/// The whole product.
struct Product<'a> {
    _token: AvxVnni,
    args: &'a Gemm<'a>,
}

impl Kernel for Product<'_> {
    #[inline(always)]
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: the token proves AVX-VNNI and AVX2.
        unsafe { product(self.args, sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        scalar::k4(self.args, epilogue);
    }
}

/// All rows, as many at a time as the buffer holds.
#[target_feature(enable = "avx2,avxvnni")]
fn product<S: Sink>(args: &Gemm<'_>, sink: S, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let groups = args.depth.div_ceil(4);
    let stride = 4 * groups;
    let mut buffer = [MaybeUninit::<u8>::uninit(); HELD];
    let per_pass = HELD / (ROWS * stride) * ROWS;
    let (blocks, _) = args.weights.as_chunks::<{ 4 * BLOCK }>();
    for (a, out) in args.a.chunks(per_pass * args.depth).zip(out.chunks_mut(per_pass * cout)) {
        let a = unsigned(a, args.depth, stride, &mut buffer);
        for (b, weights) in each_row(blocks, groups).enumerate() {
            column(args, sink, weights, a, b * BLOCK, out);
        }
    }
}

/// The rows of `a`, `stride` bytes each and 128 more each, rounded up to whole fours of rows. Bytes
/// beyond a row's depth meet weights of 0.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn unsigned<'b>(a: &[i8], depth: usize, stride: usize, buffer: &'b mut [MaybeUninit<u8>; HELD]) -> &'b [u8] {
    let turn = |from: &[i8], to: &mut [MaybeUninit<u8>]| to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from as u8 ^ 0x80));
    let len = (a.len() / depth).next_multiple_of(ROWS) * stride;
    let Some(buffer) = buffer.get_mut(..len) else { return &[] };
    if stride == depth {
        let (rows, missing) = buffer.split_at_mut(a.len());
        turn(a, rows);
        missing.fill(MaybeUninit::new(0));
    } else {
        buffer.fill(MaybeUninit::new(0));
        a.chunks(depth).zip(buffer.chunks_mut(stride)).for_each(|(from, to)| turn(from, to));
    }
    // SAFETY: both ways above have written all of it.
    unsafe { buffer.assume_init_ref() }
}

/// One block of channels of all rows.
#[inline]
#[target_feature(enable = "avx2,avxvnni")]
fn column<S: Sink>(args: &Gemm<'_>, sink: S, weights: &[Group], a: &[u8], first: usize, out: &mut [S::Out]) {
    let rates = Rates::new(args.requant, first);
    let offset = _mm256_set1_epi8(i8::MIN);
    // 128 times the sum of the weights, in two chains.
    let mut sums = [_mm256_setzero_si256(); 2];
    for (g, group) in weights.iter().enumerate() {
        sums[g % 2] = _mm256_dpbusd_avx_epi32(sums[g % 2], offset, load32(group));
    }
    let start = _mm256_sub_epi32(load8_i32(&up_to(args.bias, first, 0)), _mm256_add_epi32(sums[0], sums[1]));
    let mut todo = Rows { weights, a, start, rates, first, cout: args.bias.len() };
    let mut out = out;
    loop {
        // Never a single four after threes where it can be two twos.
        out = match todo.a.len() / (ROWS * 4 * weights.len()) {
            0 => return,
            1 => todo.next::<{ ROWS }, S>(sink, out),
            2 | 4 => todo.next::<{ 2 * ROWS }, S>(sink, out),
            _ => todo.next::<{ 3 * ROWS }, S>(sink, out),
        };
    }
}

/// Rows of a block of channels that are not computed yet.
struct Rows<'a> {
    weights: &'a [Group],
    a: &'a [u8],
    start: __m256i,
    rates: Rates,
    first: usize,
    cout: usize,
}

impl Rows<'_> {
    /// Computes and stores the next `R` rows; returns the outputs of those that follow.
    #[inline]
    #[target_feature(enable = "avx2,avxvnni")]
    fn next<'o, const R: usize, S: Sink>(&mut self, sink: S, out: &'o mut [S::Out]) -> &'o mut [S::Out] {
        let stride = 4 * self.weights.len();
        let (now, later) = self.a.split_at(R * stride);
        self.a = later;
        let mut acc = [self.start; R];
        for (g, group) in self.weights.iter().enumerate() {
            let weights = load32(group);
            for (row, acc) in acc.iter_mut().enumerate() {
                // SAFETY: `row < R` and `g < stride / 4`, so these 4 bytes lie in `now`, which has
                // `R * stride`; the read needs no alignment.
                let four = unsafe { now.as_ptr().add(row * stride + 4 * g).cast::<i32>().read_unaligned() };
                *acc = _mm256_dpbusd_avx_epi32(*acc, _mm256_set1_epi32(four), weights);
            }
        }
        // Lanes as the ways of storing take them.
        let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
        let (out, later) = out.split_at_mut(out.len().min(R * self.cout));
        for (acc, out) in acc.as_chunks::<ROWS>().0.iter().zip(out.chunks_mut(ROWS * self.cout)) {
            let mut rq = *acc;
            rq.iter_mut().for_each(|acc| *acc = self.rates.of_interleaved(_mm256_permutevar8x32_epi32(*acc, order)));
            store(sink, rq, self.first, self.cout, out);
        }
        later
    }
}

/// 32 bytes.
#[inline]
#[target_feature(enable = "avx2")]
fn load32(bytes: &Group) -> __m256i {
    // SAFETY: reads the 32 bytes of the reference; the load needs no alignment.
    unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) }
}
