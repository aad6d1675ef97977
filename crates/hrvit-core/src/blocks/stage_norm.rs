//! LayerNorm at the end of a stage, in place.

use hrvit_format::OpKind;

use crate::{
    arithmetic::Arithmetic,
    fault::Fault,
    operator::StepContext,
    rows::{RowBlocks, RowJobs, rewrite},
    schedule::Executor,
};

/// `x = norm(x)` on `branch`, in place. Integers then have the stage norm's own scale. `x` is
/// `[rows, columns, channels]`.
pub fn run<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, branch: usize, x: &mut [A::Wide]) -> Result<(), Fault> {
    let operator = context.only(OpKind::StageNorm)?;
    let (map, row_len) = (context.geometry.map(branch), context.geometry.row_len(branch));
    let jobs = RowJobs { blocks: RowBlocks::new(map.rows, executor.workers(), 1), row_len, reach: 0 };
    rewrite(executor, x, jobs, &mut [], &|range, mut block, _| {
        for y in range {
            A::norm_in_place(&operator, block.row_mut(y)?)?;
        }
        Ok(())
    })?;
    context.output(x, row_len, map.columns);
    Ok(())
}
