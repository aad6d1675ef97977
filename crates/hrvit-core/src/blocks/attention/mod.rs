//! Cross-shaped attention with its shortcuts:
//! `x + to_out(Hardswish(strips(q, v) + DW3x3(Hardswish(v)))) + DES(x)` (paper, equations 3 to 5).
//!
//! Two passes over the map. The *vertical* pass works column by column on the second half of the
//! channels and keeps its result, half a map. The *horizontal* pass works row by row on the first
//! half. It joins the kept half, projects, and adds to the residual stream in place. q and v exist
//! a strip at a time.

mod horizontal;
mod lines;
mod vertical;

pub use vertical::{kept, kept_len};

use crate::{arithmetic::Arithmetic, fault::Fault, geometry::Geometry, operator::StepContext, schedule::Executor};

/// Tokens of the longest strip on `branch`.
pub fn longest_strip(geometry: &Geometry<'_>, branch: usize) -> usize {
    let (map, window) = (geometry.map(branch), geometry.network.spec.window(branch));
    (window.min(map.rows) * map.columns).max(window.min(map.columns) * map.rows)
}

/// Bytes of scratch on `branch`, the kept half not included.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> usize {
    horizontal::scratch::<A>(geometry, branch).max(vertical::scratch::<A>(geometry, branch))
}

/// The block on `x` of `branch`, `[rows, columns, channels]`, in place; `kept` has [`kept_len`]
/// elements.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    branch: usize,
    x: &mut [A::Wide],
    kept: &mut [A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let attention = lines::Attention::of(context)?;
    vertical::run::<A>(context, executor, &attention, branch, x, kept, work)?;
    horizontal::run::<A>(context, executor, &attention, branch, x, kept, work)?;
    context.output(x, context.geometry.row_len(branch), context.geometry.map(branch).columns);
    Ok(())
}
