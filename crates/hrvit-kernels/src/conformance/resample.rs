//! Sums of camera rows.

use super::products::short;
use super::{Arena, Label, Suite};
use crate::family::Family;
use crate::resample::{Cells, WeightedRows};

/// Lines around the ends of blocks, the longest last.
const VALUES: [usize; 14] = [1, 2, 7, 8, 9, 15, 16, 31, 33, 63, 64, 65, 129, LONGEST];
/// Values of the longest line.
const LONGEST: usize = 500;

/// All sums of a round.
pub(super) fn run(suite: &mut Suite<'_>, scratch: &mut [u8]) {
    for values in VALUES {
        let done = rows(suite, &mut Arena::new(scratch), values);
        short(suite, done, Family::Resample);
        for step in 1..=4 {
            let done = columns(suite, &mut Arena::new(scratch), values, step);
            short(suite, done, Family::Resample);
        }
    }
}

fn rows(suite: &mut Suite<'_>, arena: &mut Arena<'_>, values: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let (inner, stride) = (rng.size(0, 6), values + rng.size(0, 70));
    // The last row ends with its bytes.
    let bytes = arena.make(stride * (inner + 1) + values, |_| rng.extreme(0, 255) as u8)?;
    let tail = rng.extreme(0, 30) as u32;
    let weights = WeightedRows { bytes, stride, inner, head: rng.range(1, 30) as u32, whole: rng.range(1, 30) as u32, tail };
    let label = |name| Label { family: Family::Resample, name, sizes: [values, inner, stride, tail as usize] };
    suite.check(label("sum_rows_u16"), arena, values, |rng| rng.word() as u16, |kernels, out| kernels.sum_rows_u16(&weights, out));
    let wide = WeightedRows { whole: weights.whole << 12, ..weights };
    suite.check(label("sum_rows_u32"), arena, values, |rng| rng.next(), |kernels, out| kernels.sum_rows_u32(&wide, out));
    // Two bytes a pixel; a row of odd bytes leaves its last one out.
    let pixels = 3 * (values / 2);
    suite.check(label("sum_rows_565_u16"), arena, pixels, |rng| rng.word() as u16, |kernels, out| kernels.sum_rows_565_u16(&weights, out));
    suite.check(label("sum_rows_565_u32"), arena, pixels, |rng| rng.next(), |kernels, out| kernels.sum_rows_565_u32(&wide, out));
    Some(())
}

fn columns(suite: &mut Suite<'_>, arena: &mut Arena<'_>, values: usize, step: usize) -> Option<()> {
    let rng = &mut suite.rng;
    let line = arena.make(values, |_| rng.extreme(0, 65535) as u16)?;
    let wide = arena.make(values, |_| rng.extreme(0, 1 << 20) as u32)?;
    let samples = values.div_ceil(step);
    let whole = rng.extreme(1, 40) as u32;
    let part = rng.range(0, whole as i32 - 1) as u32;
    let (step_whole, step_part) = (rng.size(0, 5), rng.range(0, whole as i32 - 1) as u32);
    let cells = Cells { step, whole, part, step_whole, step_part, reciprocal: rng.mult() as u32, shift: rng.range(40, 62) as u32 };
    // As many cells as the line has, and now and then more: what lies beyond the line counts the
    // same everywhere.
    let width = whole as usize * step_whole + step_part as usize;
    let fit = (samples * whole as usize).saturating_sub(part as usize).checked_div(width).unwrap_or(9).min(300);
    let out = fit + rng.size(0, 1) * 9;
    let label = |name| Label { family: Family::Resample, name, sizes: [values, step, whole as usize, out] };
    suite.check(
        label("area_means_u16"),
        arena,
        out,
        |rng| rng.word() as u16,
        |kernels, out| {
            let mut sums = [0; LONGEST + 2];
            kernels.area_means_u16(line, cells, &mut sums, out)
        },
    );
    suite.check(
        label("area_means_u32"),
        arena,
        out,
        |rng| rng.word() as u16,
        |kernels, out| {
            let mut sums = [0; LONGEST + 2];
            kernels.area_means_u32(wide, cells, &mut sums, out)
        },
    );
    Some(())
}
