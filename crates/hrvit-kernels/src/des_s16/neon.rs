//! The shortcut on NEON: products of 16 bits with one factor from a lane. The first product runs
//! along the rows of a token's view, the second along its columns.

use core::arch::aarch64::*;

use super::neon_table::look_up;
use super::{Des, neon_four, scalar};
use crate::isa::Neon;
use crate::neon::rates::Rates;
use crate::neon::{load_s16x8, load_s32x4, store_s32x4};
use crate::requant::TensorRequant;

/// Largest `k` and `p`; larger ones, and a `p` that is no multiple of 8, are left to `scalar`, but
/// for 4 columns of 4, 8 or 16 rows.
const MAX: usize = 32;
/// Channels of a block.
const BLOCK: usize = 8;
/// Rows and outputs of a tile.
const ROWS: usize = 4;

/// See [`Kernels::des_s16`](crate::Kernels::des_s16).
pub(super) fn run(_: Neon, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    if args.p == neon_four::P {
        // SAFETY: the token proves NEON; the sizes were checked by the caller.
        return unsafe {
            match args.k {
                4 => neon_four::tokens::<4>(args, hidden, out),
                8 => neon_four::tokens::<8>(args, hidden, out),
                16 => neon_four::tokens::<16>(args, hidden, out),
                _ => scalar::run(args, hidden, out),
            }
        };
    }
    if args.k > MAX || args.p > MAX || !args.p.is_multiple_of(BLOCK) {
        return scalar::run(args, hidden, out);
    }
    // SAFETY: the token proves NEON; the sizes were checked here and by the caller.
    unsafe {
        match args.p {
            8 => tokens::<1>(args, hidden, out),
            16 => tokens::<2>(args, hidden, out),
            24 => tokens::<3>(args, hidden, out),
            _ => tokens::<4>(args, hidden, out),
        }
    }
}

/// Sums of 4 rows or outputs, 8 channels each.
type Sums = [[int32x4_t; 2]; ROWS];

/// `p = 8 * BLOCKS`.
#[inline(always)]
unsafe fn tokens<const BLOCKS: usize>(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p) = (args.k, BLOCK * BLOCKS);
    let right = Right::<BLOCKS>::new(args);
    let left = Left::new(args);
    for first in (0..out.len()).step_by(k * p) {
        // SAFETY: the caller vouches for NEON; every token has `k * p` elements, and so has
        // `hidden`.
        unsafe {
            let (x, hidden, out) = (args.x.as_ptr().add(first), hidden.as_mut_ptr(), out.as_mut_ptr().add(first));
            for row in (0..k).step_by(ROWS) {
                right.rows(x.add(row * p), ROWS.min(k - row), hidden.add(row * p));
            }
            for q in (0..p).step_by(BLOCK) {
                for o in (0..k).step_by(ROWS) {
                    left.outputs(hidden.add(q), p, q, o, out);
                }
            }
        }
    }
}

/// The first product.
struct Right<'a, const BLOCKS: usize> {
    args: &'a Des<'a>,
    /// `[block of outputs][input]`, 8 outputs each.
    weights: [[[i16; BLOCK]; MAX]; BLOCKS],
    rates: [Rates; BLOCKS],
    zero: int32x4_t,
    last: int32x4_t,
}

impl<'a, const BLOCKS: usize> Right<'a, BLOCKS> {
    #[inline(always)]
    fn new(args: &'a Des<'a>) -> Self {
        let p = BLOCK * BLOCKS;
        let mut weights = [[[0; BLOCK]; MAX]; BLOCKS];
        for (o, row) in args.right.chunks_exact(p).enumerate() {
            for (j, weight) in row.iter().enumerate() {
                weights[o / BLOCK][j][o % BLOCK] = i16::from(*weight);
            }
        }
        // SAFETY: NEON is in every AArch64 processor.
        unsafe {
            let rates = core::array::from_fn(|block| Rates::new(args.right_requant, block * BLOCK));
            Self { args, weights, rates, zero: vdupq_n_s32(args.zero), last: vdupq_n_s32(args.table.len() as i32 - 1) }
        }
    }

    /// `rows` rows of a token's view, 4 at most: through the activation.
    #[inline(always)]
    unsafe fn rows(&self, x: *const i16, rows: usize, hidden: *mut i16) {
        let p = BLOCK * BLOCKS;
        for (block, (weights, rates)) in self.weights.iter().zip(&self.rates).enumerate() {
            // SAFETY: the caller vouches for NEON and the rows, of `p` elements each; there are `p`
            // biases.
            unsafe {
                let bias = self.args.right_bias.as_ptr().add(block * BLOCK);
                let mut sums: Sums = [[load_s32x4(bias), load_s32x4(bias.add(4))]; ROWS];
                for (j, weights) in weights.as_chunks::<BLOCK>().0.iter().enumerate().take(BLOCKS) {
                    // The last row stands for those that are missing.
                    let codes: [int16x8_t; ROWS] = core::array::from_fn(|i| load_s16x8(x.add(i.min(rows - 1) * p + j * BLOCK)));
                    eight_steps(&mut sums, codes, weights);
                }
                for (i, [low, high]) in rates.apply(sums).into_iter().enumerate().take(rows) {
                    let to = hidden.add(i * p + block * BLOCK);
                    look_up(self.args.table, vaddq_s32(low, self.zero), self.last, to);
                    look_up(self.args.table, vaddq_s32(high, self.zero), self.last, to.add(4));
                }
            }
        }
    }
}

/// Adds the products of 8 steps: `codes` of each row, `weights` of 8 outputs at each step.
#[inline]
#[target_feature(enable = "neon")]
fn eight_steps(sums: &mut Sums, codes: [int16x8_t; ROWS], weights: &[[i16; BLOCK]; BLOCK]) {
    macro_rules! step {
        ($($lane:literal)+) => {$(
            // SAFETY: reads the 16 bytes of the array.
            let w = unsafe { load_s16x8(weights[$lane].as_ptr()) };
            for (sums, codes) in sums.iter_mut().zip(codes) {
                sums[0] = vmlal_laneq_s16::<$lane>(sums[0], vget_low_s16(w), codes);
                sums[1] = vmlal_high_laneq_s16::<$lane>(sums[1], w, codes);
            }
        )+};
    }
    step!(0 1 2 3 4 5 6 7);
}

/// The second product.
struct Left<'a> {
    args: &'a Des<'a>,
    /// `[block of outputs][input]`, 4 outputs each.
    weights: [[[i16; ROWS]; MAX]; MAX / ROWS],
    bias: [i32; MAX],
    mult: [i32; MAX],
    shift: [u8; MAX],
}

impl<'a> Left<'a> {
    #[inline(always)]
    fn new(args: &'a Des<'a>) -> Self {
        let mut this = Self { args, weights: [[[0; ROWS]; MAX]; MAX / ROWS], bias: [0; MAX], mult: [0; MAX], shift: [32; MAX] };
        for (o, row) in args.left.chunks_exact(args.k).enumerate() {
            for (i, weight) in row.iter().enumerate() {
                this.weights[o / ROWS][i][o % ROWS] = i16::from(*weight);
            }
        }
        let given = args.left_requant.mult.iter().zip(args.left_requant.shift).zip(args.left_bias);
        for (o, ((mult, shift), bias)) in given.enumerate() {
            (this.mult[o], this.shift[o], this.bias[o]) = (*mult, *shift, *bias);
        }
        this
    }

    /// Adds outputs `o..o + 4` (as far as they exist) of 8 columns from `q` on to a token; `hidden`
    /// is the first row's.
    #[inline(always)]
    unsafe fn outputs(&self, hidden: *const i16, p: usize, q: usize, o: usize, out: *mut i32) {
        let k = self.args.k;
        // SAFETY: the caller vouches for NEON, `k` rows of `p` hidden values, and as many outputs.
        unsafe {
            let mut sums: Sums = core::array::from_fn(|i| [vdupq_n_s32(self.bias[o + i]); 2]);
            for (i, weights) in self.weights[o / ROWS].iter().enumerate().take(k) {
                let (h, w) = (load_s16x8(hidden.add(i * p)), vld1_s16(weights.as_ptr()));
                sums[0] = [vmlal_lane_s16::<0>(sums[0][0], vget_low_s16(h), w), vmlal_high_lane_s16::<0>(sums[0][1], h, w)];
                sums[1] = [vmlal_lane_s16::<1>(sums[1][0], vget_low_s16(h), w), vmlal_high_lane_s16::<1>(sums[1][1], h, w)];
                sums[2] = [vmlal_lane_s16::<2>(sums[2][0], vget_low_s16(h), w), vmlal_high_lane_s16::<2>(sums[2][1], h, w)];
                sums[3] = [vmlal_lane_s16::<3>(sums[3][0], vget_low_s16(h), w), vmlal_high_lane_s16::<3>(sums[3][1], h, w)];
            }
            for (i, sums) in sums.into_iter().enumerate().take(k - o) {
                let rate = TensorRequant { mult: self.mult[o + i], shift: self.shift[o + i], pre_shift: self.args.left_requant.pre_shift };
                let [[low, high]] = Rates::splat(rate).apply([sums]);
                let to = out.add((o + i) * p + q);
                let (low, high) = (vaddq_s32(load_s32x4(to), low), vaddq_s32(load_s32x4(to.add(4)), high));
                store_s32x4(to, low);
                store_s32x4(to.add(4), high);
            }
        }
    }
}
