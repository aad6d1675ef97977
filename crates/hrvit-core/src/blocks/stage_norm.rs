//! LayerNorm at the end of a stage, in place.

use hrvit_format::OpKind;

use crate::{
    arithmetic::Arithmetic,
    error::Fault,
    operator::StepContext,
    rows::{RowBlocks, rewrite},
    schedule::Executor,
};

/// `x = norm(x)`, in integers in the stage norm's own scale. `x` is `[rows, columns, channels]`.
pub fn run<A: Arithmetic>(context: &StepContext<'_>, executor: &dyn Executor, (rows, columns): (usize, usize), x: &mut [A::Wide]) -> Result<(), Fault> {
    let operator = context.only(OpKind::StageNorm)?;
    let row_len = columns * operator.cout();
    let blocks = RowBlocks::new(rows, executor.workers(), 1);
    rewrite(executor, x, blocks, (row_len, 0), &mut [], &|range, mut block, _| {
        for y in range {
            A::norm_in_place(&operator, block.row_mut(y)?)?;
        }
        Ok(())
    })?;
    context.output(x, row_len, columns);
    Ok(())
}
