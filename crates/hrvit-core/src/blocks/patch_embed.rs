//! Patch embedding: `LN(DW3x3(PW(f)))`, the residual stream's first value (paper, section 3.1).

use core::ops::Range;

use hrvit_format::{Network, OpKind, Size};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part, codes_of},
    error::Fault,
    operator::{Operator, StepContext},
    ring::{self, Ring},
    rows::{Block, RowBlocks, Runs, copy_run, rewrite, tiles},
    schedule::Executor,
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;
/// Rows that a job looks at beyond its own.
pub const REACH: usize = ROWS / 2;

/// Bytes of line buffers of one job on `branch` that reads `cin` channels and makes tiles of `tile` rows.
pub fn job_scratch<A: Arithmetic>(network: &Network, size: Size, branch: usize, cin: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    padded_bytes::<A::Code>(tile * columns * cin)
        + padded_bytes::<A::Code>(ring::rows_for(tile, REACH, rows) * columns * usize::from(network.spec.channels(branch)))
}

/// Bytes of scratch on `branch` of `module` for tiles of `tile` rows.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, (module, branch): (u8, u8), workers: usize, tile: usize) -> usize {
    let cin = usize::from(network.spec.fused_channels(module.into(), branch.into()));
    let branch = usize::from(branch);
    let (rows, columns) = size.map(branch);
    let blocks = RowBlocks::new(rows, workers, 1);
    let halo = blocks.halo_len(columns * usize::from(network.spec.channels(branch)), reach::<A>());
    padded_bytes::<A::Wide>(halo) + blocks.at_once(workers) * job_scratch::<A>(network, size, branch, cin, tile)
}

/// Rows beyond its own that a job needs as they were: none where the fusion's output is a map of its own.
fn reach<A: Arithmetic>() -> usize {
    if A::PAIRED { REACH } else { 0 }
}

/// Writes row `y` of the embedding's input.
pub type Feed<'f, A> = dyn FnMut(&Block<'_, <A as Arithmetic>::Wide>, usize, &mut [<A as Arithmetic>::Code]) -> Result<(), Fault> + 'f;

/// The three operators with their line buffer; fed row by row, so that the stem can hand over rows that are never a whole map.
pub struct PatchEmbed<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    pointwise: Operator<'c>,
    depthwise: Operator<'c>,
    norm: Operator<'c>,
    fed: &'a mut [A::Code],
    ring: Ring<'a, A::Code>,
    rows: usize,
    columns: usize,
}

impl<'a, 'c, A: Arithmetic> PatchEmbed<'a, 'c, A> {
    /// For output rows from `first` on; takes its line buffers from `slicer`.
    pub fn new(context: &'a StepContext<'c>, (rows, columns): (usize, usize), first: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let pointwise = context.only(OpKind::EmbedPointwise)?;
        let (depthwise, norm) = (context.only(OpKind::EmbedDepthwise)?, context.only(OpKind::EmbedNorm)?);
        let (row_len, tile) = (columns * pointwise.cout(), context.tile);
        let fed = slicer.take(tile * columns * usize::from(pointwise.shape.cin))?;
        let lines = slicer.take(ring::rows_for(tile, REACH, rows) * row_len)?;
        let ring = Ring::batched(lines, row_len, first.saturating_sub(REACH), (tile, first + REACH));
        Ok(Self { context, pointwise, depthwise, norm, fed, ring, rows, columns })
    }

    /// Writes the rows `range` of `block`; `feed` is asked for input rows in order, each once.
    pub fn run(mut self, block: &mut Block<'_, A::Wide>, range: Range<usize>, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        for tile in tiles(range, self.context.tile) {
            self.fill(block, (tile.end - 1 + REACH).min(self.rows - 1), feed)?;
            for y in tile {
                let window = self.ring.window(y, ROWS, self.rows)?;
                let taps = window.get(..ROWS).ok_or(Fault)?;
                let x = block.row_mut(y)?;
                A::convolve(&self.depthwise, taps, (self.columns, self.pointwise.cout()), Out::Wide(x), self.pointwise.cout())?;
                self.context.tap(&self.depthwise, (y, 0, self.columns), A::Wide::tile(x));
                A::norm_in_place(&self.norm, x)?;
            }
        }
        Ok(())
    }

    /// Makes the rows of the 1x1 convolution up to `last`.
    fn fill(&mut self, block: &Block<'_, A::Wide>, last: usize, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        let (row_len, line_len) = (self.columns * usize::from(self.pointwise.shape.cin), self.columns * self.pointwise.cout());
        while let Some((at, made)) = self.ring.next_up_to(last) {
            let fed = self.fed.get_mut(..made.len() / line_len.max(1) * row_len).ok_or(Fault)?;
            for (y, row) in (at..).zip(fed.runs_mut(row_len)) {
                feed(block, y, row)?;
            }
            A::product(&self.pointwise, fed, Part::All, Out::Code(made))?;
            self.context.tap(&self.pointwise, (at, 0, self.columns), A::Code::tile(made));
        }
        Ok(())
    }
}

/// Patch embedding of the fusion's output to the residual stream in `x`. Where fusions leave pairs, each row of `x` holds a row of the output in its upper half;
/// else the output is `fused`.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    map: (usize, usize),
    x: &mut [A::Wide],
    fused: &[A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let row_len = map.1 * context.only(OpKind::EmbedNorm)?.cout();
    let blocks = RowBlocks::new(map.0, executor.workers(), 1);
    rewrite(executor, x, blocks, (row_len, reach::<A>()), work, &|range, mut block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let embed = PatchEmbed::<A>::new(context, map, range.start, &mut slicer)?;
        embed.run(&mut block, range, &mut |block, y, out| {
            let row = if A::PAIRED { codes_of::<A>(block.row(y)?)?.get(row_len..) } else { fused.get(y * row_len..(y + 1) * row_len) };
            copy_run(row.ok_or(Fault)?, out);
            Ok(())
        })
    })?;
    context.output(x, row_len, map.1);
    Ok(())
}
