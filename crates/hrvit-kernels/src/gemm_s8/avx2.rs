//! The product on AVX2: activations are widened to 16 bits once per call, weights as they are read; see [`crate::avx2::tile`].

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Gemm, scalar};
use crate::avx2::load8_i32;
use crate::avx2::rates::{Order, Rates, up_to};
use crate::avx2::sink::{Add16, Add32, Sink, Store8, Store16, Table8};
use crate::avx2::tile::{Group, ROWS, Sums, multiply, pack, widen};
use crate::epilogue::Epilogue;
use crate::isa::Avx2;
use crate::lanes::{rows as each_row, rows_mut};
use crate::layout::Layout;

/// Channels of a block.
const BLOCK: usize = Layout::BLOCK;
/// Deepest product that the buffers hold; deeper ones are left to `scalar`.
const MAX_DEPTH: usize = 5120;
/// Elements of widened activations that stay in the first-level cache.
const CACHED: usize = 8192;

/// Weights in [`Layout::K4`].
pub(super) fn k4(_: Avx2, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the token proves AVX2.
    unsafe { drive::<Blocks>(args, epilogue, scalar::k4) }
}

/// Weights in [`Layout::Rows`], a block at a time brought into [`Layout::K4`].
pub(super) fn rows(_: Avx2, args: &Gemm<'_>, epilogue: Epilogue<'_>) {
    // SAFETY: the token proves AVX2.
    unsafe { drive::<Repacked>(args, epilogue, scalar::rows) }
}

/// Where blocks of weights come from.
trait Weights {
    /// The block from channel `first` on, in [`Layout::K4`]; `buffer` holds one.
    fn block<'w>(args: &Gemm<'w>, first: usize, groups: usize, buffer: &'w mut [MaybeUninit<Group>]) -> &'w [Group];
    /// Most rows of activations that are widened at a time, for a depth of `groups` groups.
    fn rows(groups: usize) -> usize;
}

/// Weights that lie in blocks.
struct Blocks;

impl Weights for Blocks {
    #[inline(always)]
    fn block<'w>(args: &Gemm<'w>, first: usize, groups: usize, _: &'w mut [MaybeUninit<Group>]) -> &'w [Group] {
        let (bytes, _) = args.weights.as_chunks::<16>();
        let (all, _) = bytes.as_chunks::<2>();
        let at = first / BLOCK * groups;
        all.get(at..at + groups).unwrap_or_default()
    }

    #[inline(always)]
    fn rows(groups: usize) -> usize {
        CACHED / (4 * groups)
    }
}

/// Weights row by row.
struct Repacked;

impl Weights for Repacked {
    #[inline(always)]
    fn block<'w>(args: &Gemm<'w>, first: usize, groups: usize, buffer: &'w mut [MaybeUninit<Group>]) -> &'w [Group] {
        let Some(buffer) = buffer.get_mut(..groups) else { return &[] };
        let mut rows = each_row(args.weights.get(first * args.depth..).unwrap_or_default(), args.depth);
        let channels: [&[i8]; BLOCK] = core::array::from_fn(|_| rows.next().unwrap_or_default());
        pack(channels, buffer)
    }

    #[inline(always)]
    fn rows(groups: usize) -> usize {
        // As many as fit: every time costs another packing of the weights.
        ROWS * MAX_DEPTH / (4 * groups)
    }
}

/// Chooses the way of storing; what the vectors cannot do exactly is left to `otherwise`.
#[target_feature(enable = "avx2")]
fn drive<W: Weights>(args: &Gemm<'_>, epilogue: Epilogue<'_>, otherwise: fn(&Gemm<'_>, Epilogue<'_>)) {
    if args.depth > MAX_DEPTH {
        return otherwise(args, epilogue);
    }
    match epilogue {
        Epilogue::Store8 { out, range } => match Store8::new(range) {
            Some(sink) => product::<W, _>(args, sink, out),
            None => otherwise(args, Epilogue::Store8 { out, range }),
        },
        Epilogue::Store16 { out } => product::<W, _>(args, Store16, out),
        Epilogue::Add16 { out } => product::<W, _>(args, Add16, out),
        Epilogue::Add32 { out } => product::<W, _>(args, Add32, out),
        Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero) {
            Some(sink) => product::<W, _>(args, sink, out),
            None => otherwise(args, Epilogue::Table8 { out, table, zero }),
        },
    }
}

/// All rows, as many at a time as the buffer of widened activations should hold.
#[target_feature(enable = "avx2")]
fn product<W: Weights, S: Sink>(args: &Gemm<'_>, sink: S, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let groups = args.depth.div_ceil(4);
    let stride = 4 * groups;
    let mut wide = [MaybeUninit::<i16>::uninit(); ROWS * MAX_DEPTH];
    let mut buffer = [MaybeUninit::<Group>::uninit(); MAX_DEPTH / 4];
    let per_pass = (W::rows(groups) / ROWS * ROWS).max(ROWS);
    let mut a = args.a;
    let mut out = out;
    while !a.is_empty() {
        let (now, later) = a.split_at(a.len().min(per_pass * args.depth));
        let rows = now.len() / args.depth;
        let (out_now, out_later) = out.split_at_mut(rows * cout);
        for (codes, wide) in each_row(now, args.depth).zip(rows_mut(&mut wide, stride)) {
            widen(codes, wide);
        }
        // SAFETY: the loop above has written `stride` elements of each row.
        let wide = unsafe { wide.get_unchecked(..rows * stride).assume_init_ref() };
        for first in (0..cout).step_by(BLOCK) {
            let weights = W::block(args, first, groups, &mut buffer);
            column(args, sink, weights, wide, first, out_now);
        }
        (a, out) = (later, out_later);
    }
}

/// One block of channels of some rows.
#[inline]
#[target_feature(enable = "avx2")]
fn column<S: Sink>(args: &Gemm<'_>, sink: S, weights: &[Group], wide: &[i16], first: usize, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let rates = Rates::new(args.requant, first, Order::Pairs);
    let start = bias(args.bias, first);
    let channels = BLOCK.min(cout - first);
    let (fours, _) = wide.as_chunks::<4>();
    let groups = weights.len();
    let mut rows = each_row(fours, groups);
    let mut outs = out.chunks_mut(ROWS * cout);
    while let (Some(a0), Some(out)) = (rows.next(), outs.next()) {
        let (a1, a2, a3) = (rows.next().unwrap_or(a0), rows.next().unwrap_or(a0), rows.next().unwrap_or(a0));
        let rq = multiply([a0, a1, a2, a3], weights, start).map(|[low, high]| rates.of_pairs(low, high));
        if channels == BLOCK && out.len() == ROWS * cout {
            // SAFETY: AVX2 by this function's attribute; `out` holds 4 rows of `cout` elements, of which `first + 8` or more exist.
            unsafe { sink.rows(out.as_mut_ptr().add(first), cout, rq) };
        } else {
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
    }
}

/// Biases of the channels from `first` on, each in the first of its two lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn bias(bias: &[i32], first: usize) -> Sums {
    let all = load8_i32(&up_to(bias, first, 0));
    [_mm256_cvtepu32_epi64(_mm256_castsi256_si128(all)), _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(all))]
}
