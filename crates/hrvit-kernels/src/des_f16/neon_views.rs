//! The shortcut of views whose rows are whole vectors and whose columns are multiples of four. Both
//! products multiply by lanes, four rows at a time.
//!
//! Sums are those of the definition, in its order.

use core::arch::aarch64::*;

use half::f16;

use super::DesF16;
use crate::epilogue_f16::ActivationF16;
use crate::gemm_f16::BLOCK;
use crate::neon::floats::{activate, gelu_of_two, load_four};
use crate::neon::{load_f32x4, store_f32x4};

/// Rows at a time, which are as many as a vector has lanes.
const ROWS: usize = 4;
/// Most rows of a view.
const MOST: usize = 16;

/// All tokens of `K` rows, a multiple of 4 up to 16, and `4 * V` columns, at most 16.
///
/// # Safety
/// The processor has NEON. `args` has these sizes, and the entry has checked the lengths.
#[target_feature(enable = "neon")]
pub(super) unsafe fn tokens<const K: usize, const V: usize>(args: &DesF16<'_>, out: &mut [f32]) {
    let zero = vdupq_n_f32(0.0);
    // Weights of all outputs at each input, and of each output at four inputs at a time.
    let (mut right, mut left) = ([[zero; V]; MOST], [[zero; ROWS]; MOST]);
    for (j, right) in right.iter_mut().enumerate().take(ROWS * V) {
        for (v, right) in right.iter_mut().enumerate() {
            let column = ROWS * v;
            *right = load_four(args.right, (column / BLOCK * ROWS * V + j) * BLOCK + column % BLOCK);
        }
    }
    for (o, left) in left.iter_mut().enumerate().take(K) {
        for (i, left) in left.iter_mut().enumerate().take(K / ROWS) {
            *left = load_four(args.left, o * K + ROWS * i);
        }
    }
    // SAFETY: the biases are `4 * V` (checked).
    let bias: [float32x4_t; V] = core::array::from_fn(|v| unsafe { load_f32x4(args.right_bias.as_ptr().add(ROWS * v)) });
    let channels = K * ROWS * V;
    for first in (0..out.len()).step_by(channels) {
        let mut hidden = [[zero; V]; K];
        // SAFETY: every token has `K * 4 * V` elements, in `x` and in `out`; there are `K` biases
        // (checked).
        unsafe {
            let (x, out) = (args.x.as_ptr().add(first), out.as_mut_ptr().add(first));
            for (four, hidden) in hidden.as_chunks_mut::<ROWS>().0.iter_mut().enumerate() {
                *hidden = four_rows(x.add(four * ROWS * ROWS * V), &right, &bias);
            }
            activate_all(args.act, hidden.as_flattened_mut());
            for (four, left) in left.as_chunks::<ROWS>().0.iter().enumerate().take(K / ROWS) {
                let bias = load_f32x4(args.left_bias.as_ptr().add(ROWS * four));
                four_outputs(out.add(four * ROWS * ROWS * V), &hidden, left, bias);
            }
        }
    }
}

/// Calls `$each` with the numbers of the four lanes.
macro_rules! lanes {
    ($each:ident) => {
        $each!(0);
        $each!(1);
        $each!(2);
        $each!(3);
    };
}

/// The first product of four rows.
///
/// # Safety
/// Four rows may be read from `x` on.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four_rows<const V: usize>(x: *const f16, right: &[[float32x4_t; V]; MOST], bias: &[float32x4_t; V]) -> [[float32x4_t; V]; ROWS] {
    let mut sums = [*bias; ROWS];
    for (quad, right) in right.as_chunks::<4>().0.iter().enumerate().take(V) {
        // SAFETY: by the contract.
        let inputs: [float32x4_t; ROWS] = core::array::from_fn(|row| load_four(unsafe { &*x.add(ROWS * (row * V + quad)).cast::<[f16; 4]>() }, 0));
        macro_rules! lane {
            ($lane:literal) => {
                for (sums, input) in sums.iter_mut().zip(inputs) {
                    for (sum, weight) in sums.iter_mut().zip(right[$lane]) {
                        *sum = vfmaq_laneq_f32::<$lane>(*sum, weight, input);
                    }
                }
            };
        }
        lanes!(lane);
    }
    sums
}

/// The second product of four outputs, which lie one behind the other, added to them.
///
/// # Safety
/// Four rows may be read and written from `out` on.
#[inline]
#[target_feature(enable = "neon")]
unsafe fn four_outputs<const K: usize, const V: usize>(out: *mut f32, hidden: &[[float32x4_t; V]; K], left: &[[float32x4_t; ROWS]; ROWS], bias: float32x4_t) {
    let mut sums = [[vdupq_laneq_f32::<0>(bias); V], [vdupq_laneq_f32::<1>(bias); V], [vdupq_laneq_f32::<2>(bias); V], [vdupq_laneq_f32::<3>(bias); V]];
    for (quad, hidden) in hidden.as_chunks::<4>().0.iter().enumerate() {
        macro_rules! lane {
            ($lane:literal) => {
                for (sums, left) in sums.iter_mut().zip(left) {
                    for (sum, hidden) in sums.iter_mut().zip(hidden[$lane]) {
                        *sum = vfmaq_laneq_f32::<$lane>(*sum, hidden, left[quad]);
                    }
                }
            };
        }
        lanes!(lane);
    }
    for (at, sum) in sums.as_flattened().iter().enumerate() {
        // SAFETY: by the contract.
        unsafe {
            let out = out.add(4 * at);
            store_f32x4(out, vaddq_f32(load_f32x4(out), *sum));
        }
    }
}

/// The activation of vectors, a multiple of four.
#[inline]
#[target_feature(enable = "neon")]
fn activate_all(act: ActivationF16, values: &mut [float32x4_t]) {
    for four in values.as_chunks_mut::<4>().0 {
        let [a, b, c, d] = *four;
        let [[a, b], [c, d]] = match act {
            ActivationF16::Gelu => gelu_of_two([[a, b], [c, d]]),
            act => [activate(act, [a, b]), activate(act, [c, d])],
        };
        *four = [a, b, c, d];
    }
}
