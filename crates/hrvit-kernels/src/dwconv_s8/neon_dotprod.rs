//! Depthwise convolution with `sdot`, 16 channels at a time, for 3x3 and 5x5 windows that move by one column; others are those of [`super::neon`].
//!
//! The codes of 4 kernel rows of a column are brought side by side once, as the columns of the window are used by as many outputs; `sdot` then multiplies 4 taps
//! of 4 channels. The fifth row of a 5x5 window is brought side by side along the row instead.

use core::arch::aarch64::*;
use core::arch::asm;

use super::Depthwise;
use super::neon::{Block, Row, Sums, Writer, drive, inputs};
use crate::epilogue::Epilogue;
use crate::isa::{Neon, NeonDotprod};
use crate::neon::sink::Sink;
use crate::neon::{load_part, load_s8x16};

/// See [`Kernels::depthwise_s8`](crate::Kernels::depthwise_s8).
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
unsafe fn column<const KERNEL: usize, const WHOLE: bool>(args: &Depthwise<'_>, rows: &[*const i8; KERNEL], column: usize, width: usize) -> [int8x16_t; KERNEL] {
    // SAFETY: the caller vouches for NEON; the checked rows hold `columns` tokens of `width` channels from where they start, `WHOLE` says that these are 16.
    unsafe {
        if column >= args.columns {
            return [vdupq_n_s8(args.pad); KERNEL];
        }
        rows.map(|row| {
            let from = row.add(column * args.in_stride);
            if WHOLE {
                return load_s8x16(from);
            }
            load_part(from, width)
        })
    }
}

/// 3x3.
struct Three;

impl Row for Three {
    #[inline(always)]
    unsafe fn tokens<const WHOLE: bool, S: Sink>(args: &Depthwise<'_>, first: usize, writer: &Writer<S>) {
        let width = writer.width;
        // SAFETY: the caller vouches for the operands.
        let block = unsafe { Block::<9>::new::<WHOLE>(args, first, width) };
        let start = block.start();
        let rows = inputs::<3>(args, first);
        // SAFETY: the caller vouches for the instruction and the operands.
        unsafe {
            let weight = |tap: usize| load_s8x16(block.weights[tap].as_ptr());
            let weights: [Quads; 3] = core::array::from_fn(|kx| quads(weight(kx), weight(3 + kx), weight(6 + kx), vdupq_n_s8(0)));
            // The last row twice: the second time its weights are zero.
            let load = |x: usize| {
                let [a, b, c] = column::<3, WHOLE>(args, &rows, x, width);
                quads(a, b, c, c)
            };
            let sum = |a: &Quads, b: &Quads, c: &Quads| dot(dot(dot(start, a, &weights[0]), b, &weights[1]), c, &weights[2]);
            let (mut a, mut b) = (load(usize::MAX), load(0));
            // Two tokens at a time share what does not fit registers.
            let mut x = 0;
            while x + 1 < args.columns {
                let (c, d) = (load(x + 1), load(x + 2));
                writer.put::<WHOLE>(x, sum(&a, &b, &c), Some(sum(&b, &c, &d)));
                (a, b) = (c, d);
                x += 2;
            }
            if x < args.columns {
                writer.put::<WHOLE>(x, sum(&a, &b, &load(x + 1)), None);
            }
        }
    }
}

/// 5x5.
struct Five;

impl Row for Five {
    #[inline(always)]
    unsafe fn tokens<const WHOLE: bool, S: Sink>(args: &Depthwise<'_>, first: usize, writer: &Writer<S>) {
        let width = writer.width;
        // SAFETY: the caller vouches for the operands.
        let block = unsafe { Block::<25>::new::<WHOLE>(args, first, width) };
        let start = block.start();
        let rows = inputs::<5>(args, first);
        // SAFETY: the caller vouches for the instruction and the operands.
        unsafe {
            let zero = vdupq_n_s8(0);
            let weight = |tap: usize| load_s8x16(block.weights[tap].as_ptr());
            let upper: [Quads; 5] = core::array::from_fn(|kx| quads(weight(kx), weight(5 + kx), weight(10 + kx), weight(15 + kx)));
            let lower = [quads(weight(20), weight(21), weight(22), weight(23)), quads(zero, zero, zero, weight(24))];
            // 4 kernel rows side by side, and the fifth.
            let load = |x: usize| {
                let [a, b, c, d, e] = column::<5, WHOLE>(args, &rows, x, width);
                (quads(a, b, c, d), e)
            };
            let sum = |window: [&Quads; 5], last: [&Quads; 2]| {
                let sums = dot(dot(start, last[0], &lower[0]), last[1], &lower[1]);
                window.iter().zip(&upper).fold(sums, |sums, (codes, weights)| dot(sums, codes, weights))
            };
            let [(mut a, a_last), (mut b, b_last), (mut c, c_last), (mut d, mut last)] = [usize::MAX - 1, usize::MAX, 0, 1].map(load);
            // The fifth row: neighbours side by side, then 4 codes in front of the token, one behind it.
            let (mut first_pair, mut second_pair) = (pairs(b_last, c_last), pairs(c_last, last));
            let mut four = side_by_side(pairs(a_last, b_last), second_pair);
            // Two tokens at a time share what does not fit registers.
            let mut x = 0;
            while x < args.columns {
                let ((e, e_last), (f, f_last)) = (load(x + 2), load(x + 3));
                let (third_pair, fourth_pair) = (pairs(last, e_last), pairs(e_last, f_last));
                let (next, after) = (side_by_side(first_pair, third_pair), side_by_side(second_pair, fourth_pair));
                let sums = sum([&a, &b, &c, &d, &e], [&four, &next]);
                match x + 1 < args.columns {
                    true => writer.put::<WHOLE>(x, sums, Some(sum([&b, &c, &d, &e, &f], [&next, &after]))),
                    false => writer.put::<WHOLE>(x, sums, None),
                }
                (a, b, c, d) = (c, d, e, f);
                (first_pair, second_pair, four, last) = (third_pair, fourth_pair, after, f_last);
                x += 2;
            }
        }
    }
}
