//! Means over columns: of a line of samples the mean of each cell.

use hrvit_kernels::resample::Cells;
use hrvit_kernels::{Kernels, ShapeError};

use crate::filter::{Mean, Walk};
use crate::lines::Line;

/// Writes the mean of each cell; the walk's sample is value `start` of the line, the next ones
/// follow every `step` values. `sums` holds a word for each sample and two more.
pub(crate) fn column_means(
    kernels: Kernels,
    (line, start, step): (&Line<'_>, usize, usize),
    walk: Walk,
    mean: Mean,
    sums: &mut [u32],
    out: &mut [u16],
) -> Result<(), ShapeError> {
    if walk.step == walk.total {
        // A cell begins where the one in front of it ends.
        let Walk { part, whole, step_whole, step_part, .. } = walk;
        let Mean { reciprocal, shift, .. } = mean;
        let cells = Cells { step, whole, part: part.unsigned_abs(), step_whole, step_part, reciprocal, shift };
        return line.area_means(kernels, start, cells, sums, out);
    }
    // No wider than a sample: two of them at most. Beyond the borders their samples go on.
    let value = |sample: u32| line.value(start + sample as usize * step);
    // Not 0: no division can fail.
    let own = walk.whole.max(1);
    let whole = own as i32;
    let mut position = walk.part;
    for out in out {
        let sample = position.max(0) as u32 / own;
        let sum = if sample >= walk.last {
            value(walk.last).wrapping_mul(walk.total)
        } else {
            let head = (whole * (sample as i32 + 1) - position).min(walk.total as i32) as u32;
            value(sample).wrapping_mul(head).wrapping_add(value(sample + 1).wrapping_mul(walk.total - head))
        };
        *out = mean.of(sum);
        position += walk.step as i32;
    }
    Ok(())
}
