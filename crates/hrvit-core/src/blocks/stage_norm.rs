//! LayerNorm at the end of a stage, in place.

use hrvit_format::OpKind;
use hrvit_kernels::{Tiles, layernorm_s16_in_place};

use crate::{error::Fault, observe::TileData, operator::StepContext, schedule::Executor};

/// Rows of a stage norm that one job does.
const ROWS_PER_JOB: usize = 8;

/// `x = norm(x)`, s16 in the stage norm's own scale. `x` is `[rows, columns, channels]`.
pub fn run(context: &StepContext<'_>, executor: &impl Executor, (rows, columns): (usize, usize), x: &mut [i16]) -> Result<(), Fault> {
    let operator = context.only(OpKind::StageNorm)?;
    let norm = operator.norm();
    let row_len = columns * operator.cout();
    let tiles = Tiles::new(x, ROWS_PER_JOB * row_len);
    executor.run(tiles.chunks(), &|job, _| {
        if let Some(tile) = tiles.claim(job) {
            // Lengths are whole rows by construction; a norm of other length changes nothing and shows in the step's CRC.
            let done = layernorm_s16_in_place(tile, &norm);
            debug_assert!(done.is_ok(), "stage norm over whole rows");
        }
    });
    for y in 0..rows {
        context.output_row(y, columns, TileData::S16(x.get(y * row_len..(y + 1) * row_len).ok_or(Fault)?));
    }
    Ok(())
}
