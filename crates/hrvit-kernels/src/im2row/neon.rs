//! Patches and pixels on NEON, 16 bytes at a time. Patches of f16 are patches of bytes of twice as
//! many channels.

use core::arch::aarch64::*;

#[cfg(feature = "fp16")]
use half::f16;

use super::scalar;
use crate::isa::Neon;
#[cfg(feature = "fp16")]
use crate::neon::store_u16x8;
use crate::neon::{copy, load_s8x16, store_s8x16};

/// Codes of a vector.
const BLOCK: usize = 16;

/// See [`Kernels::im2row_s8`](crate::Kernels::im2row_s8).
pub(super) fn patches(_: Neon, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) {
    let (run, patch) = (3 * channels, 9 * channels);
    let one = |x: usize, patch: &mut [i8]| {
        // SAFETY: the token proves NEON; the shorter of both slices has so many codes, and they are
        // apart, as one of them is borrowed mutably.
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
            // SAFETY: the token proves NEON; the run of the last of these patches ends with column
            // `inside * stride + 1` of the row, and each is in its patch.
            Some(row) if inside != 0 => unsafe {
                let (from, to) = (row.as_ptr().add((stride - 1) * channels), inner.as_mut_ptr().add(ky * run));
                match run {
                    PIXELS => each::<PIXELS>(from, stride * channels, to, patch, inside, run),
                    #[cfg(feature = "fp16")]
                    PIXELS_F16 => each::<PIXELS_F16>(from, stride * channels, to, patch, inside, run),
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
/// Bytes of three pixels in f16.
#[cfg(feature = "fp16")]
const PIXELS_F16: usize = 2 * PIXELS;

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

/// See [`Kernels::im2row_f16`](crate::Kernels::im2row_f16).
#[cfg(feature = "fp16")]
pub(super) fn patches_f16(neon: Neon, rows: [Option<&[f16]>; 3], channels: usize, stride: usize, pad: f16, out: &mut [f16]) {
    let [low, high] = pad.to_le_bytes();
    if low != high {
        return scalar::patches(rows, channels, stride, pad, out);
    }
    // SAFETY: any f16 is two bytes; the length is that of the slice in bytes.
    let rows = rows.map(|row| row.map(|row| unsafe { core::slice::from_raw_parts(row.as_ptr().cast::<i8>(), size_of_val(row)) }));
    // SAFETY: as above, and any two bytes are an f16.
    let out = unsafe { core::slice::from_raw_parts_mut(out.as_mut_ptr().cast::<i8>(), size_of_val(out)) };
    patches(neon, rows, size_of::<f16>() * channels, stride, low as i8, out);
}

/// See [`Kernels::pixels_f16`](crate::Kernels::pixels_f16).
#[cfg(feature = "fp16")]
pub(super) fn pixels_f16(_: Neon, pixels: &[u8], out: &mut [f16]) {
    let (blocks, pixels_left) = pixels.as_chunks::<BLOCK>();
    let (to, left) = out.as_chunks_mut::<BLOCK>();
    for (pixels, out) in blocks.iter().zip(to) {
        // SAFETY: the token proves NEON; the arrays have 16 pixels and 16 values, aligned for u16
        // as f16 is.
        unsafe {
            // Numbers of 8 bits, exact in f16.
            let codes = veorq_s8(load_s8x16(pixels.as_ptr().cast()), vdupq_n_s8(i8::MIN));
            let halves = |codes: int16x8_t| {
                let (low, high) = (vcvtq_f32_s32(vmovl_s16(vget_low_s16(codes))), vcvtq_f32_s32(vmovl_high_s16(codes)));
                vreinterpretq_u16_f16(vcvt_high_f16_f32(vcvt_f16_f32(low), high))
            };
            store_u16x8(out.as_mut_ptr().cast(), halves(vmovl_s8(vget_low_s8(codes))));
            store_u16x8(out.as_mut_ptr().add(BLOCK / 2).cast(), halves(vmovl_high_s8(codes)));
        }
    }
    scalar::pixels_f16(pixels_left, left);
}
