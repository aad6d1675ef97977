//! Definition of the patches: one run of values after the other.

use crate::slices::rows_mut;

/// Writes the patches; lengths were checked by the caller, as below.
pub(super) fn patches<T: Copy>(rows: [Option<&[T]>; 3], channels: usize, stride: usize, pad: T, out: &mut [T]) {
    for (x, patch) in rows_mut(out, 9 * channels).enumerate() {
        patch_by(rows, channels, x * stride, pad, patch, copy);
    }
}

/// Writes the patches of f16.
#[cfg(feature = "fp16")]
pub(super) fn patches_f16(rows: [Option<&[half::f16]>; 3], channels: usize, stride: usize, pad: half::f16, out: &mut [half::f16]) {
    patches(rows, channels, stride, pad, out);
}

/// The patch whose middle is column `middle`; `copy` moves its runs, from and to slices of one
/// length.
#[inline(always)]
pub(super) fn patch_by<T: Copy>(rows: [Option<&[T]>; 3], channels: usize, middle: usize, pad: T, patch: &mut [T], copy: impl Fn(&[T], &mut [T])) {
    let run = 3 * channels;
    for (row, taps) in rows.iter().zip(rows_mut(patch, run)) {
        let Some(row) = row else {
            taps.fill(pad);
            continue;
        };
        // The three taps of a kernel row are neighbours in memory, except where the window leaves
        // the row.
        let first = middle.checked_sub(1).map(|column| column * channels);
        if let Some(inside) = first.and_then(|first| row.get(first..first + run)) {
            copy(inside, taps);
            continue;
        }
        for (kx, tap) in rows_mut(taps, channels).enumerate() {
            let first = (middle + kx).checked_sub(1).map(|column| column * channels);
            match first.and_then(|first| row.get(first..first + channels)) {
                Some(token) => copy(token, tap),
                None => tap.fill(pad),
            }
        }
    }
}

/// Writes the codes.
pub(super) fn codes(pixels: &[u8], out: &mut [i8]) {
    for (pixel, out) in pixels.iter().zip(out) {
        *out = (*pixel ^ 0x80) as i8;
    }
}

/// Writes the codes in 16 bits.
#[cfg(feature = "int16x8")]
pub(super) fn pixels_s16(pixels: &[u8], out: &mut [i16]) {
    for (pixel, out) in pixels.iter().zip(out) {
        *out = i16::from(*pixel) - 128;
    }
}

/// Writes the values.
#[cfg(feature = "fp16")]
pub(super) fn pixels_f16(pixels: &[u8], out: &mut [half::f16]) {
    for (pixel, out) in pixels.iter().zip(out) {
        *out = crate::math_f32::narrow(f32::from(i16::from(*pixel) - 128));
    }
}

/// Copies the common length; unlike `copy_from_slice` it has no panic path.
#[inline(always)]
fn copy<T: Copy>(from: &[T], to: &mut [T]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = *from;
    }
}
