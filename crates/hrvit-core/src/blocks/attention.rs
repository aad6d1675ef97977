//! Cross-shaped attention with its shortcuts: `x + to_out(Hardswish(strips(q, v) + DW3x3(Hardswish(v)))) + DES(x)` (paper, equations 2 to 4).
//!
//! Two passes over the map. The *vertical* pass works column by column on the second half of the channels and keeps its result, half a map. The *horizontal* pass
//! works row by row on the first half, meets the kept half, projects, and adds to the residual stream in place. q and v exist a strip at a time.

mod horizontal;
mod lines;
mod vertical;

use hrvit_format::{Network, OpKind, Size};

pub use vertical::kept_len;

use crate::{
    arithmetic::Arithmetic,
    error::Fault,
    operator::{Operator, StepContext},
    schedule::Executor,
};

/// Tokens of the longest strip on `branch`.
pub fn longest_strip(network: &Network, size: Size, branch: usize) -> usize {
    let (rows, columns) = size.map(branch);
    let window = network.spec.window(branch);
    (window.min(rows) * columns).max(window.min(columns) * rows)
}

/// Bytes of scratch on `branch` where `tile` rows or columns are projected at once, the kept half not included.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, branch: usize, workers: usize, tile: usize) -> usize {
    horizontal::scratch::<A>(network, size, branch, workers, tile).max(vertical::scratch::<A>(network, size, branch, workers, tile))
}

/// The operators that both passes share.
struct Attention<'c> {
    norm: Operator<'c>,
    qkv: Operator<'c>,
    act: Operator<'c>,
    parallel: Operator<'c>,
    scores: Operator<'c>,
    values: Operator<'c>,
    out_act: Operator<'c>,
    exp: &'c [u16],
    channels: usize,
    dim: usize,
    window: usize,
    tile: usize,
}

/// The block on `x`, `[rows, columns, channels]`, in place; `kept` has [`kept_len`] elements.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    (network, size): (&Network, Size),
    branch: u8,
    x: &mut [A::Wide],
    kept: &mut [A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let branch = usize::from(branch);
    let norm = context.only(OpKind::AttnNorm)?;
    let attention = Attention {
        norm,
        qkv: context.only(OpKind::Qkv)?,
        act: context.only(OpKind::ParallelAct)?,
        parallel: context.only(OpKind::ParallelDepthwise)?,
        scores: context.only(OpKind::Scores)?,
        values: context.only(OpKind::Values)?,
        out_act: context.only(OpKind::AttnAct)?,
        exp: context.exp,
        channels: norm.cout(),
        dim: usize::from(network.spec.attention_dim(branch)),
        window: network.spec.window(branch),
        tile: context.tile,
    };
    let map = size.map(branch);
    vertical::run::<A>(executor, &attention, map, x, kept, work)?;
    horizontal::run::<A>(context, executor, &attention, map, x, kept, work)?;
    context.output(x, map.1 * attention.channels, map.1);
    Ok(())
}
