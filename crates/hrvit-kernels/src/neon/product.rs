//! The loop over tiles of a product: some rows of activations with a block of 8 channels, whatever
//! the instruction that multiplies them.

use core::arch::aarch64::*;

use super::rates::Rates;
use super::sink::{Add16, Add32, Sink, Store8, Store16, Table8};
use crate::epilogue::Epilogue;
use crate::gemm_s8::Gemm;
use crate::packing::Packing;

/// Channels of a block.
pub(crate) const BLOCK: usize = Packing::BLOCK;
/// Most rows of a tile.
pub(crate) const ROWS: usize = 8;
/// Deepest product; deeper ones are left to `scalar`.
const MAX_DEPTH: usize = 8 * GROUPS;
/// The same in groups of 8 steps.
const GROUPS: usize = 640;

/// Accumulators of a tile: per row, channels 0 to 3 and 4 to 7.
pub(crate) type Sums = [[int32x4_t; 2]; ROWS];

/// Weights `[channels, depth]` in the order that an instruction wants.
#[derive(Clone, Copy)]
pub(crate) struct Weights {
    /// The first of them.
    pub(crate) start: *const i8,
    pub(crate) channels: usize,
    pub(crate) depth: usize,
}

/// An instruction that multiplies.
pub(crate) trait Micro {
    /// The order of weights that it wants.
    const PACKING: Packing;
    /// Rows of a whole tile, even and at most [`ROWS`].
    const ROWS: usize;
    /// Whether it has a loop for whole tiles on cores that execute in order.
    const IN_ORDER: bool;
    /// State kept of the rows of a tile, with room for `GROUPS` groups of 8 steps of depth.
    type Rows<const GROUPS: usize>;

    /// Nothing yet.
    fn new<const GROUPS: usize>() -> Self::Rows<GROUPS>;

    /// Takes `2 * PAIRS` rows of `depth` codes. `PADDED` says that rows may be read up to the next
    /// multiple of 16, and that the weights there are zeros.
    ///
    /// # Safety
    /// The processor has the instruction; `depth` codes may be read from each of the first
    /// `2 * PAIRS` pointers, and `1 <= depth <= 8 * GROUPS`. `rows` may be used as long as the
    /// codes are there.
    unsafe fn prepare<const PAIRS: usize, const PADDED: bool, const GROUPS: usize>(rows: &mut Self::Rows<GROUPS>, a: &[*const i8; ROWS], depth: usize);

    /// `start`, a value for each channel, plus the products of the rows with the channels from
    /// `first` on, a multiple of [`BLOCK`]. Sums of channels or rows that do not exist are
    /// arbitrary. `IN_ORDER` takes the loop of [`Micro::IN_ORDER`].
    ///
    /// # Safety
    /// [`BLOCK`] values may be read from `start`; `rows` comes from [`Micro::prepare`] with the
    /// same number of rows and the same depth; the weights have [`Packing::packed_len`] bytes;
    /// `first` is a channel.
    unsafe fn multiply<const PAIRS: usize, const GROUPS: usize, const IN_ORDER: bool>(
        rows: &Self::Rows<GROUPS>,
        weights: Weights,
        first: usize,
        start: *const i32,
    ) -> Sums;
}

/// Chooses the way of storing; what the vectors cannot do exactly is left to `otherwise`.
/// `in_order` says how the cores execute.
///
/// # Safety
/// The processor has the instruction of `M`.
#[inline(always)]
pub(crate) unsafe fn drive<M: Micro>(args: &Gemm<'_>, epilogue: Epilogue<'_>, otherwise: fn(&Gemm<'_>, Epilogue<'_>), in_order: bool) {
    if args.depth > MAX_DEPTH {
        return otherwise(args, epilogue);
    }
    // SAFETY: the caller vouches for the instruction, which implies NEON.
    unsafe {
        match epilogue {
            Epilogue::Store8 { out, range } => match Store8::new(range) {
                Some(sink) => product::<M, _>(args, sink, in_order, out),
                None => otherwise(args, Epilogue::Store8 { out, range }),
            },
            Epilogue::Store16 { out } => product::<M, _>(args, Store16, in_order, out),
            Epilogue::Add16 { out } => product::<M, _>(args, Add16, in_order, out),
            Epilogue::Add32 { out } => product::<M, _>(args, Add32, in_order, out),
            Epilogue::Table8 { out, table, zero } => match Table8::new(table, zero) {
                Some(sink) => product::<M, _>(args, sink, in_order, out),
                None => otherwise(args, Epilogue::Table8 { out, table, zero }),
            },
        }
    }
}

/// All rows, a tile at a time.
#[inline(always)]
unsafe fn product<M: Micro, S: Sink>(args: &Gemm<'_>, sink: S, in_order: bool, out: &mut [S::Out]) {
    let cout = args.bias.len();
    let weights = Weights { start: args.weights.as_ptr(), channels: cout, depth: args.depth };
    let mut kept = M::new::<GROUPS>();
    let mut tiles = args.a.chunks_exact(M::ROWS * args.depth);
    let mut outs = out.chunks_exact_mut(M::ROWS * cout);
    for (a, out) in tiles.by_ref().zip(outs.by_ref()) {
        // SAFETY: the caller vouches for the instruction; `a` holds the rows of a tile, and `out`
        // theirs.
        unsafe {
            match (M::ROWS, in_order && M::IN_ORDER) {
                (8, false) => tile::<M, S, 4, false>(args, sink, weights, &mut kept, a, out, 8),
                (8, true) => tile::<M, S, 4, true>(args, sink, weights, &mut kept, a, out, 8),
                (_, false) => tile::<M, S, 2, false>(args, sink, weights, &mut kept, a, out, 4),
                (_, true) => tile::<M, S, 2, true>(args, sink, weights, &mut kept, a, out, 4),
            }
        }
    }
    let (a, out) = (tiles.remainder(), outs.into_remainder());
    // Fewer than a tile, which spares the code of larger ones.
    let rows = (out.len() / cout).min(M::ROWS - 1);
    // SAFETY: as above, with fewer rows.
    unsafe {
        match rows {
            0 => {}
            1 | 2 => tile::<M, S, 1, false>(args, sink, weights, &mut kept, a, out, rows),
            3 | 4 => tile::<M, S, 2, false>(args, sink, weights, &mut kept, a, out, rows),
            5 | 6 => tile::<M, S, 3, false>(args, sink, weights, &mut kept, a, out, rows),
            _ => tile::<M, S, 4, false>(args, sink, weights, &mut kept, a, out, rows),
        }
    }
}

/// One tile: `rows` rows, `2 * PAIRS` of them or one less.
#[inline(always)]
unsafe fn tile<M: Micro, S: Sink, const PAIRS: usize, const IN_ORDER: bool>(
    args: &Gemm<'_>,
    sink: S,
    weights: Weights,
    kept: &mut M::Rows<GROUPS>,
    a: &[i8],
    out: &mut [S::Out],
    rows: usize,
) {
    let cout = args.bias.len();
    let pointers = core::array::from_fn(|i| {
        // The last row stands for those that are missing.
        // SAFETY: `a` holds `rows` rows.
        unsafe { a.as_ptr().add(i.min(rows - 1) * args.depth) }
    });
    // SAFETY: the caller vouches for the instruction; the pointers are those of rows of `depth`
    // codes, and `drive` has checked the depth.
    unsafe { M::prepare::<PAIRS, false, GROUPS>(kept, &pointers, args.depth) };
    let whole = cout / BLOCK * BLOCK;
    for first in (0..whole).step_by(BLOCK) {
        // SAFETY: the rows were prepared above; the channels from `first` on exist. `out` holds
        // `rows` rows of `cout` elements, and only rows below `rows` are written.
        unsafe {
            let rates = Rates::whole(args.requant, first);
            let rq: Sums = rates.apply(M::multiply::<PAIRS, GROUPS, IN_ORDER>(kept, weights, first, args.bias.as_ptr().add(first)));
            let mut to = out.as_mut_ptr().add(first);
            for pair in 0..PAIRS {
                let [now, then] = [rq[2 * pair], rq[2 * pair + 1]];
                if 2 * pair + 1 < rows {
                    sink.pair(to, cout, [now, then])
                } else {
                    sink.row(to, now)
                }
                to = to.wrapping_add(2 * cout);
            }
        }
    }
    if whole < cout {
        // SAFETY: as above, with fewer channels.
        let rq: Sums = unsafe {
            let mut bias = [0; BLOCK];
            bias.iter_mut().zip(args.bias.iter().skip(whole)).for_each(|(to, from)| *to = *from);
            Rates::new(args.requant, whole).apply(M::multiply::<PAIRS, GROUPS, IN_ORDER>(kept, weights, whole, bias.as_ptr()))
        };
        for (rq, out) in rq.iter().zip(out.chunks_mut(cout)) {
            let mut block = [S::Out::default(); BLOCK];
            let out = out.get_mut(whole..).unwrap_or_default();
            block.iter_mut().zip(out.iter()).for_each(|(to, from)| *to = *from);
            // SAFETY: the block has 8 elements.
            unsafe { sink.row(block.as_mut_ptr(), *rq) };
            out.iter_mut().zip(block).for_each(|(to, from)| *to = from);
        }
    }
}
