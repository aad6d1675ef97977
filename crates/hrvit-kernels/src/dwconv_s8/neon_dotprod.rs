//! Depthwise convolution with `sdot`, 16 channels at a time, for 3x3 and 5x5 windows that move by one column; others are those of [`super::neon`].
//!
//! The codes of 4 kernel rows of a column are brought side by side once, as the columns of the window are used by as many outputs; `sdot` then multiplies 4 taps
//! of 4 channels. The fifth row of a 5x5 window is brought side by side along the row instead.

use core::arch::aarch64::*;
use core::arch::asm;

use super::Depthwise;
use super::neon::{BLOCK, Block, Row, Sums, drive, inputs};
use crate::epilogue::Epilogue;
use crate::isa::{Neon, NeonDotprod};
use crate::neon::load_s8x16;

/// See [`super::depthwise_s8`].
pub(super) fn run(token: NeonDotprod, args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: the token proves `sdot`.
    unsafe {
        match (args.kernel, args.stride) {
            (3, 1) => three(args, epilogue, out_stride),
            (5, 1) => five(args, epilogue, out_stride),
            _ => super::neon::run(Neon::from(token), args, epilogue, out_stride),
        }
    }
}

#[target_feature(enable = "neon,dotprod")]
fn three(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Three>(args, epilogue, out_stride) }
}

#[target_feature(enable = "neon,dotprod")]
fn five(args: &Depthwise<'_>, epilogue: Epilogue<'_>, out_stride: usize) {
    // SAFETY: this function's attribute.
    unsafe { drive::<Five>(args, epilogue, out_stride) }
}

/// 4 codes of each of 16 channels: 4 channels to a vector.
type Quads = [int8x16_t; 4];

/// Codes of 16 channels at 4 places, brought side by side.
#[inline]
#[target_feature(enable = "neon")]
fn quads(a: int8x16_t, b: int8x16_t, c: int8x16_t, d: int8x16_t) -> Quads {
    side_by_side(pairs(a, b), pairs(c, d))
}

/// Codes of 16 channels at 2 places, brought side by side: channels 0 to 7, 8 to 15.
#[inline]
#[target_feature(enable = "neon")]
fn pairs(a: int8x16_t, b: int8x16_t) -> [int16x8_t; 2] {
    [vreinterpretq_s16_s8(vzip1q_s8(a, b)), vreinterpretq_s16_s8(vzip2q_s8(a, b))]
}

/// Pairs of 16 channels at 2 times 2 places.
#[inline]
#[target_feature(enable = "neon")]
fn side_by_side([a, b]: [int16x8_t; 2], [c, d]: [int16x8_t; 2]) -> Quads {
    [vzip1q_s16(a, c), vzip2q_s16(a, c), vzip1q_s16(b, d), vzip2q_s16(b, d)].map(|quads| vreinterpretq_s8_s16(quads))
}

/// Adds the products of 4 taps.
#[inline]
#[target_feature(enable = "neon,dotprod")]
fn dot(mut sums: Sums, codes: &Quads, weights: &Quads) -> Sums {
    for ((sum, codes), weights) in sums.iter_mut().zip(codes).zip(weights) {
        // SAFETY: `sdot` on registers, by this function's attribute.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) *sum, in(vreg) *codes, in(vreg) *weights, options(pure, nomem, nostack, preserves_flags));
        }
    }
    sums
}

/// Codes of 16 channels of one column of each kernel row, those outside the map as well.
#[inline(always)]
unsafe fn column<const KERNEL: usize>(args: &Depthwise<'_>, rows: &[*const i8; KERNEL], column: usize, width: usize) -> [int8x16_t; KERNEL] {
    // SAFETY: the caller vouches for NEON; the checked rows hold `columns` tokens of `width` channels from where they start.
    unsafe {
        if column >= args.columns {
            return [vdupq_n_s8(args.pad); KERNEL];
        }
        rows.map(|row| {
            let from = row.add(column * args.in_stride);
            if width == BLOCK {
                return load_s8x16(from);
            }
            let mut codes = [0i8; BLOCK];
            core::ptr::copy_nonoverlapping(from, codes.as_mut_ptr(), width);
            load_s8x16(codes.as_ptr())
        })
    }
}

/// 3x3.
struct Three;

impl Row for Three {
    #[inline(always)]
    unsafe fn tokens(args: &Depthwise<'_>, first: usize, width: usize, mut put: impl FnMut(usize, Sums)) {
        let block = Block::<9>::new(args, first, width);
        let start = block.start();
        let rows = inputs::<3>(args, first);
        // SAFETY: the caller vouches for the instruction and the operands.
        unsafe {
            let zero = vdupq_n_s8(0);
            let weight = |tap: usize| load_s8x16(block.weights[tap].as_ptr());
            let weights: [Quads; 3] = core::array::from_fn(|kx| quads(weight(kx), weight(3 + kx), weight(6 + kx), zero));
            // The last row twice: the second time its weights are zero.
            let load = |x: usize| {
                let [a, b, c] = column(args, &rows, x, width);
                quads(a, b, c, c)
            };
            let mut window = [load(usize::MAX), load(0), [zero; 4]];
            for x in (0..args.columns).step_by(3) {
                // The column that leaves the window makes room for the one that enters: after three tokens all are back in their places.
                for i in 0..3 {
                    if x + i < args.columns {
                        window[(i + 2) % 3] = load(x + i + 1);
                        let sums = dot(start, &window[i], &weights[0]);
                        put(x + i, dot(dot(sums, &window[(i + 1) % 3], &weights[1]), &window[(i + 2) % 3], &weights[2]));
                    }
                }
            }
        }
    }
}

/// 5x5.
struct Five;

impl Row for Five {
    #[inline(always)]
    unsafe fn tokens(args: &Depthwise<'_>, first: usize, width: usize, mut put: impl FnMut(usize, Sums)) {
        let block = Block::<25>::new(args, first, width);
        let start = block.start();
        let rows = inputs::<5>(args, first);
        // SAFETY: the caller vouches for the instruction and the operands.
        unsafe {
            let zero = vdupq_n_s8(0);
            let weight = |tap: usize| load_s8x16(block.weights[tap].as_ptr());
            let upper: [Quads; 5] = core::array::from_fn(|kx| quads(weight(kx), weight(5 + kx), weight(10 + kx), weight(15 + kx)));
            let last = [quads(weight(20), weight(21), weight(22), weight(23)), quads(zero, zero, zero, weight(24))];
            let load = |x: usize| {
                let [a, b, c, d, e] = column(args, &rows, x, width);
                (quads(a, b, c, d), e)
            };
            let columns: [_; 4] = core::array::from_fn(|i| load(i.wrapping_sub(2)));
            let mut window = [columns[0].0, columns[1].0, columns[2].0, columns[3].0, [zero; 4]];
            // The last row: pairs of neighbours, and the newest code.
            let mut newest = columns[3].1;
            let mut neighbours = [pairs(columns[0].1, columns[1].1), pairs(columns[1].1, columns[2].1), pairs(columns[2].1, newest)];
            let mut four = side_by_side(neighbours[0], neighbours[2]);
            for x in (0..args.columns).step_by(5) {
                for i in 0..5 {
                    if x + i < args.columns {
                        let (upper_codes, code) = load(x + i + 2);
                        window[(i + 4) % 5] = upper_codes;
                        let entering = pairs(newest, code);
                        newest = code;
                        let next = side_by_side(neighbours[1], entering);
                        let mut sums = dot(dot(start, &four, &last[0]), &next, &last[1]);
                        for (kx, weights) in upper.iter().enumerate() {
                            sums = dot(sums, &window[(i + kx) % 5], weights);
                        }
                        put(x + i, sums);
                        neighbours = [neighbours[1], neighbours[2], entering];
                        four = next;
                    }
                }
            }
        }
    }
}
