//! MixCFN: `x + fc2(GELU(DW3x3 ‖ DW5x5 (fc1(norm(x)))))` (paper, figure 3). Of the hidden map only
//! a tile of rows and four more exist at a time.

use core::ops::Range;

use hrvit_format::{Between, OpKind};

use crate::{
    ABLATIONS,
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    fault::Fault,
    geometry::Geometry,
    operator::{Operator, StepContext, TokenRow},
    ring::{self, Batches, Ring},
    rows::{Block, RowBlocks, RowJobs, rewrite, tiles},
    schedule::Executor,
    slices::Slices,
};

/// Rows of fc1's output that the depthwise 5x5 looks at on each side.
const REACH: usize = 2;

/// Row buffers of one job.
struct Buffers<'a, A: Arithmetic> {
    /// A tile of normalised rows.
    normed: &'a mut [A::Code],
    /// Rows of fc1's output.
    lines: &'a mut [A::Code],
    /// A tile of the activated rows.
    mixed: &'a mut [A::Code],
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    fn cut(geometry: &Geometry<'_>, branch: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (map, tile) = (geometry.map(branch), geometry.tile);
        let hidden = usize::from(geometry.network.spec.hidden(branch));
        Ok(Self {
            normed: slicer.take([tile, map.columns, geometry.channels(branch)])?,
            lines: slicer.take([ring::rows_for(tile, REACH, map.rows), map.columns, hidden])?,
            mixed: slicer.take([tile, map.columns, hidden])?,
        })
    }
}

fn jobs(geometry: &Geometry<'_>, branch: usize) -> RowJobs {
    RowJobs { blocks: RowBlocks::new(geometry.map(branch).rows, geometry.workers, REACH), row_len: geometry.row_len(branch), reach: REACH }
}

/// Bytes of scratch on `branch`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> usize {
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(geometry, branch, slicer));
    jobs(geometry, branch).scratch::<A::Wide>(geometry.workers, job)
}

/// The operators of the block.
struct MixCfn<'c> {
    norm: Operator<'c>,
    fc1: Operator<'c>,
    /// Depthwise convolutions, each over its part of the channels.
    halves: [Option<Operator<'c>>; 2],
    act: Operator<'c>,
    fc2: Operator<'c>,
    branch: usize,
}

/// The block on `x`, `[rows, columns, channels]`, in place.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, branch: usize, x: &mut [A::Wide], work: &mut [u8]) -> Result<(), Fault> {
    let between = context.geometry.network.spec.ablation().between;
    let [three, five] = between.convolves();
    let ffn = MixCfn {
        norm: context.only(OpKind::FfnNorm)?,
        fc1: context.only(OpKind::Fc1)?,
        halves: [context.unless(!three, OpKind::FfnDepthwise3)?, context.unless(!five, OpKind::FfnDepthwise5)?],
        act: context.only(OpKind::FfnAct)?,
        fc2: context.only(OpKind::Fc2)?,
        branch,
    };
    let jobs = jobs(&context.geometry, branch);
    rewrite(executor, x, jobs, work, &|range, mut block, scratch| match between {
        Between::Nothing if ABLATIONS => ffn.tokens::<A>(context, range, &mut block, scratch),
        _ => ffn.rows::<A>(context, range, &mut block, scratch),
    })?;
    context.output(x, jobs.row_len, context.geometry.map(branch).columns);
    Ok(())
}

impl MixCfn<'_> {
    /// Rows `range` of `block`.
    fn rows<A: Arithmetic>(&self, context: &StepContext<'_>, range: Range<usize>, block: &mut Block<'_, A::Wide>, scratch: &mut [u8]) -> Result<(), Fault> {
        let (map, tile) = (context.geometry.map(self.branch), context.geometry.tile);
        let (row_len, line_len) = (map.columns * self.norm.cout(), map.columns * self.fc1.cout());
        let mut slicer = ArenaSlicer::new(scratch);
        let Buffers { normed, lines, mixed } = Buffers::<A>::cut(&context.geometry, self.branch, &mut slicer)?;
        let batches = Batches { first: range.start.saturating_sub(REACH), rows: tile, origin: range.start + REACH };
        let mut lines = Ring::batched(lines, line_len, batches);
        for tile in tiles(range, tile) {
            while let Some((at, made)) = lines.next_up_to((tile.end - 1 + REACH).min(map.rows - 1)) {
                let normed = normed.part_mut(..made.len() / line_len.max(1) * row_len)?;
                for (y, out) in (at..).zip(normed.runs_mut(row_len)) {
                    A::norm(&self.norm, block.row(y)?, out)?;
                }
                context.tap_rows(&self.norm, at, map.columns, normed);
                A::product(&self.fc1, normed, Part::All, Out::Code(made))?;
                context.tap_rows(&self.fc1, at, map.columns, made);
            }
            let mixed = mixed.part_mut(..tile.len() * line_len)?;
            let mut first = 0;
            for half in self.halves.iter().flatten() {
                let kernel = usize::from(half.shape.kernel);
                let most = if A::CONVOLVES_ROWS { ring::MAX_WINDOW + 1 - kernel } else { 1 };
                for at in tile.clone().step_by(most) {
                    let count = most.min(tile.end - at) + kernel - 1;
                    let taps = lines.window_from(at, kernel / 2, count, map.rows)?;
                    self.mix::<A>(half, taps, count, map.columns, first, mixed.part_mut((at - tile.start) * line_len..)?)?;
                }
                first += half.cout();
            }
            context.tap_rows(&self.act, tile.start, map.columns, mixed);
            A::product(&self.fc2, mixed, Part::All, Out::AddWide(block.rows_mut(tile)?))?;
        }
        Ok(())
    }

    /// Rows `range` of `block` in a network without the convolutions: GELU follows the first linear
    /// layer.
    fn tokens<A: Arithmetic>(&self, context: &StepContext<'_>, range: Range<usize>, block: &mut Block<'_, A::Wide>, scratch: &mut [u8]) -> Result<(), Fault> {
        let (map, tile) = (context.geometry.map(self.branch), context.geometry.tile);
        let (row_len, line_len) = (map.columns * self.norm.cout(), map.columns * self.fc1.cout());
        let mut slicer = ArenaSlicer::new(scratch);
        let Buffers { normed, mixed, .. } = Buffers::<A>::cut(&context.geometry, self.branch, &mut slicer)?;
        for tile in tiles(range, tile) {
            let (normed, mixed) = (normed.part_mut(..tile.len() * row_len)?, mixed.part_mut(..tile.len() * line_len)?);
            for (y, out) in tile.clone().zip(normed.runs_mut(row_len)) {
                A::norm(&self.norm, block.row(y)?, out)?;
            }
            context.tap_rows(&self.norm, tile.start, map.columns, normed);
            A::product(&self.fc1, normed, Part::All, Out::Active(&mut *mixed, &self.act))?;
            context.tap_rows(&self.act, tile.start, map.columns, mixed);
            A::product(&self.fc2, mixed, Part::All, Out::AddWide(block.rows_mut(tile)?))?;
        }
        Ok(())
    }

    /// Depthwise convolution, then GELU, on one half of the channels, from `first` on. `count` rows
    /// of a window give the output rows.
    fn mix<A: Arithmetic>(
        &self,
        half: &Operator<'_>,
        mut window: [Option<&[A::Code]>; ring::MAX_WINDOW],
        count: usize,
        columns: usize,
        first: usize,
        mixed: &mut [A::Code],
    ) -> Result<(), Fault> {
        for row in window.iter_mut().flatten() {
            *row = row.part(first..)?;
        }
        let taps = window.part(..count)?;
        A::convolve(half, taps, TokenRow::even(columns, self.fc1.cout()), Out::Active(mixed.part_mut(first..)?, &self.act))
    }
}
