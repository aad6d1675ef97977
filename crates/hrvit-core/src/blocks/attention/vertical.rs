//! The second half of the channels, column by column: reads the residual stream, keeps its result.

use hrvit_format::{Network, Size};
use hrvit_kernels::Tiles;

use super::{
    Attention,
    lines::{Half, Lines, REACH, Shape, Walk},
};
use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::Arithmetic,
    error::Fault,
    rows::{RowBlocks, copy_run, copy_strided, run_jobs},
    schedule::Executor,
};

/// Elements of the result that is kept for the horizontal pass, `[columns, rows, channels / 2]`.
pub fn kept_len(network: &Network, size: Size, branch: usize) -> usize {
    network.spec.map_len(size, branch) / 2
}

fn blocks(columns: usize, window: usize, workers: usize) -> RowBlocks {
    RowBlocks::strips(columns, window.max(REACH), workers)
}

/// Bytes of scratch on `branch` where `tile` columns are projected at once.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, branch: usize, workers: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let channels = usize::from(network.spec.channels(branch));
    let window = network.spec.window(branch);
    let shape = Shape { lines: columns, tokens: rows, channels, dim: network.spec.attention_dim(branch).into(), window, tile };
    blocks(columns, window, workers).at_once(workers) * (padded_bytes::<A::Wide>(rows * channels) + shape.scratch::<A>())
}

/// Columns of the map.
struct Columns<'a, A: Arithmetic> {
    x: &'a [A::Wide],
    columns: usize,
    channels: usize,
    buffer: &'a mut [A::Wide],
    kept: &'a mut [A::Code],
    first: usize,
}

impl<A: Arithmetic> Lines<A> for Columns<'_, A> {
    fn tokens(&mut self, l: usize) -> Result<&[A::Wide], Fault> {
        let column = self.x.get(l * self.channels..).ok_or(Fault)?;
        copy_strided((column, self.columns * self.channels), (self.buffer, self.channels), self.channels)?;
        Ok(self.buffer)
    }

    fn done(&mut self, l: usize, codes: &[A::Code], _last: bool) -> Result<(), Fault> {
        let at = (l - self.first) * codes.len();
        let kept = self.kept.get_mut(at..at + codes.len()).ok_or(Fault)?;
        copy_run(codes, kept);
        Ok(())
    }
}

/// The pass over `x`, `[rows, columns, channels]`.
pub fn run<A: Arithmetic>(
    executor: &dyn Executor,
    attention: &Attention<'_>,
    (rows, columns): (usize, usize),
    x: &[A::Wide],
    kept: &mut [A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let &Attention { channels, dim, window, tile, .. } = attention;
    let shape = Shape { lines: columns, tokens: rows, channels, dim, window, tile };
    let blocks = blocks(columns, window, executor.workers());
    let tiles = Tiles::new(kept, blocks.tallest() * rows * channels / 2);
    run_jobs(executor, blocks.jobs(), work, &|job, scratch| {
        let range = blocks.range(job);
        let mut slicer = ArenaSlicer::new(scratch);
        let buffer = slicer.take(rows * channels)?;
        let mut lines = Columns::<A> { x, columns, channels, buffer, kept: tiles.claim(job).ok_or(Fault)?, first: range.start };
        let half = Half { first: channels / 2, transposed: true };
        Walk::<A>::new(attention, shape, half, range.start, &mut slicer)?.run(range, &mut lines)
    })
}
