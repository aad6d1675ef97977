//! Definition of the resized rows: per output token, the four source tokens and their weights.
//! Labels take all output columns between two source columns together: from one to the next, the
//! mix of a class changes by the same number.

use core::ops::Range;

use super::{MAX_FACTOR, Rows, margin, segment};
use crate::slices::rows_mut;

/// Adds the resized row to `acc`; lengths were checked by the caller, as below.
#[inline(never)] // else it would be compiled as its callers are, for size
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

/// State kept of the values that an output column has had so far.
trait Best: Copy {
    /// Without any value.
    const NONE: Self;

    /// Takes `z`; whether it is larger than all before.
    fn take(&mut self, z: i32) -> bool;
}

/// The largest.
impl Best for i32 {
    const NONE: Self = i32::MIN;

    #[inline(always)]
    fn take(&mut self, z: i32) -> bool {
        let larger = z > *self;
        if larger {
            *self = z;
        }
        larger
    }
}

/// The largest and the second.
impl Best for (i32, i32) {
    const NONE: Self = (i32::MIN, i32::MIN);

    #[inline(always)]
    fn take(&mut self, z: i32) -> bool {
        let (largest, second) = self;
        *second = z.max(*second).min(*largest);
        largest.take(z)
    }
}

/// Writes the labels.
#[inline(never)] // else it would be compiled as its only caller is, for size
pub(super) fn labels(source: &Rows<'_>, columns: usize, labels: &mut [u8]) {
    walk(source, columns, labels, |_, _: [i32; MAX_FACTOR]| ());
}

/// Writes the labels and the margins of two classes or more.
#[inline(never)] // as above
pub(super) fn margins(source: &Rows<'_>, columns: usize, labels: &mut [u8], shift: u32, margins: &mut [u8]) {
    walk(source, columns, labels, |outputs, best: [(i32, i32); MAX_FACTOR]| {
        for (to, (largest, second)) in margins.get_mut(outputs).unwrap_or_default().iter_mut().zip(best) {
            *to = margin(largest, second, shift);
        }
    });
}

/// Writes the labels, and calls `done(outputs, best)` for each segment: of equal logits the first
/// class has won already.
#[inline(always)]
fn walk<B: Best>(source: &Rows<'_>, columns: usize, labels: &mut [u8], mut done: impl FnMut(Range<usize>, [B; MAX_FACTOR])) {
    let column = |upper: &i16, lower: &i16| i32::from(*upper) * source.upper_weight + i32::from(*lower) * source.lower_weight;
    let unit = 2 * source.factor as i32;
    let outputs = 0..labels.len();
    for i in 0..=columns {
        let Some(segment) = segment(i, columns, source.factor, &outputs) else { continue };
        let mut best = [B::NONE; MAX_FACTOR];
        let Some(labels) = labels.get_mut(segment.outputs.clone()) else { continue };
        let (Some([a, c]), Some([b, d])) = (source.tokens(segment.near), source.tokens(segment.far)) else { continue };
        for (class, ((a, c), (b, d))) in (0u8..=u8::MAX).zip(a.iter().zip(c).zip(b.iter().zip(d))) {
            let near = column(a, c);
            let way = column(b, d) - near;
            let mut z = near * unit + way * segment.far_weight;
            for (best, label) in best.iter_mut().zip(&mut *labels) {
                if best.take(z) {
                    *label = class;
                }
                z += 2 * way;
            }
        }
        done(segment.outputs, best);
    }
}
