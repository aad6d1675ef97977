//! The product on AVX2: activations are widened to 16 bits once per call (those of 16 bits are
//! copied), weights once per call where many rows use them, else as they are read; see
//! [`crate::avx2::tile`].

use core::arch::x86_64::*;
use core::marker::PhantomData;
use core::mem::MaybeUninit;

use super::{Gemm, scalar};
use crate::avx2::load8_i32;
use crate::avx2::rates::{Rates, up_to};
use crate::avx2::tile::{Group, ROWS, Step, multiply, multiply_wide, pack, widen, widen_block};
use crate::epilogue::Epilogue;
use crate::isa::Avx2;
use crate::packing::Packing;
use crate::slices::{rows as each_row, rows_mut};
use crate::x86::sink::{Kernel, Sink, drive};

/// Channels of a block.
const BLOCK: usize = Packing::BLOCK;
/// Deepest product that the buffers hold; deeper ones are left to `scalar`.
const MAX_DEPTH: usize = 5120;
/// Elements of widened activations that leave room for weights in the first-level cache.
const CACHED: usize = 8192;
/// Deepest product whose weights are widened ahead, a pair of blocks at a time: in deeper ones they
/// would crowd the first-level cache.
const MAX_WIDE: usize = 320;
/// Rows from which on that pays.
const MIN_ROWS_OF_WIDE: usize = 24;

/// Weights in [`Packing::K4`].
pub(super) fn k4(token: Avx2, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    Product::<Blocks, i8>::run(token, args, epilogue, scalar::k4);
}

/// Weights in [`Packing::Rows`], a block at a time brought into [`Packing::K4`].
pub(super) fn rows(token: Avx2, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    Product::<Repacked, i8>::run(token, args, epilogue, scalar::rows);
}

/// Activations of 16 bits and weights in [`Packing::Rows`]; `otherwise` is the definition.
pub(crate) fn rows_s16(token: Avx2, args: &Gemm<'_, i16>, epilogue: Epilogue<'_>, otherwise: fn(&Gemm<'_, i16>, Epilogue<'_>)) {
    Product::<Repacked, i16>::run(token, args, epilogue, otherwise);
}

/// Element of rows.
trait Activation: Copy {
    /// Writes `codes` into `wide`, which is longer by less than a group of 4, and zeros behind
    /// them.
    ///
    /// # Safety
    /// The processor has AVX2.
    unsafe fn widen(codes: &[Self], wide: &mut [MaybeUninit<i16>]);
}

impl Activation for i8 {
    #[inline(always)]
    unsafe fn widen(codes: &[Self], wide: &mut [MaybeUninit<i16>]) {
        // SAFETY: by the contract.
        unsafe { widen(codes, wide) }
    }
}

impl Activation for i16 {
    #[inline(always)]
    unsafe fn widen(codes: &[Self], wide: &mut [MaybeUninit<i16>]) {
        let Some((wide, padding)) = wide.split_at_mut_checked(codes.len()) else { return };
        wide.write_copy_of_slice(codes);
        padding.fill(MaybeUninit::new(0));
    }
}

/// Source of blocks of weights.
trait Weights {
    /// The block from channel `first` on, in [`Packing::K4`]; `buffer` holds one.
    fn block<'w, A>(args: &Gemm<'w, A>, first: usize, groups: usize, buffer: &'w mut [MaybeUninit<Group>]) -> &'w [Group];

    /// Elements of widened activations that are held at a time.
    const HELD: usize;
}

/// Weights that lie in blocks.
struct Blocks;

impl Weights for Blocks {
    const HELD: usize = CACHED;

    #[inline(always)]
    fn block<'w, A>(args: &Gemm<'w, A>, first: usize, groups: usize, _: &'w mut [MaybeUninit<Group>]) -> &'w [Group] {
        let (bytes, _) = args.weights.as_chunks::<16>();
        let (all, _) = bytes.as_chunks::<2>();
        let at = first / BLOCK * groups;
        all.get(at..at + groups).unwrap_or_default()
    }
}

/// Weights row by row.
struct Repacked;

impl Weights for Repacked {
    // As many as fit: every time costs another packing of the weights.
    const HELD: usize = ROWS * MAX_DEPTH;

    #[inline(always)]
    fn block<'w, A>(args: &Gemm<'w, A>, first: usize, groups: usize, buffer: &'w mut [MaybeUninit<Group>]) -> &'w [Group] {
        let Some(buffer) = buffer.get_mut(..groups) else { return &[] };
        let mut rows = each_row(args.weights.get(first * args.depth..).unwrap_or_default(), args.depth);
        let channels: [&[i8]; BLOCK] = core::array::from_fn(|_| rows.next().unwrap_or_default());
        pack(channels, buffer)
    }
}

/// The whole product; what the vectors cannot do exactly is left to `otherwise`.
struct Product<'a, W, A> {
    _token: Avx2,
    args: &'a Gemm<'a, A>,
    otherwise: fn(&Gemm<'_, A>, Epilogue<'_>),
    weights: PhantomData<W>,
}

impl<'a, W: Weights, A: Activation> Product<'a, W, A> {
    fn run(token: Avx2, args: &'a Gemm<'a, A>, epilogue: Epilogue<'_>, otherwise: fn(&Gemm<'_, A>, Epilogue<'_>)) {
        if args.depth > MAX_DEPTH {
            return otherwise(args, epilogue);
        }
        drive(epilogue, Self { _token: token, args, otherwise, weights: PhantomData });
    }
}

impl<W: Weights, A: Activation> Kernel for Product<'_, W, A> {
    #[inline(always)]
    fn run<S: Sink>(self, sink: S, out: &mut [S::Out]) {
        // SAFETY: the token proves AVX2.
        unsafe { product::<W, A, S>(self.args, sink, out) }
    }

    fn otherwise(self, epilogue: Epilogue<'_>) {
        (self.otherwise)(self.args, epilogue);
    }
}

/// All rows, as many at a time as the buffer of widened activations holds.
#[target_feature(enable = "avx2")]
fn product<W: Weights, A: Activation, S: Sink>(args: &Gemm<'_, A>, sink: S, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let groups = args.depth.div_ceil(4);
    let stride = 4 * groups;
    let mut wide = [MaybeUninit::<i16>::uninit(); ROWS * MAX_DEPTH];
    let mut buffer = [MaybeUninit::<Group>::uninit(); MAX_DEPTH / 4];
    let mut steps = [const { MaybeUninit::<Step>::uninit() }; MAX_WIDE];
    let per_pass = (W::HELD / (ROWS * stride)).max(1) * ROWS;
    let mut a = args.a;
    let mut out = out;
    while !a.is_empty() {
        let (now, later) = a.split_at(a.len().min(per_pass * args.depth));
        let rows = now.len() / args.depth;
        let (out_now, out_later) = out.split_at_mut(rows * cout);
        if stride == args.depth {
            // No padding between rows: one long row.
            // SAFETY: AVX2 by this function's attribute.
            unsafe { A::widen(now, wide.get_mut(..now.len()).unwrap_or_default()) };
        } else {
            for (codes, wide) in each_row(now, args.depth).zip(rows_mut(&mut wide, stride)) {
                // SAFETY: AVX2 by this function's attribute.
                unsafe { A::widen(codes, wide) };
            }
        }
        // SAFETY: `stride` elements of each row have been written above.
        let wide = unsafe { wide.get_unchecked(..rows * stride).assume_init_ref() };
        if rows >= MIN_ROWS_OF_WIDE && stride <= MAX_WIDE {
            for first in (0..cout).step_by(2 * BLOCK) {
                let (steps, second) = steps.split_at_mut(MAX_WIDE / 2);
                let low = widen_block(W::block(args, first, groups, &mut buffer), steps);
                if first + BLOCK < cout {
                    let high = widen_block(W::block(args, first + BLOCK, groups, &mut buffer), second);
                    wide_columns(args, sink, [low, high], wide, first, out_now);
                } else {
                    wide_columns(args, sink, [low], wide, first, out_now);
                }
            }
        } else {
            for first in (0..cout).step_by(BLOCK) {
                column(args, sink, W::block(args, first, groups, &mut buffer), wide, first, out_now);
            }
        }
        (a, out) = (later, out_later);
    }
}

/// One block of channels of a few rows: weights are widened as they are read.
#[inline]
#[target_feature(enable = "avx2")]
fn column<A, S: Sink>(args: &Gemm<'_, A>, sink: S, weights: &[Group], wide: &[i16], first: usize, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let rates = Rates::new(args.requant, first);
    let bias = load8_i32(&up_to(args.bias, first, 0));
    // Each in the first of its two lanes.
    let start = [_mm256_cvtepu32_epi64(_mm256_castsi256_si128(bias)), _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(bias))];
    let mut rows = each_row(wide.as_chunks::<4>().0, weights.len());
    for out in out.chunks_mut(ROWS * cout) {
        let Some(a) = four_rows(&mut rows) else { break };
        let rq = multiply(a, weights, start).map(|[low, high]| rates.of_pairs(low, high));
        store(sink, rq, first, cout, out);
    }
}

/// One or two (`N`) blocks of channels of many rows, from widened weights.
#[inline]
#[target_feature(enable = "avx2")]
fn wide_columns<A, S: Sink, const N: usize>(args: &Gemm<'_, A>, sink: S, weights: [&[Step]; N], wide: &[i16], first: usize, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let order = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    let mut rates = [Rates::new(args.requant, first); N];
    let mut start = [_mm256_setzero_si256(); N];
    for (n, (rates, start)) in rates.iter_mut().zip(&mut start).enumerate() {
        *rates = Rates::new(args.requant, first + n * BLOCK);
        *start = _mm256_permutevar8x32_epi32(load8_i32(&up_to(args.bias, first + n * BLOCK, 0)), order);
    }
    let steps = weights.first().map_or(0, |weights| weights.len());
    let mut rows = each_row(wide.as_chunks::<2>().0, steps);
    for out in out.chunks_mut(ROWS * cout) {
        let Some(a) = four_rows(&mut rows) else { break };
        let sums = multiply_wide(a, weights, start);
        store(sink, sums.map(|sums| rates[0].of_interleaved(sums[0])), first, cout, out);
        if N == 2 {
            store(sink, sums.map(|sums| rates[N - 1].of_interleaved(sums[N - 1])), first + BLOCK, cout, out);
        }
    }
}

/// The next rows of activations, the first one in place of those that do not exist.
#[inline(always)]
fn four_rows<'a, T>(rows: &mut impl Iterator<Item = &'a [T]>) -> Option<[&'a [T]; ROWS]> {
    let first = rows.next()?;
    Some([first, rows.next().unwrap_or(first), rows.next().unwrap_or(first), rows.next().unwrap_or(first)])
}

/// Stores up to 8 channels from `first` on of up to 4 rows.
#[inline]
#[target_feature(enable = "avx2")]
pub(super) fn store<S: Sink>(sink: S, rq: [__m256i; ROWS], first: usize, cout: usize, out: &mut [S::Out]) {
    if first + BLOCK <= cout && out.len() == ROWS * cout {
        // SAFETY: AVX2 by this function's attribute; `out` holds 4 rows of `cout` elements, of
        // which `first + 8` or more exist.
        unsafe { sink.rows(out.as_mut_ptr().add(first), cout, rq) };
        return;
    }
    let mut tile = [[S::Out::default(); BLOCK]; ROWS];
    for (tile, out) in tile.iter_mut().zip(out.chunks(cout)) {
        tile.iter_mut().zip(out.iter().skip(first)).for_each(|(to, from)| *to = *from);
    }
    // SAFETY: AVX2 by this function's attribute; the tile is 4 rows of 8 elements.
    unsafe { sink.rows(tile.as_mut_ptr().cast(), BLOCK, rq) };
    for (tile, out) in tile.iter().zip(out.chunks_mut(cout)) {
        out.iter_mut().skip(first).zip(tile).for_each(|(to, from)| *to = *from);
    }
}
