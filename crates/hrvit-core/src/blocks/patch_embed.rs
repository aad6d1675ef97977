//! Patch embedding: `LN(DW3x3(PW(f)))`, the residual stream's first value (paper, section 3.1).

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Epilogue, depthwise_s8, gemm_s8, layernorm_s16_in_place};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::Ring,
    rows::{Block, RowBlocks, bytes_of, rewrite},
    schedule::Executor,
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;
/// Rows that a job looks at beyond its own.
pub const REACH: usize = ROWS / 2;

/// Bytes of line buffers of one job on `branch`.
pub fn job_scratch(network: &Network, size: Size, branch: usize) -> usize {
    let (rows, columns) = size.map(branch);
    region::<i8>(ROWS.min(rows) * columns * usize::from(network.spec.channels(branch)))
}

/// Bytes of scratch on `branch`.
pub fn scratch(network: &Network, size: Size, branch: usize, workers: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let blocks = RowBlocks::new(rows, workers, 1);
    let halo = blocks.halo_len(columns * usize::from(network.spec.channels(branch)), REACH);
    region::<i16>(halo) + blocks.jobs() * job_scratch(network, size, branch)
}

/// Takes one row of the embedding's input.
pub type Make<'m> = dyn FnMut(&[i8]) -> Result<(), Fault> + 'm;

/// Calls the given function with row `y` of the embedding's input, s8.
pub type Feed<'f> = dyn FnMut(&Block<'_>, usize, &mut Make<'_>) -> Result<(), Fault> + 'f;

/// The three operators with their line buffer; fed row by row, so that the stem can hand over rows that are never a whole map.
pub struct PatchEmbed<'a, 'c> {
    context: &'a StepContext<'c>,
    pointwise: Operator<'c>,
    depthwise: Operator<'c>,
    norm: Operator<'c>,
    ring: Ring<'a, i8>,
    rows: usize,
    columns: usize,
}

impl<'a, 'c> PatchEmbed<'a, 'c> {
    /// For output rows from `first` on; takes its line buffer from `cutter`.
    pub fn new(context: &'a StepContext<'c>, (rows, columns): (usize, usize), first: usize, cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let pointwise = context.only(OpKind::EmbedPointwise)?;
        let row_len = columns * pointwise.cout();
        let ring = Ring::new(cutter.take(ROWS.min(rows) * row_len)?, row_len, first.saturating_sub(REACH));
        Ok(Self { context, pointwise, depthwise: context.only(OpKind::EmbedDepthwise)?, norm: context.only(OpKind::EmbedNorm)?, ring, rows, columns })
    }

    /// Writes the rows `range` of `block`; `feed` is asked for input rows in order, each once.
    pub fn run(mut self, block: &mut Block<'_>, range: core::ops::Range<usize>, feed: &mut Feed<'_>) -> Result<(), Fault> {
        for y in range {
            while let Some((at, out)) = self.ring.next_up_to((y + REACH).min(self.rows - 1)) {
                feed(block, at, &mut |row| Ok(gemm_s8(&self.pointwise.gemm(row), self.pointwise.store8(out))?))?;
                self.context.tap(&self.pointwise, (at, 0, self.columns), TileData::S8(out));
            }
            let window = self.ring.window(y, ROWS, self.rows)?;
            let taps = window.get(..ROWS).ok_or(Fault)?;
            let x = block.row_mut(y)?;
            depthwise_s8(&self.depthwise.depthwise(taps, self.pointwise.cout(), self.columns), Epilogue::Store16 { out: x }, self.pointwise.cout())?;
            self.context.tap(&self.depthwise, (y, 0, self.columns), TileData::S16(x));
            layernorm_s16_in_place(x, &self.norm.norm())?;
        }
        Ok(())
    }
}

/// Patch embedding in place: each row of `x` holds a row of the fusion's output in its upper half, and then a row of the residual stream.
pub fn run(context: &StepContext<'_>, executor: &dyn Executor, map: (usize, usize), x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let row_len = map.1 * context.only(OpKind::EmbedNorm)?.cout();
    let blocks = RowBlocks::new(map.0, executor.workers(), 1);
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, mut block, scratch| {
        let embed = PatchEmbed::new(context, map, range.start, &mut Cutter::new(scratch))?;
        embed.run(&mut block, range, &mut |block, y, make| make(bytes_of(block.row(y)?).get(row_len..).ok_or(Fault)?))
    })?;
    context.output(x, row_len, map.1);
    Ok(())
}
