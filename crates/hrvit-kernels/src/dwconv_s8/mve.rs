//! The depthwise convolution on MVE: 3 tokens at a time with up to 64 channels, then all of them
//! stored as vectors of 4 channels.

use core::arch::asm;

use super::window::{self, MAX_TAPS, Windows};
use super::{Depthwise, planar};
use crate::epilogue::Epilogue;
use crate::isa::Mve;
use crate::mve::sink::{Place, Store};
use crate::mve::taps::{self, BLOCK, Taps};
use crate::mve::tile::{COLUMNS, Channels, ROWS, Tile};

/// Computes the row. Kernels larger than 9x9 are left to `scalar`.
pub(super) fn run(mve: Mve, args: &Depthwise<'_>, mut epilogue: Epilogue<'_>, out_stride: usize) {
    if !planar::run(mve, args, &mut epilogue, out_stride) {
        tap_by_tap(args, epilogue, out_stride);
    }
}

/// Computes a row of any kernel and stride, in the order of its tokens.
#[inline(never)] // its buffers would lie on the stack beside those of `planar`
fn tap_by_tap(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // Rows outside of the map lie above or below it.
    let above = args.rows.iter().take_while(|row| row.is_none()).count();
    let inside = args.rows.iter().skip(above).take_while(|row| row.is_some()).count();
    if args.kernel * args.kernel > MAX_TAPS || inside != args.rows.iter().flatten().count() {
        return super::scalar::run(args, epilogue, out_stride);
    }
    let channels = args.bias.len();
    let mut row = Row { args, epilogue, out_stride, above, inside };
    for first in (0..channels).step_by(COLUMNS) {
        // SAFETY: `run` has the token of MVE; the entry has checked that rows, weights and output
        // hold every token's channels, and that there are as many multipliers and shifts as biases;
        // the kernel has at most `MAX_TAPS` taps.
        unsafe { row.some_channels(first, COLUMNS.min(channels - first)) };
    }
}

/// One output row whose tokens lie `out_stride` apart. Of the rows of the window, `inside` lie in
/// the map, after `above` that do not.
struct Row<'a> {
    args: &'a Depthwise<'a>,
    epilogue: Epilogue<'a>,
    out_stride: usize,
    above: usize,
    inside: usize,
}

impl Row<'_> {
    /// Channels `first..first + len` of the row, at most [`COLUMNS`].
    ///
    /// # Safety
    /// The processor has MVE. The lengths are those that the entry documents, the kernel has at
    /// most [`MAX_TAPS`] taps.
    unsafe fn some_channels(&mut self, first: usize, len: usize) {
        let Depthwise { in_stride, stride, kernel, pad, weights, weight_stride, .. } = *self.args;
        let Some(mut channels) = Channels::of(self.args.bias, self.args.requant, first, len) else { return };
        let mut bias = [0; COLUMNS];
        if self.inside != kernel {
            // SAFETY: by the contract.
            unsafe { self.add_outside(first, channels.bias, &mut bias) };
            let Some(bias) = bias.get(..len) else { return };
            channels.bias = bias;
        }
        let taps = self.inside * kernel;
        let Some(weights) = weights.get(self.above * kernel * weight_stride + first..) else { return };
        let padding = [pad; COLUMNS];
        let mut windows = Windows::new(self.args, first, padding.as_ptr());
        let mut tile = Tile::new();
        let last = if len < BLOCK { len } else { len - BLOCK };
        let columns_out = self.args.columns_out();
        let multiply = |(tokens, offset): (&window::Taps, usize), row: usize, count: usize, tile: &mut Tile| {
            let (sums, step) = (tile.start().wrapping_add(row * COLUMNS), stride * in_stride);
            let mut args = Taps { tokens: tokens.as_ptr().cast(), offset, weights: weights.as_ptr(), taps, last, tile: sums, step, count, weight_stride };
            // SAFETY: MVE by the contract. Every token is one of a row that the entry has checked,
            // or the padding; `len` channels of it are readable, as are those of each tap's
            // weights. `row + count <= ROWS` rows of the tile have room for `len` rounded up to a
            // block.
            unsafe { if len < BLOCK { taps::part(&mut args) } else { taps::blocks(&mut args) } };
        };
        let place = Place { first, stride: self.out_stride, rows: columns_out };
        let mut store = Store::of(&mut self.epilogue, &mut tile, &channels, self.args.requant.pre_shift, place);
        for x in (0..columns_out).step_by(ROWS) {
            let count = ROWS.min(columns_out - x);
            let inside = windows.is_inside(x) && windows.is_inside(x + count - 1);
            let together = if inside { count } else { 1 };
            let mut row = 0;
            while row < count {
                let window = if inside { windows.inside(x) } else { windows.of(x + row) };
                multiply(window, row, together, &mut tile);
                row += together;
            }
            // SAFETY: the output holds `len` elements from each of its tokens on, which are not
            // none here; `count` rows of the tile were written.
            unsafe { store.rows() };
        }
    }

    /// Sums of the biases of the channels from `first` on and of the rows outside of the map.
    ///
    /// # Safety
    /// The processor has MVE. The lengths are those that the entry documents.
    unsafe fn add_outside(&self, first: usize, bias: &[i32], sums: &mut [i32; COLUMNS]) {
        let Depthwise { kernel, pad, weights, weight_stride, .. } = *self.args;
        sums.iter_mut().zip(bias).for_each(|(sum, bias)| *sum = *bias);
        let inside = self.above * kernel..(self.above + self.inside) * kernel;
        for tap in (0..kernel * kernel).filter(|tap| !inside.contains(tap)) {
            let weights = weights.as_ptr().wrapping_add(tap * weight_stride + first);
            // SAFETY: MVE by the contract; every tap has a weight for each of the channels, which
            // are the loop's lanes; there are as many biases, and at most as many as sums.
            unsafe {
                asm!(
                    "dlstp.32 lr, {lanes}",
                    "2:",
                    "vldrb.s32 q0, [r0], #4",
                    "vldrw.u32 q1, [{sums}]",
                    "vmla.i32 q1, q0, {pad}",
                    "vstrw.32 q1, [{sums}], #16",
                    "letp lr, 2b",
                    lanes = in(reg) bias.len(), sums = inout(reg) sums.as_mut_ptr() => _, pad = in(reg) i32::from(pad), inout("r0") weights => _, out("lr") _,
                    out("q0") _, out("q1") _, options(nostack),
                );
            }
        }
    }
}
