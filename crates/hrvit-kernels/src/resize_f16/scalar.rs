//! Definition of the resized rows: per output token, the four source tokens and their weights.

use half::f16;

use crate::math_f32::widen;
use crate::resize::Rows;
use crate::slices::rows_mut;

/// Adds the resized row to `acc`; lengths were checked by the caller, as below.
pub(super) fn bilinear_add(source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
    let unit = unit(source.factor);
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(first + x, columns) else { continue };
        let [wa, wb, wc, wd] = [wa, wb, wc, wd].map(|weight| weight as f32 * unit);
        for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
            *acc += widen(*a) * wa + widen(*b) * wb + widen(*c) * wc + widen(*d) * wd;
        }
    }
}

/// `1 / (2 * factor)^2`, exactly: the factor is a power of two.
#[inline(always)]
pub(super) fn unit(factor: usize) -> f32 {
    let unit = 2.0 * factor as f32;
    1.0 / (unit * unit)
}

/// Writes the labels.
pub(super) fn labels(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    for (x, label) in labels.iter_mut().enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(x, columns) else { continue };
        let [wa, wb, wc, wd] = [wa, wb, wc, wd].map(|weight| weight as f32);
        let mut best = (f32::NEG_INFINITY, 0u8);
        for (class, ((a, b), (c, d))) in a.iter().zip(b).zip(c.iter().zip(d)).enumerate() {
            let z = widen(*a) * wa + widen(*b) * wb + widen(*c) * wc + widen(*d) * wd;
            if z > best.0 {
                best = (z, class as u8);
            }
        }
        *label = best.1;
    }
}
