//! Definition of the resized rows: per output token, the four source tokens and their weights. Labels take all output columns between two source columns together: from
//! one to the next, the mix of a class changes by the same number.

use super::{MAX_FACTOR, Rows, segments};
use crate::slices::rows_mut;

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

/// Writes the labels: of equal logits the first class has won already.
#[inline(never)] // else it would be compiled as its only caller is, for size
pub(super) fn labels(source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    let column = |upper: &i16, lower: &i16| i32::from(*upper) * source.upper_weight + i32::from(*lower) * source.lower_weight;
    let unit = 2 * source.factor as i32;
    for segment in segments(columns, source.factor, 0..labels.len()) {
        let mut largest = [i32::MIN; MAX_FACTOR];
        let Some(labels) = labels.get_mut(segment.outputs.clone()) else { continue };
        let (Some([a, c]), Some([b, d])) = (source.tokens(segment.near), source.tokens(segment.far)) else { continue };
        for (class, ((a, c), (b, d))) in (0u8..=u8::MAX).zip(a.iter().zip(c).zip(b.iter().zip(d))) {
            let near = column(a, c);
            let way = column(b, d) - near;
            let mut z = near * unit + way * segment.far_weight;
            for (largest, label) in largest.iter_mut().zip(&mut *labels) {
                if z > *largest {
                    (*largest, *label) = (z, class);
                }
                z += 2 * way;
            }
        }
    }
}
