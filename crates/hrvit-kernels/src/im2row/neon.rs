//! Patches and pixels on NEON, 16 codes at a time.

use core::arch::aarch64::*;

use super::scalar;
use crate::isa::Neon;
use crate::neon::{copy, load_s8x16, store_s8x16};

/// Codes of a vector.
const BLOCK: usize = 16;

/// See [`Kernels::im2row_s8`](crate::Kernels::im2row_s8).
pub(super) fn patches(_: Neon, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) {
    // SAFETY: the token proves NEON; the shorter of both slices has so many codes, and they are apart, as one of them is borrowed mutably.
    scalar::patches_by(rows, channels, stride, pad, out, |from, to| unsafe { copy(from.as_ptr(), to.as_mut_ptr(), from.len().min(to.len())) });
}

/// See [`Kernels::pixels_s8`](crate::Kernels::pixels_s8).
pub(super) fn codes(_: Neon, pixels: &[u8], out: &mut [i8]) {
    let (blocks, pixels_left) = pixels.as_chunks::<BLOCK>();
    let (to, left) = out.as_chunks_mut::<BLOCK>();
    for (pixels, out) in blocks.iter().zip(to) {
        // SAFETY: the token proves NEON; both have 16 bytes.
        unsafe { store_s8x16(out.as_mut_ptr(), veorq_s8(load_s8x16(pixels.as_ptr().cast()), vdupq_n_s8(i8::MIN))) };
    }
    scalar::codes(pixels_left, left);
}
