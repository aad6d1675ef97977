//! Sums and ReLU on NEON, 16 elements at a time.

use core::arch::aarch64::*;

use super::scalar;
use crate::isa::Neon;
use crate::neon::{load_s16x8, load_s32x4, store_s16x8, store_s32x4};

/// Elements of a block.
const BLOCK: usize = 16;

/// See [`Kernels::add_s16`](crate::Kernels::add_s16).
pub(super) fn add_s16(_: Neon, x: &mut [i16], y: &[i32]) {
    let (blocks, tail) = x.as_chunks_mut::<BLOCK>();
    let (others, others_tail) = y.as_chunks::<BLOCK>();
    for (x, y) in blocks.iter_mut().zip(others) {
        for at in [0, BLOCK / 2] {
            // SAFETY: the token proves NEON; both have 16 elements, of which 8 begin at `at`.
            unsafe {
                let (to, y) = (x.as_mut_ptr().add(at), y.as_ptr().add(at));
                let x = load_s16x8(to);
                let low = vqaddq_s32(vmovl_s16(vget_low_s16(x)), load_s32x4(y));
                let high = vqaddq_s32(vmovl_high_s16(x), load_s32x4(y.add(4)));
                store_s16x8(to, vqmovn_high_s32(vqmovn_s32(low), high));
            }
        }
    }
    scalar::add_s16(tail, others_tail);
}

/// See [`Kernels::add_s32`](crate::Kernels::add_s32).
pub(super) fn add_s32(_: Neon, acc: &mut [i32], other: &[i32]) {
    let (blocks, tail) = acc.as_chunks_mut::<BLOCK>();
    let (others, others_tail) = other.as_chunks::<BLOCK>();
    for (acc, other) in blocks.iter_mut().zip(others) {
        for at in (0..BLOCK).step_by(4) {
            // SAFETY: the token proves NEON; both have 16 elements, of which 4 begin at `at`.
            unsafe {
                let to = acc.as_mut_ptr().add(at);
                store_s32x4(to, vaddq_s32(load_s32x4(to), load_s32x4(other.as_ptr().add(at))));
            }
        }
    }
    scalar::add_s32(tail, others_tail);
}

/// See [`Kernels::relu_s32`](crate::Kernels::relu_s32).
pub(super) fn relu_s32(_: Neon, acc: &mut [i32]) {
    let (blocks, tail) = acc.as_chunks_mut::<BLOCK>();
    for acc in blocks {
        for at in (0..BLOCK).step_by(4) {
            // SAFETY: the token proves NEON; there are 16 elements, of which 4 begin at `at`.
            unsafe {
                let to = acc.as_mut_ptr().add(at);
                store_s32x4(to, vmaxq_s32(load_s32x4(to), vdupq_n_s32(0)));
            }
        }
    }
    scalar::relu_s32(tail);
}
