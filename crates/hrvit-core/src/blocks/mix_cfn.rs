//! MixCFN: `x + fc2(GELU(DW3x3 ‖ DW5x5 (fc1(norm(x)))))` (paper, equation 5). The widened map exists a tile of rows and four more at a time.

use core::ops::Range;

use hrvit_format::{Network, OpKind, Size};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part},
    error::Fault,
    operator::{Operator, StepContext},
    ring::{self, Ring},
    rows::{Block, RowBlocks, Runs, rewrite, tiles},
    schedule::Executor,
};

/// Rows of fc1's output that the depthwise 5x5 looks at on each side.
const REACH: usize = 2;

/// Bytes of scratch on `branch` for tiles of `tile` rows.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, branch: usize, workers: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let (channels, hidden) = (usize::from(network.spec.channels(branch)), usize::from(network.spec.hidden(branch)));
    let blocks = RowBlocks::new(rows, workers, REACH);
    let lines = ring::rows_for(tile, REACH, rows);
    let job = padded_bytes::<A::Code>(tile * columns * channels)
        + padded_bytes::<A::Code>(lines * columns * hidden)
        + padded_bytes::<A::Code>(tile * columns * hidden);
    padded_bytes::<A::Wide>(blocks.halo_len(columns * channels, REACH)) + blocks.at_once(workers) * job
}

/// The operators of the block.
struct MixCfn<'c> {
    norm: Operator<'c>,
    fc1: Operator<'c>,
    halves: [Operator<'c>; 2],
    act: Operator<'c>,
    fc2: Operator<'c>,
    map: (usize, usize),
}

/// The block on `x`, `[rows, columns, channels]`, in place.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, map: (usize, usize), x: &mut [A::Wide], work: &mut [u8]) -> Result<(), Fault> {
    let ffn = MixCfn {
        norm: context.only(OpKind::FfnNorm)?,
        fc1: context.only(OpKind::Fc1)?,
        halves: [context.only(OpKind::FfnDepthwise3)?, context.only(OpKind::FfnDepthwise5)?],
        act: context.only(OpKind::FfnAct)?,
        fc2: context.only(OpKind::Fc2)?,
        map,
    };
    let row_len = map.1 * ffn.norm.cout();
    let blocks = RowBlocks::new(map.0, executor.workers(), REACH);
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, mut block, scratch| ffn.rows::<A>(context, range, &mut block, scratch))?;
    context.output(x, row_len, map.1);
    Ok(())
}

impl MixCfn<'_> {
    /// Rows `range` of `block`.
    fn rows<A: Arithmetic>(&self, context: &StepContext<'_>, range: Range<usize>, block: &mut Block<'_, A::Wide>, scratch: &mut [u8]) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let tile = context.tile;
        let (row_len, line_len) = (columns * self.norm.cout(), columns * self.fc1.cout());
        let mut slicer = ArenaSlicer::new(scratch);
        let normed = slicer.take::<A::Code>(tile * row_len)?;
        let first = range.start.saturating_sub(REACH);
        let mut lines = Ring::batched(slicer.take::<A::Code>(ring::rows_for(tile, REACH, rows) * line_len)?, line_len, first, (tile, range.start + REACH));
        let mixed = slicer.take::<A::Code>(tile * line_len)?;
        for tile in tiles(range, tile) {
            while let Some((at, made)) = lines.next_up_to((tile.end - 1 + REACH).min(rows - 1)) {
                let normed = normed.get_mut(..made.len() / line_len.max(1) * row_len).ok_or(Fault)?;
                for (y, out) in (at..).zip(normed.runs_mut(row_len)) {
                    A::norm(&self.norm, block.row(y)?, out)?;
                }
                context.tap(&self.norm, (at, 0, columns), A::Code::tile(normed));
                A::product(&self.fc1, normed, Part::All, Out::Code(made))?;
                context.tap(&self.fc1, (at, 0, columns), A::Code::tile(made));
            }
            let mixed = mixed.get_mut(..tile.len() * line_len).ok_or(Fault)?;
            for (y, mixed) in tile.clone().zip(mixed.runs_mut(line_len)) {
                let mut first = 0;
                for half in &self.halves {
                    self.mix::<A>(half, &lines, y, first, mixed)?;
                    first += half.cout();
                }
            }
            context.tap(&self.act, (tile.start, 0, columns), A::Code::tile(mixed));
            A::product(&self.fc2, mixed, Part::All, Out::AddWide(block.rows_mut(tile)?))?;
        }
        Ok(())
    }

    /// One half of the channels, from `first`, of output row `y`: depthwise convolution, then GELU.
    fn mix<A: Arithmetic>(&self, half: &Operator<'_>, lines: &Ring<'_, A::Code>, y: usize, first: usize, mixed: &mut [A::Code]) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let kernel = usize::from(half.shape.kernel);
        let mut window = lines.window(y, kernel, rows)?;
        for row in window.iter_mut().flatten() {
            *row = row.get(first..).ok_or(Fault)?;
        }
        let taps = window.get(..kernel).ok_or(Fault)?;
        let out = mixed.get_mut(first..).ok_or(Fault)?;
        let hidden = self.fc1.cout();
        A::convolve(half, taps, (columns, hidden), Out::Active(out, &self.act), hidden)
    }
}
