//! Patch embedding: `LN(DW3x3(PW(f)))`, the residual stream's first value (paper, equation 6).

use core::ops::Range;

use hrvit_format::OpKind;

use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    fault::Fault,
    geometry::{Geometry, MapSize, Place},
    operator::{Operator, StepContext, TokenRow},
    ring::{self, Batches, Ring},
    rows::{Block, RowBlocks, RowJobs, rewrite, tiles},
    schedule::Executor,
    slices::{Slices, cast, copy_run},
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;
/// Rows that a job looks at beyond its own.
pub const REACH: usize = ROWS / 2;

/// Line buffers of one job.
pub struct Buffers<'a, A: Arithmetic> {
    /// A tile of input rows.
    fed: &'a mut [A::Code],
    /// Rows of the 1x1 convolution's output.
    lines: &'a mut [A::Code],
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    /// Buffers on `branch` where the input has `cin` channels.
    pub fn cut(geometry: &Geometry<'_>, branch: usize, cin: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (MapSize { rows, columns }, tile) = (geometry.map(branch), geometry.tile);
        Ok(Self { fed: slicer.take([tile, columns, cin])?, lines: slicer.take([ring::rows_for(tile, REACH, rows), columns, geometry.channels(branch)])? })
    }
}

fn jobs<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> RowJobs {
    // Nobody needs the rows of others as they were where the fusion's output is a map of its own.
    let reach = if A::PAIRED { REACH } else { 0 };
    RowJobs { blocks: RowBlocks::new(geometry.map(branch).rows, geometry.workers, 1), row_len: geometry.row_len(branch), reach }
}

/// Bytes of scratch at `place`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, Place { module, branch }: Place) -> usize {
    let cin = geometry.network.spec.fused_channels(module.into(), branch.into());
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(geometry, branch.into(), cin.into(), slicer));
    jobs::<A>(geometry, branch.into()).scratch::<A::Wide>(geometry.workers, job)
}

/// Writes row `y` of the embedding's input.
pub type Feed<'f, A> = dyn FnMut(&Block<'_, <A as Arithmetic>::Wide>, usize, &mut [<A as Arithmetic>::Code]) -> Result<(), Fault> + 'f;

/// The three operators with their line buffer; fed row by row, so that the stem can hand over rows
/// that are never a whole map.
pub struct PatchEmbed<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    pointwise: Operator<'c>,
    depthwise: Operator<'c>,
    norm: Operator<'c>,
    fed: &'a mut [A::Code],
    ring: Ring<'a, A::Code>,
    map: MapSize,
}

impl<'a, 'c, A: Arithmetic> PatchEmbed<'a, 'c, A> {
    /// For output rows from `first` on.
    pub fn new(context: &'a StepContext<'c>, map: MapSize, first: usize, Buffers { fed, lines }: Buffers<'a, A>) -> Result<Self, Fault> {
        let pointwise = context.only(OpKind::EmbedPointwise)?;
        let (depthwise, norm) = (context.only(OpKind::EmbedDepthwise)?, context.only(OpKind::EmbedNorm)?);
        let batches = Batches { first: first.saturating_sub(REACH), rows: context.geometry.tile, origin: first + REACH };
        let ring = Ring::batched(lines, map.columns * pointwise.cout(), batches);
        Ok(Self { context, pointwise, depthwise, norm, fed, ring, map })
    }

    /// Writes the rows `range` of `block`; `feed` is asked for input rows in order, each once.
    pub fn run(mut self, block: &mut Block<'_, A::Wide>, range: Range<usize>, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        let MapSize { rows, columns } = self.map;
        for tile in tiles(range, self.context.geometry.tile) {
            self.fill(block, (tile.end - 1 + REACH).min(rows - 1), feed)?;
            for y in tile {
                let window = self.ring.window(y, ROWS, rows)?;
                let x = block.row_mut(y)?;
                A::convolve(&self.depthwise, window.part(..ROWS)?, TokenRow::even(columns, self.pointwise.cout()), Out::Wide(x))?;
                self.context.tap_rows(&self.depthwise, y, columns, x);
                A::norm_in_place(&self.norm, x)?;
            }
        }
        Ok(())
    }

    /// Makes the rows of the 1x1 convolution up to `last`.
    fn fill(&mut self, block: &Block<'_, A::Wide>, last: usize, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        let columns = self.map.columns;
        let (row_len, line_len) = (columns * usize::from(self.pointwise.shape.cin), columns * self.pointwise.cout());
        while let Some((at, made)) = self.ring.next_up_to(last) {
            let fed = self.fed.part_mut(..made.len() / line_len.max(1) * row_len)?;
            for (y, row) in (at..).zip(fed.runs_mut(row_len)) {
                feed(block, y, row)?;
            }
            A::product(&self.pointwise, fed, Part::All, Out::Code(made))?;
            self.context.tap_rows(&self.pointwise, at, columns, made);
        }
        Ok(())
    }
}

/// Patch embedding of the fusion's output to the residual stream in `x` of `branch`. If fusions
/// leave pairs, each row of `x` holds a row of the output in its upper half; else the output is
/// `fused`.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    branch: usize,
    x: &mut [A::Wide],
    fused: &[A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (geometry, map) = (&context.geometry, context.geometry.map(branch));
    let cin = usize::from(context.only(OpKind::EmbedPointwise)?.shape.cin);
    let jobs = jobs::<A>(geometry, branch);
    let row_len = jobs.row_len;
    rewrite(executor, x, jobs, work, &|range, mut block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let buffers = Buffers::<A>::cut(geometry, branch, cin, &mut slicer)?;
        PatchEmbed::new(context, map, range.start, buffers)?.run(&mut block, range, &mut |block, y, out| {
            let row = if A::PAIRED { cast(block.row(y)?)?.part(row_len..)? } else { fused.row(y, row_len)? };
            copy_run(row, out);
            Ok(())
        })
    })?;
    context.output(x, row_len, map.columns);
    Ok(())
}
