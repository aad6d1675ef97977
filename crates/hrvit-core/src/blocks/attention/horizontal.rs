//! The first half of the channels, row by row; then projection, shortcut and residual, in place.

use core::ops::Range;

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Des, Epilogue};

use super::{
    Attention,
    lines::{Half, Lines, REACH, Shape, Walk},
};
use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    rows::{Block, RowBlocks, Runs, copy_run, rewrite},
    schedule::Executor,
};

fn blocks(rows: usize, window: usize, workers: usize) -> RowBlocks {
    RowBlocks::strips(rows, window.max(REACH), workers)
}

/// Bytes of scratch on `branch` where `tile` rows are projected at once.
pub fn scratch(network: &Network, size: Size, branch: usize, workers: usize, tile: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let channels = usize::from(network.spec.channels(branch));
    let window = network.spec.window(branch);
    let shape = Shape { lines: rows, tokens: columns, channels, dim: network.spec.attention_dim(branch).into(), window, tile };
    let blocks = blocks(rows, window, workers);
    let row = columns * channels;
    let job = region::<i8>(tile * row) + region::<i32>(tile * row) + region::<i16>(channels) + shape.scratch();
    region::<i16>(blocks.halo_len(row, REACH)) + blocks.at_once(workers) * job
}

/// Rows of the map, and what turns them into the block's result.
struct Rows<'a, 'c> {
    context: &'a StepContext<'c>,
    block: Block<'a>,
    kept: &'a [i8],
    map: (usize, usize),
    channels: usize,
    /// Rows of both halves that wait for the projection.
    waiting: Range<usize>,
    tile: usize,
    codes: &'a mut [i8],
    acc: &'a mut [i32],
    hidden: &'a mut [i16],
    out_act: Operator<'c>,
    to_out: Operator<'c>,
    right: Operator<'c>,
    left: Operator<'c>,
}

impl Lines for Rows<'_, '_> {
    fn tokens(&mut self, l: usize) -> Result<&[i16], Fault> {
        self.block.row(l)
    }

    fn done(&mut self, l: usize, codes: &[i8], last: bool) -> Result<(), Fault> {
        let (half, row_len) = (self.channels / 2, self.map.1 * self.channels);
        if self.waiting.is_empty() {
            self.waiting = l..l;
        }
        let slot = self.waiting.len() * row_len;
        let row = self.codes.get_mut(slot..slot + row_len).ok_or(Fault)?;
        for (x, token) in row.runs_mut(self.channels).enumerate() {
            let far = (x * self.map.0 + l) * half;
            let near = codes.get(x * half..(x + 1) * half).ok_or(Fault)?;
            let far = self.kept.get(far..far + half).ok_or(Fault)?;
            let (to_near, to_far) = token.split_at_mut_checked(half).ok_or(Fault)?;
            copy_run(near, to_near);
            copy_run(far, to_far);
        }
        self.waiting.end = l + 1;
        if last || self.waiting.len() == self.tile { self.project() } else { Ok(()) }
    }
}

impl Rows<'_, '_> {
    /// Projection, shortcut and residual of the rows that wait.
    fn project(&mut self) -> Result<(), Fault> {
        let rows = core::mem::take(&mut self.waiting);
        let len = rows.len() * self.map.1 * self.channels;
        let (codes, acc) = (self.codes.get(..len).ok_or(Fault)?, self.acc.get_mut(..len).ok_or(Fault)?);
        self.context.tap(&self.out_act, (rows.start, 0, self.map.1), TileData::S8(codes));
        acc.fill(0);
        self.to_out.product(codes, Epilogue::Add32 { out: &mut *acc })?;
        self.context.tap(&self.to_out, (rows.start, 0, self.map.1), TileData::S32(acc));
        let x = self.block.rows_mut(rows)?;
        self.context.kernels.des_s16(&shortcut(&self.right, &self.left, x), self.hidden, acc)?;
        Ok(self.context.kernels.add_s16(x, acc)?)
    }
}

/// The diversity-enhancing shortcut of a row of tokens.
fn shortcut<'k>(right: &Operator<'k>, left: &Operator<'k>, x: &'k [i16]) -> Des<'k> {
    Des {
        x,
        k: left.cout(),
        p: right.cout(),
        right: right.params.weights,
        right_bias: right.params.bias,
        right_requant: right.requant(),
        zero: right.zero(),
        table: right.params.table16,
        left: left.params.weights,
        left_bias: left.params.bias,
        left_requant: left.requant(),
    }
}

/// The pass over `x`, `[rows, columns, channels]`, with the other half's result in `kept`.
pub fn run(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    attention: &Attention<'_>,
    map: (usize, usize),
    x: &mut [i16],
    kept: &[i8],
    work: &mut [u8],
) -> Result<(), Fault> {
    let &Attention { channels, dim, window, tile, out_act, .. } = attention;
    let shape = Shape { lines: map.0, tokens: map.1, channels, dim, window, tile };
    let row_len = map.1 * channels;
    let (to_out, right, left) = (context.only(OpKind::ToOut)?, context.only(OpKind::DesRight)?, context.only(OpKind::DesLeft)?);
    let blocks = blocks(map.0, window, executor.workers());
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, block, scratch| {
        let mut cutter = Cutter::new(scratch);
        let (codes, acc, hidden) = (cutter.take(tile * row_len)?, cutter.take(tile * row_len)?, cutter.take(channels)?);
        let mut lines = Rows { context, block, kept, map, channels, waiting: 0..0, tile, codes, acc, hidden, out_act, to_out, right, left };
        Walk::new(attention, shape, Half { first: 0, transposed: false }, range.start, &mut cutter)?.run(range, &mut lines)
    })
}
