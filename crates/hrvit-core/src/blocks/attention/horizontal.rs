//! The first half of the channels, row by row; then projection, shortcut and residual, in place.

use core::ops::Range;

use hrvit_format::{Network, OpKind, Size};

use super::{
    Attention,
    lines::{Half, Lines, REACH, Shape, Walk},
};
use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part, Shortcut, clear},
    error::Fault,
    operator::{Operator, StepContext},
    rows::{Block, RowBlocks, copy_strided, rewrite},
    schedule::Executor,
};

fn blocks(rows: usize, window: usize, workers: usize) -> RowBlocks {
    RowBlocks::strips(rows, window.max(REACH), workers)
}

/// Bytes of scratch on `branch` where `tile` rows are projected at once.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, branch: usize, workers: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let channels = usize::from(network.spec.channels(branch));
    let window = network.spec.window(branch);
    let shape = Shape { lines: rows, tokens: columns, channels, dim: network.spec.attention_dim(branch).into(), window, tile };
    let blocks = blocks(rows, window, workers);
    let row = columns * channels;
    let job = padded_bytes::<A::Code>(tile * row) + padded_bytes::<A::Sum>(tile * row) + padded_bytes::<A::Hidden>(channels) + shape.scratch::<A>();
    padded_bytes::<A::Wide>(blocks.halo_len(row, REACH)) + blocks.at_once(workers) * job
}

/// Rows of the map, and what turns them into the block's result.
struct Rows<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    block: Block<'a, A::Wide>,
    kept: &'a [A::Code],
    map: (usize, usize),
    channels: usize,
    /// Rows of both halves that wait for the projection.
    waiting: Range<usize>,
    tile: usize,
    codes: &'a mut [A::Code],
    acc: &'a mut [A::Sum],
    hidden: &'a mut [A::Hidden],
    out_act: Operator<'c>,
    to_out: Operator<'c>,
    shortcut: Shortcut<'c>,
}

impl<A: Arithmetic> Lines<A> for Rows<'_, '_, A> {
    fn tokens(&mut self, l: usize) -> Result<&[A::Wide], Fault> {
        self.block.row(l)
    }

    fn done(&mut self, l: usize, codes: &[A::Code], last: bool) -> Result<(), Fault> {
        let (half, row_len) = (self.channels / 2, self.map.1 * self.channels);
        if self.waiting.is_empty() {
            self.waiting = l..l;
        }
        let slot = self.waiting.len() * row_len;
        let row = self.codes.get_mut(slot..slot + row_len).ok_or(Fault)?;
        copy_strided((codes, half), (row, self.channels), half)?;
        copy_strided((self.kept.get(l * half..).ok_or(Fault)?, self.map.0 * half), (row.get_mut(half..).ok_or(Fault)?, self.channels), half)?;
        self.waiting.end = l + 1;
        if last || self.waiting.len() == self.tile { self.project() } else { Ok(()) }
    }
}

impl<A: Arithmetic> Rows<'_, '_, A> {
    /// Projection, shortcut and residual of the rows that wait.
    fn project(&mut self) -> Result<(), Fault> {
        let rows = core::mem::take(&mut self.waiting);
        let len = rows.len() * self.map.1 * self.channels;
        let (codes, acc) = (self.codes.get(..len).ok_or(Fault)?, self.acc.get_mut(..len).ok_or(Fault)?);
        self.context.tap(&self.out_act, (rows.start, 0, self.map.1), A::Code::tile(codes));
        clear(acc);
        A::product(&self.to_out, codes, Part::All, Out::AddSum(acc))?;
        self.context.tap(&self.to_out, (rows.start, 0, self.map.1), A::Sum::tile(acc));
        let x = self.block.rows_mut(rows)?;
        A::add_shortcut(&self.shortcut, x, self.hidden, acc)?;
        A::add_stream(self.context.kernels, x, acc)
    }
}

/// The pass over `x`, `[rows, columns, channels]`, with the other half's result in `kept`.
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    attention: &Attention<'_>,
    map: (usize, usize),
    x: &mut [A::Wide],
    kept: &[A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let &Attention { channels, dim, window, tile, out_act, .. } = attention;
    let shape = Shape { lines: map.0, tokens: map.1, channels, dim, window, tile };
    let row_len = map.1 * channels;
    let to_out = context.only(OpKind::ToOut)?;
    let shortcut = Shortcut { right: context.only(OpKind::DesRight)?, left: context.only(OpKind::DesLeft)?, activation: context.des_activation };
    let blocks = blocks(map.0, window, executor.workers());
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let (codes, acc, hidden) = (slicer.take(tile * row_len)?, slicer.take(tile * row_len)?, slicer.take(channels)?);
        let mut lines = Rows::<A> { context, block, kept, map, channels, waiting: 0..0, tile, codes, acc, hidden, out_act, to_out, shortcut };
        Walk::<A>::new(attention, shape, Half { first: 0, transposed: false }, range.start, &mut slicer)?.run(range, &mut lines)
    })
}
