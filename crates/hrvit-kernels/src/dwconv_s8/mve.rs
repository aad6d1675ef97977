//! The depthwise convolution on MVE: 3 tokens at a time with up to 64 channels, then all of them stored as vectors of 4 channels.

use core::mem::MaybeUninit;

use super::Depthwise;
use crate::epilogue::Epilogue;
use crate::isa::Mve;
use crate::mve::sink::{Place, store};
use crate::mve::taps::{self, BLOCK, Taps};
use crate::mve::tile::{COLUMNS, Channels, ROWS, Tile};

/// Most taps whose weights are brought into blocks: those of a 5x5 kernel. Larger kernels, which a network has only where it divides the resolution by 8, are left
/// to `scalar`: their taps would double what a row takes of the stack.
const MAX_TAPS: usize = 25;
/// Channels at a time of a 5x5 kernel; a 3x3 kernel has [`COLUMNS`].
const COLUMNS_5X5: usize = 2 * BLOCK;
/// Bytes of weights in blocks.
const PACKED: usize = MAX_TAPS * COLUMNS_5X5;
const _: () = assert!(9 * COLUMNS <= PACKED, "a 3x3 kernel has its own number of channels");

/// Computes the row.
pub(super) fn run(_: Mve, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    if args.kernel * args.kernel > MAX_TAPS {
        return super::scalar::run(args, epilogue, out_stride);
    }
    let channels = args.bias.len();
    let columns = if args.kernel > 3 { COLUMNS_5X5 } else { COLUMNS };
    let mut epilogue = epilogue;
    for first in (0..channels).step_by(columns) {
        // SAFETY: the token proves MVE; the entry has checked that rows, weights and output hold every token's channels, and that there are as many multipliers and
        // shifts as biases; the kernel has at most `MAX_TAPS` taps.
        unsafe { some_channels(args, first, columns.min(channels - first), &mut epilogue, out_stride) };
    }
}

/// Channels `first..first + len` of the row, at most [`COLUMNS`].
///
/// # Safety
/// The processor has MVE. The lengths are those that the entry documents, the kernel has at most [`MAX_TAPS`] taps.
unsafe fn some_channels(args: &Depthwise<'_>, first: usize, len: usize, epilogue: &mut Epilogue<'_>, out_stride: usize) {
    let Depthwise { in_stride, columns, stride, kernel, pad, .. } = *args;
    let mut packed = [MaybeUninit::uninit(); PACKED];
    let mut bias = [0; COLUMNS];
    let Some(channels) = Channels::of(args.bias, args.requant, first, len) else { return };
    let taps = pack(args, first, &mut packed, channels.bias, &mut bias);
    let Some(bias) = bias.get(..len) else { return };
    let channels = Channels { bias, ..channels };
    let padding = [pad; COLUMNS];
    // Taps of the first token that needs no padding, and those of the token at hand where it needs some.
    let (mut inside, mut at_edge) = ([padding.as_ptr(); MAX_TAPS], [padding.as_ptr(); MAX_TAPS]);
    let reach = kernel / 2;
    let margin = reach.checked_next_multiple_of(stride).unwrap_or(reach);
    let mut slots = inside.iter_mut();
    for row in args.rows.iter().flatten() {
        for (kx, slot) in (0..kernel).zip(&mut slots) {
            *slot = row.as_ptr().wrapping_add((margin + kx).wrapping_sub(reach).wrapping_mul(in_stride) + first);
        }
    }
    let mut tile = Tile::new();
    let last = if len < BLOCK { len } else { len - BLOCK };
    let columns_out = args.columns_out();
    let inner = |x: usize| x * stride >= margin && x * stride + reach < columns;
    let multiply = |tokens: &[*const i8], offset: usize, row: usize, count: usize, tile: &mut Tile| {
        let sums = tile.start().wrapping_add(row * COLUMNS);
        let weights = packed.as_ptr().cast();
        let mut args = Taps { tokens: tokens.as_ptr(), offset, weights, taps, last, tile: sums, step: stride * in_stride, count };
        // SAFETY: MVE by the contract. Every token is one of a row that the entry has checked, or the padding; `len` channels of it are readable. The weights
        // were packed by blocks, and `row + count <= ROWS` rows of the tile have room for `len` rounded up to a block.
        unsafe { if len < BLOCK { taps::part(&mut args) } else { taps::blocks(&mut args) } };
    };
    for x in (0..columns_out).step_by(ROWS) {
        let count = ROWS.min(columns_out - x);
        if inner(x) && inner(x + count - 1) {
            multiply(&inside, (x * stride - margin) * in_stride, 0, count, &mut tile);
        } else {
            for row in 0..count {
                let centre = (x + row) * stride;
                if inner(x + row) {
                    multiply(&inside, (centre - margin) * in_stride, row, 1, &mut tile);
                    continue;
                }
                let mut slots = at_edge.iter_mut();
                for tokens in args.rows.iter().flatten() {
                    for (kx, slot) in (0..kernel).zip(&mut slots) {
                        let column = (centre + kx).wrapping_sub(reach);
                        let token = tokens.as_ptr().wrapping_add(column.wrapping_mul(in_stride) + first);
                        *slot = if column < columns { token } else { padding.as_ptr() };
                    }
                }
                multiply(&at_edge, 0, row, 1, &mut tile);
            }
        }
        let place = Place { first: x * out_stride + first, stride: out_stride, rows: count };
        // SAFETY: the output holds `len` elements from each of its tokens on; `count` rows of the tile were written.
        unsafe { store(epilogue, &mut tile, &channels, args.requant.pre_shift, place) };
    }
}

/// Brings the weights of the rows inside the map into blocks, adds what the rows outside contribute to the bias, and returns the number of taps inside.
fn pack(args: &Depthwise<'_>, first: usize, packed: &mut [MaybeUninit<i8>; PACKED], bias: &[i32], sum: &mut [i32; COLUMNS]) -> usize {
    let Depthwise { rows, kernel, pad, weights, weight_stride, .. } = *args;
    let len = bias.len();
    let taps = rows.iter().flatten().count() * kernel;
    for (sum, bias) in sum.iter_mut().zip(bias) {
        *sum = *bias;
    }
    let mut inside = 0;
    for (ky, row) in rows.iter().enumerate() {
        for kx in 0..kernel {
            let Some(tap) = weights.get((ky * kernel + kx) * weight_stride + first..).and_then(|tap| tap.get(..len)) else { return 0 };
            if row.is_none() {
                for (sum, weight) in sum.iter_mut().zip(tap) {
                    *sum = sum.wrapping_add(i32::from(pad) * i32::from(*weight));
                }
                continue;
            }
            for block in 0..len.div_ceil(BLOCK) {
                let start = (block * BLOCK).min(len.saturating_sub(BLOCK));
                let slot = (block * taps + inside) * BLOCK;
                let (from, to) = (tap.get(start..).unwrap_or_default(), packed.get_mut(slot..slot + BLOCK).unwrap_or_default());
                if let (Some(from), Some(to)) = (from.first_chunk::<BLOCK>(), to.first_chunk_mut::<BLOCK>()) {
                    *to = from.map(MaybeUninit::new);
                } else {
                    to.fill(MaybeUninit::new(0));
                    to.iter_mut().zip(from).for_each(|(to, from)| _ = to.write(*from));
                }
            }
            inside += 1;
        }
    }
    taps
}
