//! The depthwise convolution with the DSP extension: 4 channels at a time, four tokens before their
//! sums are stored.

use core::mem::MaybeUninit;

use super::window::{MAX_TAPS, Windows};
use super::{Depthwise, dsp_planar, scalar};
use crate::dsp::rolled;
use crate::dsp::sink::Store;
use crate::dsp::taps::{self, BLOCK, Taps, Weights};
use crate::dsp::tile::{ROWS, Sums};
use crate::epilogue::Epilogue;
use crate::isa::Dsp;

/// Widened weights: 16 channels of a 5x5 kernel, 4 of a larger one.
const PACKED: usize = 25 * MOST / BLOCK;

/// Most channels that are computed at once.
const MOST: usize = 16;

/// Computes the row. Kernels larger than 9x9 are left to `scalar`.
pub(super) fn run(dsp: Dsp, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    if dsp_planar::takes(args) { dsp_planar::run(dsp, args, epilogue, out_stride) } else { tap_by_tap(dsp, args, epilogue, out_stride) }
}

/// Computes a row of any kernel and stride.
#[inline(never)] // its buffers would lie on the stack of every instruction set, and of the other way
fn tap_by_tap(dsp: Dsp, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    let fits = args.kernel * args.kernel <= MAX_TAPS && args.bias.len() >= BLOCK;
    let Some((above, inside)) = rows_inside(args.rows).filter(|_| fits) else { return scalar::run(args, epilogue, out_stride) };
    Row { dsp, args, out_stride, above, inside }.run(epilogue);
}

/// Rows outside of the map above a window, and those inside. `None` if no row lies inside, or one
/// outside between two that do.
fn rows_inside(rows: &[Option<&[i8]>]) -> Option<(usize, usize)> {
    let (mut above, mut inside, mut below) = (0, 0, 0);
    for row in rows {
        rolled();
        match row {
            None if inside == 0 => above += 1,
            None => below += 1,
            Some(_) if below == 0 => inside += 1,
            Some(_) => return None,
        }
    }
    (inside != 0).then_some((above, inside))
}

/// One output row whose tokens lie `out_stride` apart. Of the rows of the window, `inside` lie in
/// the map, after `above` that do not.
struct Row<'a> {
    dsp: Dsp,
    args: &'a Depthwise<'a>,
    out_stride: usize,
    above: usize,
    inside: usize,
}

impl Row<'_> {
    fn run(&self, mut epilogue: Epilogue<'_>) {
        let mut store = Store::of(self.dsp, self.args.requant, &mut epilogue);
        let channels = self.args.bias.len();
        let most = if self.args.kernel > 5 { BLOCK } else { MOST };
        let mut first = 0;
        while first < channels {
            // Never fewer than a block: the last channels may be done twice, but are stored once.
            let len = most.min(channels - first);
            let from = first.min(channels - len.max(BLOCK));
            self.some_channels(from, first - from, first + len - from, &mut store);
            first += len;
        }
    }

    /// Channels `first..first + len` of the row, [`BLOCK`] to [`MOST`] (of a larger kernel
    /// [`BLOCK`]), of which the first `skip` are not stored.
    fn some_channels(&self, first: usize, skip: usize, len: usize, store: &mut Store) {
        let pad = self.args.pad;
        let mut packed = [MaybeUninit::uninit(); PACKED];
        let mut bias = [0; MOST];
        let Some(taps) = bias.get_mut(..len).and_then(|bias| self.pack(first, &mut packed, bias)) else { return };
        let padding = [pad; MOST];
        let mut windows = Windows::new(self.args, first, padding.as_ptr());
        let mut tile = MaybeUninit::<Sums>::uninit();
        let columns_out = self.args.columns_out();
        let last = len - BLOCK;
        let (weights, sums) = (packed.as_ptr().cast(), tile.as_mut_ptr().cast::<i32>());
        let mut args = Taps { tokens: core::ptr::null(), offset: 0, weights, taps, last, tile: sums, bias: bias.as_ptr() };
        for x in (0..columns_out).step_by(ROWS) {
            let count = ROWS.min(columns_out - x);
            for token in 0..count {
                let (tokens, offset) = windows.of(x + token);
                (args.tokens, args.offset, args.tile) = (tokens.as_ptr().cast(), offset, sums.wrapping_add(token));
                // SAFETY: the token proves the DSP extension. Every token is one of a row that the
                // entry has checked, or the padding; `len >= BLOCK` channels of it are readable.
                // The weights of 1 to `MAX_TAPS` taps were widened by blocks, and the sums of
                // `len <= MOST` channels have room.
                unsafe { taps::blocks(&args) };
            }
            let at = x * self.out_stride + first + skip;
            // SAFETY: the entry has checked that there are as many multipliers and shifts as
            // biases, and an output for each of them and every token; `skip < len`.
            unsafe { store.four(sums.wrapping_add(ROWS * skip), first + skip, len - skip, [at, self.out_stride], count) };
        }
    }

    /// Widens the weights of the rows inside the map, writes the biases with what the rows outside
    /// contribute, and returns the number of taps inside.
    #[inline(never)] // where it is inlined it grows
    fn pack(&self, first: usize, packed: &mut [MaybeUninit<Weights>], sums: &mut [i32]) -> Option<usize> {
        let Depthwise { kernel, pad, weights, weight_stride, bias, .. } = *self.args;
        let (above, inside, len) = (self.above, self.inside, sums.len());
        let taps = inside * kernel;
        for (sum, bias) in sums.iter_mut().zip(bias.get(first..)?) {
            rolled();
            *sum = *bias;
        }
        for ky in (0..above).chain(above + inside..kernel) {
            for tap in ky * kernel..(ky + 1) * kernel {
                for (sum, weight) in sums.iter_mut().zip(weights.get(tap * weight_stride + first..)?) {
                    rolled();
                    *sum = sum.wrapping_add(i32::from(pad) * i32::from(*weight));
                }
            }
        }
        let first = weights.get(above * kernel * weight_stride + first..)?.as_ptr();
        for (block, packed) in packed.chunks_exact_mut(taps.max(1)).enumerate().take(len.div_ceil(BLOCK)) {
            let start = (block * BLOCK).min(len - BLOCK);
            // SAFETY: `run` has a token that proves the DSP extension. The entry has checked the
            // weights of every tap, whose channels from `first` on are `len` or more.
            unsafe { taps::widen(first.wrapping_add(start), weight_stride, taps, packed.as_mut_ptr().cast()) };
        }
        Some(taps)
    }
}
