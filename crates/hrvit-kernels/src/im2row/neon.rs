//! Patches and pixels on NEON, 16 codes at a time.

use core::arch::aarch64::*;

use super::scalar;
use crate::isa::Neon;
use crate::neon::{copy, load_s8x16, store_s8x16};

/// Codes of a vector.
const BLOCK: usize = 16;

/// See [`Kernels::im2row_s8`](crate::Kernels::im2row_s8).
pub(super) fn patches(_: Neon, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) {
    let (run, patch) = (3 * channels, 9 * channels);
    let one = |x: usize, patch: &mut [i8]| {
        // SAFETY: the token proves NEON; the shorter of both slices has so many codes, and they are apart, as one of them is borrowed mutably.
        scalar::patch_by(rows, channels, x * stride, pad, patch, |from, to| unsafe { copy(from.as_ptr(), to.as_mut_ptr(), from.len().min(to.len())) });
    };
    // Behind the first patch those whose columns are all inside the map: one column more at least.
    let columns = rows.iter().flatten().map(|row| row.len()).min().unwrap_or(0) / channels;
    let inside = columns.checked_sub(2).map_or(0, |last| last / stride).min((out.len() / patch).saturating_sub(1));
    let Some((first, others)) = out.split_at_mut_checked(patch) else { return };
    let Some((inner, outer)) = others.split_at_mut_checked(inside * patch) else { return };
    one(0, first);
    for (ky, row) in rows.iter().enumerate() {
        match row {
            // SAFETY: the token proves NEON; the run of the last of these patches ends with column `inside * stride + 1` of the row, and each is in its patch.
            Some(row) if inside != 0 => unsafe {
                let (from, to) = (row.as_ptr().add((stride - 1) * channels), inner.as_mut_ptr().add(ky * run));
                match run {
                    PIXELS => each::<PIXELS>(from, stride * channels, to, patch, inside, run),
                    _ => each::<0>(from, stride * channels, to, patch, inside, run),
                }
            },
            Some(_) => {}
            None => inner.chunks_exact_mut(run).skip(ky).step_by(3).for_each(|run| run.fill(pad)),
        }
    }
    for (x, patch) in (inside + 1..).zip(outer.chunks_exact_mut(patch)) {
        one(x, patch);
    }
}

/// Codes of three pixels.
const PIXELS: usize = 9;

/// Copies `count` runs of `run` codes; `RUN` is as many, or 0.
///
/// # Safety
/// The processor has NEON; the runs may be read and written, and are apart.
#[inline(always)]
unsafe fn each<const RUN: usize>(mut from: *const i8, from_stride: usize, mut to: *mut i8, to_stride: usize, count: usize, run: usize) {
    for _ in 0..count {
        // SAFETY: the caller vouches for the runs; the pointers are not used behind the last.
        unsafe { copy(from, to, if RUN == 0 { run } else { RUN }) };
        (from, to) = (from.wrapping_add(from_stride), to.wrapping_add(to_stride));
    }
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
