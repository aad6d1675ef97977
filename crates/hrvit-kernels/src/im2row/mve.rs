//! Patches on MVE: runs are copied as vectors, the last of them in part.

use super::scalar::{self, patch_by};
use crate::isa::Mve;
use crate::mve::bytes;
use crate::slices::rows_mut;

/// Writes the patches; lengths were checked by the caller.
#[inline(never)] // else it would be compiled as its callers are, for size
pub(super) fn patches(_: Mve, rows: [Option<&[i8]>; 3], channels: usize, stride: usize, pad: i8, out: &mut [i8]) {
    let [above, middle, below] = rows;
    let run = 3 * channels;
    let len = rows.iter().flatten().map(|row| row.len()).next().unwrap_or(0);
    for (x, patch) in rows_mut(out, 9 * channels).enumerate() {
        let first = (x * stride).wrapping_sub(1).wrapping_mul(channels);
        let inside = x * stride != 0 && len.checked_sub(run).is_some_and(|last| first <= last);
        match (above, middle, below) {
            // SAFETY: the token of MVE. All rows have `len` elements, and so `run` from `first` on;
            // the patch has three times as many.
            (Some(above), Some(middle), Some(below)) if inside => {
                for (ky, row) in [above, middle, below].into_iter().enumerate() {
                    // SAFETY: the token proves MVE. All rows have `len` elements, and so `run` from
                    // `first` on; the patch has three times as many.
                    unsafe { bytes::copy(row.as_ptr().wrapping_add(first).cast(), patch.as_mut_ptr().wrapping_add(ky * run).cast(), run) };
                }
            }
            _ => patch_by(rows, channels, x * stride, pad, patch, |from, to| from.iter().zip(to).for_each(|(from, to)| *to = *from)),
        }
    }
}

/// Writes the codes.
pub(super) fn codes(_: Mve, pixels: &[u8], out: &mut [i8]) {
    scalar::codes(pixels, out);
}
