//! The depthwise convolution with the DSP extension for kernels of 3x3 and 5x5 that move by 1: two
//! rows meet their weights in one instruction ([`planar`]), 16 channels and tokens at a time.

use core::mem::MaybeUninit;

use super::Depthwise;
use crate::dsp::planar::{self, CHANNELS, COLUMNS, LANES, Rows, TOKENS, Windows};
use crate::dsp::rolled;
use crate::dsp::sink::Store;
use crate::dsp::tile::ROWS;
use crate::epilogue::Epilogue;
use crate::isa::Dsp;

/// Planes of a 5x5: four of the first two rows, four of the next, two of the last.
const PLANES: usize = 2 * LANES + 2;

/// Words of a channel's weights: three planes of five.
const WEIGHTS: usize = 15;

/// Rows side by side, from the first plane on.
type Planes = [[MaybeUninit<u32>; COLUMNS]; PLANES];

/// Weights of each block's channels.
type Weights = [[[u32; WEIGHTS]; LANES]; CHANNELS / LANES];

/// First tokens of a kernel's rows, and the bytes from a token to the next.
type Sources = [(*const i8, usize); 5];

/// Whether [`run`] computes these: in shorter rows it takes longer to put weights and rows side by
/// side than it saves.
pub(super) fn takes(args: &Depthwise<'_>) -> bool {
    let shortest = match args.kernel {
        3 => 32,
        5 => 16,
        _ => return false,
    };
    args.stride == 1 && args.bias.len() >= LANES && args.columns >= shortest
}

/// Computes a row that [`takes`] says so of.
#[inline(never)] // its buffers would lie on the stack beside those of the other way
pub(super) fn run(dsp: Dsp, args: &Depthwise<'_>, mut epilogue: Epilogue<'_>, out_stride: usize) {
    let Depthwise { rows, in_stride, columns, kernel, pad, bias, .. } = *args;
    let mut store = Store::of(dsp, args.requant, &mut epilogue);
    let mut planes: Planes = [[MaybeUninit::uninit(); COLUMNS]; PLANES];
    let mut weights: Weights = [[[0; WEIGHTS]; LANES]; CHANNELS / LANES];
    let mut sums = MaybeUninit::<[[[i32; ROWS]; CHANNELS]; TOKENS / ROWS]>::uninit();
    let sums = sums.as_mut_ptr().cast::<i32>();
    let padding = [pad; LANES];
    // A row outside of the map is padding again and again: it is moved by nothing.
    let edge: Sources = [(padding.as_ptr(), 0); 5];
    let mut inside = edge;
    for (source, row) in inside.iter_mut().zip(rows) {
        rolled();
        if let Some(row) = row {
            *source = (row.as_ptr(), in_stride);
        }
    }
    let reach = kernel / 2;
    let multiply: unsafe extern "C" fn(&Windows) = if kernel == 3 { planar::three } else { planar::five };
    let channels = bias.len();
    let mut first = 0;
    while first < channels {
        let len = CHANNELS.min(channels - first);
        // Never fewer than a block: the last channels may be done twice, but are stored once.
        let from = first.min(channels - len.max(LANES));
        let (skip, all) = (first - from, first + len - from);
        let start = |block: usize| from + (block * LANES).min(all - LANES);
        let blocks = all.div_ceil(LANES);
        for (block, weights) in weights.iter_mut().enumerate().take(blocks) {
            block_weights(args, start(block), &mut planes, weights);
        }
        for x in (0..columns).step_by(TOKENS) {
            let count = TOKENS.min(columns - x);
            let (left, right) = (x.saturating_sub(reach), (x + count + reach).min(columns));
            let before = left + reach - x;
            let behind = before + (right - left);
            for (block, weights) in weights.iter().enumerate().take(blocks) {
                let offset = left * in_stride + start(block);
                let mut sources = inside;
                for (row, step) in &mut sources {
                    rolled();
                    *row = row.wrapping_add(if *step == 0 { 0 } else { offset });
                }
                // SAFETY: the token proves the DSP extension. Tokens `left..right` lie in rows that
                // the entry has checked, `LANES` channels from the block's first on; the padding
                // has as many. At most `COLUMNS` tokens fit a plane.
                unsafe {
                    side_by_side(kernel, &edge, 0, before, &mut planes);
                    side_by_side(kernel, &sources, before, right - left, &mut planes);
                    side_by_side(kernel, &edge, behind, count + 2 * reach - behind, &mut planes);
                }
                for (lane, weights) in weights.iter().enumerate() {
                    rolled();
                    let channel = start(block) + lane;
                    let plane = |plane: usize| planes.as_ptr().cast::<u32>().wrapping_add(plane * COLUMNS);
                    let sums = sums.wrapping_add((channel - from) * ROWS);
                    let windows = Windows {
                        pairs: plane(lane),
                        last: plane(reach * LANES + lane % 2),
                        weights: weights.as_ptr(),
                        sums,
                        sums_end: sums.wrapping_add(count.div_ceil(ROWS) * CHANNELS * ROWS),
                        bias: bias.get(channel).copied().unwrap_or_default(),
                    };
                    // SAFETY: the token proves the DSP extension. Four tokens at a time, at most
                    // `TOKENS`, read `COLUMNS` words of each plane at most; there are weights for
                    // three planes of five; `channel - from < CHANNELS`.
                    unsafe { multiply(&windows) };
                }
            }
            for token in (0..count).step_by(ROWS) {
                let at = (x + token) * out_stride + first;
                let sums = sums.wrapping_add((token / ROWS * CHANNELS + skip) * ROWS);
                // SAFETY: the entry has checked that there are as many multipliers and shifts as
                // biases, and an output for each of them and every token; `skip < all`.
                unsafe { store.four(sums, first, all - skip, [at, out_stride], ROWS.min(count - token)) };
            }
        }
        first += len;
    }
}

/// The weights of the channels from `first` on, as words for each plane.
#[inline(never)] // it would be unrolled
fn block_weights(args: &Depthwise<'_>, first: usize, planes: &mut Planes, weights: &mut [[u32; WEIGHTS]]) {
    let Depthwise { kernel, weight_stride, .. } = *args;
    let mut sources: Sources = [(args.weights.as_ptr(), weight_stride); 5];
    for (ky, (row, step)) in sources.iter_mut().enumerate().take(kernel) {
        rolled();
        *row = row.wrapping_add(ky * kernel * *step + first);
    }
    // SAFETY: `run` has a token that proves the DSP extension. The entry has checked the weights of
    // every tap, which has `LANES` channels from `first` on.
    unsafe { side_by_side(kernel, &sources, 0, kernel, planes) };
    for (lane, weights) in weights.iter_mut().enumerate() {
        let mut to = weights.as_mut_ptr();
        for part in 0..=kernel / 2 {
            rolled();
            // A half of the last row's words is another channel's.
            let (plane, mask) = if part < kernel / 2 { (lane, u32::MAX) } else { (lane % 2, 0xffff << (lane / 2 * 16)) };
            let from = planes.as_ptr().cast::<u32>().wrapping_add((part * LANES + plane) * COLUMNS);
            for tap in 0..kernel {
                rolled();
                // SAFETY: `side_by_side` has written `kernel` words of each plane of this kernel,
                // which has 3 or 5 rows: `WEIGHTS` weights have room.
                unsafe { to.write(from.wrapping_add(tap).read() & mask) };
                to = to.wrapping_add(1);
            }
        }
    }
}

/// Puts `count` tokens of a kernel's rows side by side from word `to` of the planes on.
///
/// # Safety
/// The processor has the DSP extension. [`LANES`] bytes of `count` tokens are readable in every
/// row, and `to + count` is at most [`COLUMNS`].
#[inline(never)] // one for tokens and weights
unsafe fn side_by_side(kernel: usize, sources: &Sources, to: usize, count: usize, planes: &mut Planes) {
    if count == 0 {
        return;
    }
    let mut to = planes.as_mut_ptr().cast::<u32>().wrapping_add(to);
    for (part, pair) in sources.chunks(2).enumerate().take(kernel / 2 + 1) {
        let (Some(&(first, step)), Some(&(second, second_step))) = (pair.first(), pair.last()) else { return };
        let rows = Rows { rows: [first, second], steps: [step, second_step], to, count };
        // SAFETY: by the contract; a kernel of 5 has `PLANES` planes.
        unsafe { if part == kernel / 2 { planar::single(&rows) } else { planar::pair(&rows) } };
        to = to.wrapping_add(LANES * COLUMNS);
    }
}
