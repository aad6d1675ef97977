//! Sums over columns: of a line of samples the mean of each cell.

use crate::filter::{Mean, Walk};
use crate::lines::Sum;

/// Where a component's samples lie in a line: the first one of the walk at `first`, the next ones every `STEP` values.
///
/// Writes one mean for each cell.
pub(crate) fn sum_columns<S: Sum>(line: &[S], step: usize, walk: Walk, mean: Mean, out: &mut [u16]) {
    match step {
        1 => by::<S, 1>(line, walk, mean, out),
        2 => by::<S, 2>(line, walk, mean, out),
        3 => by::<S, 3>(line, walk, mean, out),
        _ => by::<S, 4>(line, walk, mean, out),
    }
}

fn by<S: Sum, const STEP: usize>(line: &[S], mut walk: Walk, mean: Mean, out: &mut [u16]) {
    // The walk begins where the line does.
    walk.last -= walk.sample;
    walk.sample = 0;
    if walk.step == walk.total {
        adjoining::<S, STEP>(line, walk, mean, out);
    } else {
        for out in out {
            *out = mean.of(cell::<S, STEP>(line, &mut walk.clone()));
            walk.advance();
        }
    }
}

/// Cells that begin where the one before ends.
fn adjoining<S: Sum, const STEP: usize>(line: &[S], mut walk: Walk, mean: Mean, out: &mut [u16]) {
    for out in out {
        *out = mean.of(cell::<S, STEP>(line, &mut walk));
    }
}

/// The weighted sum of one cell; the walk ends behind it.
#[inline(always)]
fn cell<S: Sum, const STEP: usize>(line: &[S], walk: &mut Walk) -> u32 {
    let value = |sample: usize| line.get(sample * STEP).map_or(0, |value| (*value).into());
    if walk.left > walk.total {
        walk.left -= if walk.sample < walk.last { walk.total } else { 0 };
        return value(walk.sample).wrapping_mul(walk.total);
    }
    let mut sum = value(walk.sample).wrapping_mul(walk.left);
    let mut rest = walk.total - walk.left;
    walk.sample += 1;
    let mut plain = 0u32;
    while rest >= walk.whole && walk.sample < walk.last {
        plain = plain.wrapping_add(value(walk.sample));
        walk.sample += 1;
        rest -= walk.whole;
    }
    sum = sum.wrapping_add(plain.wrapping_mul(walk.whole));
    if walk.sample < walk.last {
        walk.left = walk.whole - rest;
    } else {
        walk.left = u32::MAX >> 1;
    }
    if rest > 0 {
        sum = sum.wrapping_add(value(walk.sample).wrapping_mul(rest));
    }
    sum
}
