//! Sums over columns: of a line of samples the mean of each cell.

use crate::filter::{Mean, Walk};
use crate::lines::Sum;

/// Writes the mean of each cell; the walk's sample lies at the beginning of `line`, the next ones every `step` values. `sums` holds a word for each sample and two more.
pub(crate) fn column_means<S: Sum>(line: &[S], step: usize, walk: Walk, mean: Mean, sums: &mut [u32], out: &mut [u16]) {
    match step {
        1 => means::<S, 1>(line, walk, mean, sums, out),
        2 => means::<S, 2>(line, walk, mean, sums, out),
        3 => means::<S, 3>(line, walk, mean, sums, out),
        _ => means::<S, 4>(line, walk, mean, sums, out),
    }
}

/// With sums of all samples in front of each, a cell is the difference of two: at its end and at its beginning. Sums wrap, their differences have 32 bits.
#[inline(never)]
fn means<S: Sum, const STEP: usize>(line: &[S], walk: Walk, mean: Mean, sums: &mut [u32], out: &mut [u16]) {
    let mut sum = 0u32;
    let (samples, last) = line.as_chunks::<STEP>();
    let (whole, behind) = sums.split_at_mut(samples.len().min(sums.len()));
    for (before, values) in whole.iter_mut().zip(samples) {
        *before = sum;
        sum = sum.wrapping_add(values.first().map_or(0, |value| (*value).into()));
    }
    // The last sample may have no values of other components behind it; what follows counts nothing.
    for (at, before) in behind.iter_mut().take(3).enumerate() {
        *before = sum;
        sum = sum.wrapping_add(last.first().filter(|_| at == 0).map_or(0, |value| (*value).into()));
    }
    let sums = &*sums;
    let before = |sample: usize, part: u32| match (sums.get(sample), sums.get(sample + 1)) {
        (Some(before), Some(with)) => before.wrapping_mul(walk.whole).wrapping_add(part.wrapping_mul(with.wrapping_sub(*before))),
        _ => 0,
    };
    if walk.step == walk.total {
        // A cell begins where the one in front of it ends.
        let (mut sample, mut part) = (0, walk.part as u32);
        let mut begin = before(sample, part);
        for out in out {
            (sample, part) = (sample + walk.step_whole, part + walk.step_part);
            if part >= walk.whole {
                (sample, part) = (sample + 1, part - walk.whole);
            }
            let end = before(sample, part);
            *out = mean.of(end.wrapping_sub(begin));
            begin = end;
        }
    } else {
        // Beyond the borders their samples go on.
        let at = |position: i32| {
            let sample = (position.div_euclid(walk.whole as i32)).clamp(0, walk.last as i32);
            before(sample as usize, (position - sample * walk.whole as i32) as u32)
        };
        let mut position = walk.part;
        for out in out {
            *out = mean.of(at(position + walk.total as i32).wrapping_sub(at(position)));
            position += walk.step as i32;
        }
    }
}
