//! Definition of the resized rows: per output token, the four source tokens and their weights.

use half::f16;

use crate::math_f32::widen;
use crate::resize::{Corners, Rows};
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

/// The code of a margin, `min(255, floor((largest - second) * scale))`.
#[inline(always)]
pub(super) fn margin(largest: f32, second: f32, scale: f32) -> u8 {
    ((largest - second) * scale) as u8
}

/// The mix of every class.
#[inline(always)]
fn mixes<'a>([(a, wa), (b, wb), (c, wc), (d, wd)]: Corners<'a, f16>) -> impl Iterator<Item = f32> + 'a {
    let [wa, wb, wc, wd] = [wa, wb, wc, wd].map(|weight| weight as f32);
    a.iter().zip(b).zip(c.iter().zip(d)).map(move |((a, b), (c, d))| widen(*a) * wa + widen(*b) * wb + widen(*c) * wc + widen(*d) * wd)
}

/// Writes the labels.
pub(super) fn labels(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    for (x, label) in labels.iter_mut().enumerate() {
        let Some(corners) = source.corners(x, columns) else { continue };
        let mut best = (f32::NEG_INFINITY, 0u8);
        for (class, z) in mixes(corners).enumerate() {
            if z > best.0 {
                best = (z, class as u8);
            }
        }
        *label = best.1;
    }
}

/// Writes the labels and the margins of two classes or more.
pub(super) fn margins(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    for (x, (label, to)) in labels.iter_mut().zip(margins).enumerate() {
        let Some(corners) = source.corners(x, columns) else { continue };
        let (mut best, mut second) = ((f32::NEG_INFINITY, 0u8), f32::NEG_INFINITY);
        for (class, z) in mixes(corners).enumerate() {
            if z > best.0 {
                second = best.0;
                best = (z, class as u8);
            } else {
                second = second.max(z);
            }
        }
        *label = best.1;
        *to = margin(best.0, second, scale);
    }
}
