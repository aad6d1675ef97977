//! Sums on AVX2, mostly the plain loop, compiled for it: compilers turn it into vectors by
//! themselves.

use core::arch::x86_64::*;

use super::scalar;
use crate::avx2::{compiled, interleave, load16_i16, store16_i16, widen_sixteen};
use crate::isa::Avx2;

/// Elements of a block.
const BLOCK: usize = 16;

compiled! {
    add_s32(acc: &mut [i32], other: &[i32]);
    relu_s32(acc: &mut [i32]);
}

/// See [`Kernels::add_s16`](crate::Kernels::add_s16).
pub(super) fn add_s16(_: Avx2, x: &mut [i16], y: &[i32]) {
    // SAFETY: the token proves AVX2.
    unsafe { add_to_stream(x, y) }
}

#[target_feature(enable = "avx2")]
fn add_to_stream(x: &mut [i16], y: &[i32]) {
    // Beyond this every sum saturates, whatever x is: no sum leaves 32 bits.
    let most = _mm256_set1_epi32(1 << 17);
    let least = _mm256_set1_epi32(-(1 << 17));
    let limit = |y: __m256i| _mm256_max_epi32(_mm256_min_epi32(y, most), least);
    let (blocks, tail) = x.as_chunks_mut::<BLOCK>();
    let (y_blocks, y_tail) = y.as_chunks::<BLOCK>();
    for (x, y) in blocks.iter_mut().zip(y_blocks) {
        let ([x_low, x_high], [low, high]) = (widen_sixteen(load16_i16(x)), interleave(y));
        store16_i16(x, _mm256_packs_epi32(_mm256_add_epi32(x_low, limit(low)), _mm256_add_epi32(x_high, limit(high))));
    }
    scalar::add_s16(tail, y_tail);
}
