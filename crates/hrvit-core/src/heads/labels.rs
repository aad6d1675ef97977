//! The label map of the SegFormer head, straight from the rows of logits that it is resized from.

use core::ops::Range;

use hrvit_kernels::{Kernels, Tiles, phase};

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
    /// Margins beside them.
    pub margins: Option<Margins<'o>>,
}

/// Distance of the two largest resized logits of every pixel, `[height, width]`.
pub struct Margins<'o> {
    /// Codes of the distances.
    pub codes: &'o mut [u8],
    /// Right shift of the exact distance, at most 31.
    pub shift: u8,
}

/// Rows of logits in memory: row `first - 1`, then those of the wave from `first` on.
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

    /// Both rows of logits that row `y` of the labels lies between.
    fn mixed(&self, y: usize) -> Result<Mixed<'_, A::Wide>, Fault> {
        let at = phase(y, LOGITS_FACTOR, self.rows);
        let upper = self.row(at.near)?;
        // The first rows lie before the middle of row 0 and mix nothing.
        let lower = if at.far_weight == 0 { upper } else { self.row(at.far)? };
        Ok(Mixed { upper, lower, at, channels: self.classes, factor: LOGITS_FACTOR })
    }

    /// The rows of labels that this wave, which ends before row `made`, makes possible.
    pub fn labels(&self, executor: &dyn Executor, made: usize, map: &mut LabelMap<'_>, context: &StepContext<'_>) -> Result<(), Fault> {
        let width = LOGITS_FACTOR * self.row_len / self.classes.max(1);
        let range = self.labels_before(self.first)..self.labels_before(made);
        let out = map.labels.part_mut(elements_of(&range, width))?;
        match &mut map.margins {
            None => self.make_labels(executor, &range, out, context.kernels),
            Some(Margins { codes, shift }) => {
                let margins = Margins { codes: codes.part_mut(elements_of(&range, width))?, shift: *shift };
                self.make_both(executor, &range, out, margins, context.kernels)
            }
        }?;
        for (y, row) in out.runs(width).enumerate() {
            context.output_row(range.start + y, width, row);
        }
        Ok(())
    }

    /// The rows `range` of the labels into `out`.
    #[inline(never)] // apart from the other, so that each has the registers that it needs
    fn make_labels(&self, executor: &dyn Executor, range: &Range<usize>, out: &mut [u8], kernels: Kernels) -> Result<(), Fault> {
        let width = out.len() / range.len().max(1);
        let blocks = RowBlocks::new(range.len(), executor.workers(), 1);
        let labels = Tiles::new(out, blocks.tallest() * width);
        run_jobs(executor, blocks.jobs(), &mut [], &|job, _| {
            let mut rows = (range.start + blocks.range(job).start..).zip(labels.claim(job).ok_or(Fault)?.runs_mut(width));
            rows.try_for_each(|(y, labels)| A::labels(kernels, &self.mixed(y)?, labels))
        })
    }

    /// [`Self::make_labels`] with the margins beside them.
    #[inline(never)]
    fn make_both(&self, executor: &dyn Executor, range: &Range<usize>, out: &mut [u8], beside: Margins<'_>, kernels: Kernels) -> Result<(), Fault> {
        let width = out.len() / range.len().max(1);
        let blocks = RowBlocks::new(range.len(), executor.workers(), 1);
        let (labels, margins) = (Tiles::new(out, blocks.tallest() * width), Tiles::new(beside.codes, blocks.tallest() * width));
        run_jobs(executor, blocks.jobs(), &mut [], &|job, _| {
            let both = labels.claim(job).ok_or(Fault)?.runs_mut(width).zip(margins.claim(job).ok_or(Fault)?.runs_mut(width));
            let mut rows = (range.start + blocks.range(job).start..).zip(both);
            rows.try_for_each(|(y, (labels, margins))| A::labels_and_margins(kernels, &self.mixed(y)?, labels, beside.shift, margins))
        })
    }
}
