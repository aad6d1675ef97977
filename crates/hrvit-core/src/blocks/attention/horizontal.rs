//! The first half of the channels, row by row; then projection, shortcut and residual, in place.

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Des, Epilogue, add_s16, des_s16, gemm_s8};

use super::{
    Attention,
    lines::{Half, Lines, REACH, Shape, Walk},
};
use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    rows::{Block, RowBlocks, Runs, rewrite},
    schedule::Executor,
};

fn blocks(rows: usize, window: usize, workers: usize) -> RowBlocks {
    RowBlocks::new(rows, workers, window.max(REACH))
}

/// Bytes of scratch on `branch`.
pub fn scratch(network: &Network, size: Size, branch: usize, workers: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let channels = usize::from(network.spec.channels(branch));
    let window = network.spec.window(branch);
    let shape = Shape { lines: rows, tokens: columns, channels, dim: network.spec.attention_dim(branch).into(), window };
    let blocks = blocks(rows, window, workers);
    let row = columns * channels;
    let job = region::<i8>(row) + region::<i32>(row) + region::<i16>(channels) + shape.scratch();
    region::<i16>(blocks.halo_len(row, REACH)) + blocks.jobs() * job
}

/// Rows of the map, and what turns them into the block's result.
struct Rows<'a, 'c> {
    context: &'a StepContext<'c>,
    block: Block<'a>,
    kept: &'a [i8],
    map: (usize, usize),
    channels: usize,
    row: &'a mut [i8],
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

    fn done(&mut self, l: usize, codes: &[i8]) -> Result<(), Fault> {
        let half = self.channels / 2;
        for (x, token) in self.row.runs_mut(self.channels).enumerate() {
            let far = (x * self.map.0 + l) * half;
            let near = codes.get(x * half..(x + 1) * half).ok_or(Fault)?;
            let far = self.kept.get(far..far + half).ok_or(Fault)?;
            token.iter_mut().zip(near.iter().chain(far)).for_each(|(to, from)| *to = *from);
        }
        self.context.tap(&self.out_act, (l, 0, self.map.1), TileData::S8(self.row));
        self.acc.fill(0);
        gemm_s8(&self.to_out.gemm(self.row), Epilogue::Add32 { out: self.acc })?;
        self.context.tap(&self.to_out, (l, 0, self.map.1), TileData::S32(self.acc));
        let x = self.block.row_mut(l)?;
        des_s16(&shortcut(&self.right, &self.left, x), self.hidden, self.acc)?;
        Ok(add_s16(x, self.acc)?)
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
    let &Attention { channels, dim, window, out_act, .. } = attention;
    let shape = Shape { lines: map.0, tokens: map.1, channels, dim, window };
    let row_len = map.1 * channels;
    let (to_out, right, left) = (context.only(OpKind::ToOut)?, context.only(OpKind::DesRight)?, context.only(OpKind::DesLeft)?);
    let blocks = blocks(map.0, window, executor.workers());
    rewrite(executor, x, blocks, (row_len, REACH), work, &|range, block, scratch| {
        let mut cutter = Cutter::new(scratch);
        let (row, acc, hidden) = (cutter.take(row_len)?, cutter.take(row_len)?, cutter.take(channels)?);
        let mut lines = Rows { context, block, kept, map, channels, row, acc, hidden, out_act, to_out, right, left };
        Walk::new(attention, shape, Half { first: 0, transposed: false }, range.start, &mut cutter)?.run(range, &mut lines)
    })
}
