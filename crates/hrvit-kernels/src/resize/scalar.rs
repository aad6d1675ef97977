//! Definition of the resized rows: per output token, the four source tokens and their weights.

use super::Rows;
use crate::lanes::rows_mut;

/// Adds the resized row to `acc`; lengths were checked by the caller, as below.
pub(super) fn bilinear_add(source: &Rows<'_>, columns: usize, scale: i32, first: usize, acc: &mut [i32]) {
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(first + x, columns) else { continue };
        let [wa, wb, wc, wd] = [wa, wb, wc, wd].map(|weight| scale.wrapping_mul(weight));
        for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.iter().zip(b).zip(c.iter().zip(d))) {
            let sum = [(a, wa), (b, wb), (c, wc), (d, wd)].map(|(value, weight)| i32::from(*value).wrapping_mul(weight));
            *acc = sum.iter().fold(*acc, |acc, term| acc.wrapping_add(*term));
        }
    }
}

/// Writes the labels.
pub(super) fn labels(source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    for (x, label) in labels.iter_mut().enumerate() {
        let Some([(a, wa), (b, wb), (c, wc), (d, wd)]) = source.corners(x, columns) else { continue };
        let mut best = (i32::MIN, 0u8);
        for (class, ((a, b), (c, d))) in a.iter().zip(b).zip(c.iter().zip(d)).enumerate() {
            let z = i32::from(*a) * wa + i32::from(*b) * wb + i32::from(*c) * wc + i32::from(*d) * wd;
            if z > best.0 {
                best = (z, class as u8);
            }
        }
        *label = best.1;
    }
}
