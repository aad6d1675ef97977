//! Patch embedding: `LN(DW3x3(PW(f)))`, the residual stream's first value (paper, section 3.1).

use core::ops::Range;

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::Epilogue;

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::{self, Ring},
    rows::{Block, RowBlocks, Runs, bytes_of, copy_run, rewrite, tiles},
    schedule::Executor,
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;
/// Rows that a job looks at beyond its own.
pub const REACH: usize = ROWS / 2;

/// Bytes of line buffers of one job on `branch` that reads `cin` channels and makes tiles of `tile` rows.
pub fn job_scratch(network: &Network, size: Size, branch: usize, cin: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    region::<i8>(tile * columns * cin) + region::<i8>(ring::rows_for(tile, REACH, rows) * columns * usize::from(network.spec.channels(branch)))
}

/// Bytes of scratch on `branch` of `module` for tiles of `tile` rows.
pub fn scratch(network: &Network, size: Size, (module, branch): (u8, u8), workers: usize, tile: usize) -> usize {
    let cin = usize::from(network.spec.fused_channels(module.into(), branch.into()));
    let branch = usize::from(branch);
    let (rows, columns) = size.map(branch);
    let blocks = RowBlocks::new(rows, workers, 1);
    let halo = blocks.halo_len(columns * usize::from(network.spec.channels(branch)), REACH);
    region::<i16>(halo) + blocks.at_once(workers) * job_scratch(network, size, branch, cin, tile)
}

/// Writes row `y` of the embedding's input, s8.
pub type Feed<'f> = dyn FnMut(&Block<'_>, usize, &mut [i8]) -> Result<(), Fault> + 'f;

/// The three operators with their line buffer; fed row by row, so that the stem can hand over rows that are never a whole map.
pub struct PatchEmbed<'a, 'c> {
    context: &'a StepContext<'c>,
    pointwise: Operator<'c>,
    depthwise: Operator<'c>,
    norm: Operator<'c>,
    fed: &'a mut [i8],
    ring: Ring<'a, i8>,
    rows: usize,
    columns: usize,
}

impl<'a, 'c> PatchEmbed<'a, 'c> {
    /// For output rows from `first` on; takes its line buffers from `cutter`.
    pub fn new(context: &'a StepContext<'c>, (rows, columns): (usize, usize), first: usize, cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let pointwise = context.only(OpKind::EmbedPointwise)?;
        let (depthwise, norm) = (context.only(OpKind::EmbedDepthwise)?, context.only(OpKind::EmbedNorm)?);
        let (row_len, tile) = (columns * pointwise.cout(), context.tile);
        let fed = cutter.take(tile * columns * usize::from(pointwise.shape.cin))?;
        let lines = cutter.take(ring::rows_for(tile, REACH, rows) * row_len)?;
        let ring = Ring::batched(lines, row_len, first.saturating_sub(REACH), (tile, first + REACH));
        Ok(Self { context, pointwise, depthwise, norm, fed, ring, rows, columns })
    }

    /// Writes the rows `range` of `block`; `feed` is asked for input rows in order, each once.
    pub fn run(mut self, block: &mut Block<'_>, range: Range<usize>, feed: &mut Feed<'_>) -> Result<(), Fault> {
        for tile in tiles(range, self.context.tile) {
            self.fill(block, (tile.end - 1 + REACH).min(self.rows - 1), feed)?;
            for y in tile {
                let window = self.ring.window(y, ROWS, self.rows)?;
                let taps = window.get(..ROWS).ok_or(Fault)?;
                let x = block.row_mut(y)?;
                self.depthwise.convolve(taps, (self.columns, self.pointwise.cout()), Epilogue::Store16 { out: &mut *x }, self.pointwise.cout())?;
                self.context.tap(&self.depthwise, (y, 0, self.columns), TileData::S16(x));
                self.context.kernels.layernorm_s16_in_place(x, &self.norm.norm())?;
            }
        }
        Ok(())
    }

    /// Makes the rows of the 1x1 convolution up to `last`.
    fn fill(&mut self, block: &Block<'_>, last: usize, feed: &mut Feed<'_>) -> Result<(), Fault> {
        let (row_len, line_len) = (self.columns * usize::from(self.pointwise.shape.cin), self.columns * self.pointwise.cout());
        while let Some((at, made)) = self.ring.next_up_to(last) {
            let fed = self.fed.get_mut(..made.len() / line_len.max(1) * row_len).ok_or(Fault)?;
            for (y, row) in (at..).zip(fed.runs_mut(row_len)) {
                feed(block, y, row)?;
            }
            self.pointwise.product(fed, self.pointwise.store8(made))?;
            self.context.tap(&self.pointwise, (at, 0, self.columns), TileData::S8(made));
        }
        Ok(())
    }
}

/// Patch embedding in place: each row of `x` holds a row of the fusion's output in its upper half, and then a row of the residual stream.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run(context: &StepContext<'_>, executor: &dyn Executor, map: (usize, usize), x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let row_len = map.1 * context.only(OpKind::EmbedNorm)?.cout();
    let blocks = RowBlocks::new(map.0, executor.workers(), 1);
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, mut block, scratch| {
        let mut cutter = Cutter::new(scratch);
        let embed = PatchEmbed::new(context, map, range.start, &mut cutter)?;
        embed.run(&mut block, range, &mut |block, y, out| {
            let fused = bytes_of(block.row(y)?).get(row_len..).ok_or(Fault)?;
            copy_run(fused, out);
            Ok(())
        })
    })?;
    context.output(x, row_len, map.1);
    Ok(())
}
