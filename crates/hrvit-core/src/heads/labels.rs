//! The label map of the SegFormer head, made directly from rows of logits.

use hrvit_kernels::{Tiles, phase};

use crate::{
    arithmetic::{Arithmetic, Mixed},
    fault::Fault,
    operator::StepContext,
    rows::{RowBlocks, run_jobs},
    schedule::Executor,
    slices::{Slices, elements_of},
};

/// Logits are at 1/4 of the input.
pub const LOGITS_FACTOR: usize = 4;

/// The label map at the input's size, `[height, width]`.
pub struct LabelMap<'o> {
    /// Class indices.
    pub labels: &'o mut [u8],
    /// Margins of the labels, if the caller asks for them.
    pub margins: Option<Margins<'o>>,
}

/// Distance of the two largest resized logits of every pixel, `[height, width]`.
pub struct Margins<'o> {
    /// Codes of the distances.
    pub codes: &'o mut [u8],
    /// Right shift of the exact distance, at most 31.
    pub shift: u8,
}

/// Rows of logits in memory: row `first - 1`, then the rows of the wave from `first` on.
pub struct Held<'a, A: Arithmetic> {
    pub lines: &'a [A::Wide],
    pub first: usize,
    pub row_len: usize,
    /// Rows of all logits.
    pub rows: usize,
    pub classes: usize,
}

impl<A: Arithmetic> Held<'_, A> {
    fn row(&self, y: usize) -> Result<&[A::Wide], Fault> {
        self.lines.row((y + 1).checked_sub(self.first).ok_or(Fault)?, self.row_len)
    }

    /// First row of labels that needs a row of logits from `made` on.
    fn labels_before(&self, made: usize) -> usize {
        if made >= self.rows { LOGITS_FACTOR * self.rows } else { (LOGITS_FACTOR * made).saturating_sub(LOGITS_FACTOR / 2) }
    }

    /// The two rows of logits between which row `y` of the labels lies.
    fn mixed(&self, y: usize) -> Result<Mixed<'_, A::Wide>, Fault> {
        let at = phase(y, LOGITS_FACTOR, self.rows);
        let upper = self.row(at.near)?;
        // The first rows lie before the middle of row 0 and mix nothing.
        let lower = if at.far_weight == 0 { upper } else { self.row(at.far)? };
        Ok(Mixed { upper, lower, at, channels: self.classes, factor: LOGITS_FACTOR })
    }

    /// Makes the rows of labels whose rows of logits exist. The wave ends before row `made`.
    pub fn labels(&self, executor: &dyn Executor, made: usize, map: &mut LabelMap<'_>, context: &StepContext<'_>) -> Result<(), Fault> {
        let width = LOGITS_FACTOR * self.row_len / self.classes.max(1);
        let range = self.labels_before(self.first)..self.labels_before(made);
        let out = map.labels.part_mut(elements_of(&range, width))?;
        {
            let blocks = RowBlocks::new(range.len(), executor.workers(), 1);
            let tiles = Tiles::new(&mut *out, blocks.tallest() * width);
            let rows_of = |job: usize| range.start + blocks.range(job).start..;
            match &mut map.margins {
                None => run_jobs(executor, blocks.jobs(), &mut [], &|job, _| {
                    let mut out = rows_of(job).zip(tiles.claim(job).ok_or(Fault)?.runs_mut(width));
                    out.try_for_each(|(y, out)| A::labels(context.kernels, &self.mixed(y)?, out))
                }),
                Some(Margins { codes, shift }) => {
                    let (shift, codes) = (*shift, codes.part_mut(elements_of(&range, width))?);
                    let margins = Tiles::new(codes, blocks.tallest() * width);
                    run_jobs(executor, blocks.jobs(), &mut [], &|job, _| {
                        let margins = margins.claim(job).ok_or(Fault)?.runs_mut(width);
                        let mut out = rows_of(job).zip(tiles.claim(job).ok_or(Fault)?.runs_mut(width).zip(margins));
                        out.try_for_each(|(y, (out, margins))| A::labels_and_margins(context.kernels, &self.mixed(y)?, out, shift, margins))
                    })
                }
            }?;
        }
        for (y, row) in out.runs(width).enumerate() {
            context.output_row(range.start + y, width, row);
        }
        Ok(())
    }
}
