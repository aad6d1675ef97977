//! Blocks of 8 x 8 codes, turned and brought into a [`Packing`].

use core::arch::aarch64::*;

use super::{load_s8x8, store_s8x8, store_s8x16};
use crate::packing::Packing;

/// 8 rows of 8 codes, two rows in a vector.
pub(crate) type Block = [int8x16_t; 4];

/// The block of `rows` rows, `stride` codes apart, of `columns` codes; zeros beyond 8 of both.
///
/// # Safety
/// The processor has NEON, and `columns` codes may be read from the first 8 of the rows, or as many
/// of both as there are.
#[inline(always)]
pub(crate) unsafe fn block(from: *const i8, stride: usize, rows: usize, columns: usize) -> Block {
    // SAFETY: the caller vouches for the codes.
    unsafe {
        if rows >= 8 && columns >= 8 {
            return core::array::from_fn(|pair| vcombine_s8(load_s8x8(from.add(2 * pair * stride)), load_s8x8(from.add((2 * pair + 1) * stride))));
        }
        let mut padded = [[0i8; 8]; 8];
        for (i, row) in padded.iter_mut().enumerate().take(rows) {
            core::ptr::copy_nonoverlapping(from.add(i * stride), row.as_mut_ptr(), columns.min(8));
        }
        core::array::from_fn(|pair| vcombine_s8(load_s8x8(padded[2 * pair].as_ptr()), load_s8x8(padded[2 * pair + 1].as_ptr())))
    }
}

/// Rows become columns.
///
/// Taking the two halves of 64 bytes in turn moves the highest bit of an address to the lowest
/// place. After three times row and column have changed places.
#[inline]
#[target_feature(enable = "neon")]
pub(crate) fn transpose(mut block: Block) -> Block {
    for _ in 0..3 {
        let [a, b, c, d] = block;
        block = [vzip1q_s8(a, c), vzip2q_s8(a, c), vzip1q_s8(b, d), vzip2q_s8(b, d)];
    }
    block
}

/// Writes 8 channels of 8 steps of depth, `channel / 8` and `step / 8` blocks into weights of
/// `depth` steps.
///
/// # Safety
/// The processor has NEON; both are multiples of 8, `step` below `depth`, and the weights have room
/// for the channels in `packing`. `depth` is a multiple of 8 in [`Packing::Rows`].
#[inline(always)]
pub(crate) unsafe fn put(block: Block, packing: Packing, to: *mut i8, channel: usize, step: usize, depth: usize) {
    // SAFETY: the caller vouches for the room.
    unsafe {
        match packing {
            Packing::Rows => {
                for (pair, rows) in block.into_iter().enumerate() {
                    let to = to.add((channel + 2 * pair) * depth + step);
                    store_s8x8(to, vget_low_s8(rows));
                    store_s8x8(to.add(depth), vget_high_s8(rows));
                }
            }
            Packing::K4 => {
                let to = to.add(channel * depth.next_multiple_of(4) + 8 * step);
                let [a, b, c, d] = block.map(|rows| vreinterpretq_s32_s8(rows));
                store_s8x16(to, vreinterpretq_s8_s32(vuzp1q_s32(a, b)));
                store_s8x16(to.add(16), vreinterpretq_s8_s32(vuzp1q_s32(c, d)));
                if step + 4 < depth {
                    store_s8x16(to.add(32), vreinterpretq_s8_s32(vuzp2q_s32(a, b)));
                    store_s8x16(to.add(48), vreinterpretq_s8_s32(vuzp2q_s32(c, d)));
                }
            }
            Packing::K8 => {
                let to = to.add(channel * depth.next_multiple_of(8) + 8 * step);
                for (pair, rows) in block.into_iter().enumerate() {
                    store_s8x16(to.add(16 * pair), rows);
                }
            }
        }
    }
}
