//! The shortcut on NEON where a view has 4 columns: two rows of it are one vector. Both products
//! run along the columns.

use core::arch::aarch64::*;

use super::Des;
use super::neon_table::look_up;
use crate::neon::rates::{CHANNELS, Rates};
use crate::neon::{load_s16x8, load_s32x4, store_s32x4};
use crate::requant::{Requant, TensorRequant};

/// Columns of a token's view.
pub(super) const P: usize = 4;

/// `k = K`, a multiple of 4, and `p = 4`.
///
/// # Safety
/// The processor has NEON; the sizes were checked by [`Kernels::des_s16`](crate::Kernels::des_s16).
#[inline(always)]
pub(super) unsafe fn tokens<const K: usize>(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (right, left) = (Right::new(args), Left::<K>::new(args));
    for first in (0..out.len()).step_by(K * P) {
        // SAFETY: every token has `K * 4` elements, and so has `hidden`.
        unsafe {
            let (x, hidden, out) = (args.x.as_ptr().add(first), hidden.as_mut_ptr(), out.as_mut_ptr().add(first));
            for row in (0..K).step_by(2) {
                right.two_rows(x.add(row * P), hidden.add(row * P));
            }
            for o in (0..K).step_by(4) {
                left.four_outputs(hidden, o, out.add(o * P));
            }
        }
    }
}

/// The first product.
struct Right<'a> {
    table: &'a [i16],
    /// Weights of all outputs at inputs 0 and 1, and at 2 and 3.
    weights: [int16x8_t; 2],
    bias: int32x4_t,
    /// Of two rows.
    rates: Rates,
    zero: int32x4_t,
    last: int32x4_t,
}

impl<'a> Right<'a> {
    #[inline(always)]
    fn new(args: &Des<'a>) -> Self {
        let twice = |at: usize| at % P;
        let (mut weights, mut mult, mut shift) = ([0i16; P * P], [0; CHANNELS], [32; CHANNELS]);
        for (at, weight) in args.right.iter().enumerate().take(P * P) {
            weights[at % P * P + at / P] = i16::from(*weight);
        }
        for at in 0..CHANNELS {
            (mult[at], shift[at]) = (args.right_requant.mult[twice(at)], args.right_requant.shift[twice(at)]);
        }
        let requant = Requant { mult: &mult, shift: &shift, pre_shift: args.right_requant.pre_shift };
        // SAFETY: NEON is in every AArch64 processor; the arrays have 16 weights, and there are 4
        // biases (checked).
        unsafe {
            Self {
                table: args.table,
                weights: [load_s16x8(weights.as_ptr()), load_s16x8(weights.as_ptr().add(8))],
                bias: load_s32x4(args.right_bias.as_ptr()),
                rates: Rates::new(requant, 0),
                zero: vdupq_n_s32(args.zero),
                last: vdupq_n_s32(args.table.len() as i32 - 1),
            }
        }
    }

    /// Two rows of a token's view: through the activation.
    #[inline(always)]
    unsafe fn two_rows(&self, x: *const i16, hidden: *mut i16) {
        // SAFETY: the caller has NEON and vouches for 8 elements of both.
        unsafe {
            let (x, [first, second]) = (load_s16x8(x), self.weights);
            let upper = vmlal_laneq_s16::<0>(self.bias, vget_low_s16(first), x);
            let upper = vmlal_high_laneq_s16::<1>(upper, first, x);
            let upper = vmlal_laneq_s16::<2>(upper, vget_low_s16(second), x);
            let upper = vmlal_high_laneq_s16::<3>(upper, second, x);
            let lower = vmlal_laneq_s16::<4>(self.bias, vget_low_s16(first), x);
            let lower = vmlal_high_laneq_s16::<5>(lower, first, x);
            let lower = vmlal_laneq_s16::<6>(lower, vget_low_s16(second), x);
            let lower = vmlal_high_laneq_s16::<7>(lower, second, x);
            let [[upper, lower]] = self.rates.apply([[upper, lower]]);
            look_up(self.table, vaddq_s32(upper, self.zero), self.last, hidden);
            look_up(self.table, vaddq_s32(lower, self.zero), self.last, hidden.add(P));
        }
    }
}

/// The second product.
struct Left<const K: usize> {
    /// `[block of outputs][input]`, 4 outputs each.
    weights: [[[i16; 4]; K]; 8],
    bias: [i32; K],
    /// Of two outputs each.
    rates: [Rates; K],
}

impl<const K: usize> Left<K> {
    #[inline(always)]
    fn new(args: &Des<'_>) -> Self {
        let mut weights = [[[0; 4]; K]; 8];
        for (o, row) in args.left.chunks_exact(K).enumerate() {
            for (i, weight) in row.iter().enumerate() {
                weights[o / 4][i][o % 4] = i16::from(*weight);
            }
        }
        let requant = args.left_requant;
        let rate = |o: usize| TensorRequant { mult: requant.mult[o], shift: requant.shift[o], pre_shift: requant.pre_shift };
        // SAFETY: NEON is in every AArch64 processor.
        let rates = core::array::from_fn(|o| unsafe { Rates::pair(rate(o / 2 * 2), rate(o / 2 * 2 + 1)) });
        Self { weights, bias: core::array::from_fn(|o| args.left_bias[o]), rates }
    }

    /// Adds outputs `o..o + 4` to a token.
    #[inline(always)]
    unsafe fn four_outputs(&self, hidden: *const i16, o: usize, out: *mut i32) {
        // SAFETY: the caller has NEON and vouches for `K` rows of 4 hidden values, and 4 rows of
        // outputs.
        unsafe {
            let mut sums: [int32x4_t; 4] = core::array::from_fn(|i| vdupq_n_s32(self.bias[o + i]));
            for (at, weights) in self.weights[o / 4].as_chunks::<2>().0.iter().enumerate() {
                let (h, w) = (load_s16x8(hidden.add(2 * at * P)), load_s16x8(weights.as_ptr().cast()));
                sums[0] = vmlal_high_laneq_s16::<4>(vmlal_laneq_s16::<0>(sums[0], vget_low_s16(h), w), h, w);
                sums[1] = vmlal_high_laneq_s16::<5>(vmlal_laneq_s16::<1>(sums[1], vget_low_s16(h), w), h, w);
                sums[2] = vmlal_high_laneq_s16::<6>(vmlal_laneq_s16::<2>(sums[2], vget_low_s16(h), w), h, w);
                sums[3] = vmlal_high_laneq_s16::<7>(vmlal_laneq_s16::<3>(sums[3], vget_low_s16(h), w), h, w);
            }
            for (at, pair) in sums.as_chunks::<2>().0.iter().enumerate() {
                let [added] = self.rates[o + 2 * at].apply([*pair]);
                for (i, added) in added.into_iter().enumerate() {
                    let to = out.add((2 * at + i) * P);
                    store_s32x4(to, vaddq_s32(load_s32x4(to), added));
                }
            }
        }
    }
}
