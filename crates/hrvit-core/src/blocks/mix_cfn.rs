//! MixCFN: `x + fc2(GELU(DW3x3 ‖ DW5x5 (fc1(norm(x)))))` (paper, equation 5). The widened map exists five rows at a time.

use hrvit_format::{Network, OpKind, Size};
use hrvit_kernels::{Epilogue, depthwise_s8, gemm_s8, layernorm_s8};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    ring::Ring,
};

/// Rows of fc1's output that the depthwise 5x5 looks at.
const ROWS: usize = 5;

/// Bytes of line buffers on `branch`.
pub fn scratch(network: &Network, size: Size, branch: usize) -> usize {
    let columns = size.map(branch).1;
    let (channels, hidden) = (usize::from(network.spec.channels(branch)), usize::from(network.spec.hidden(branch)));
    region::<i8>(columns * channels) + region::<i8>(ROWS * columns * hidden) + region::<i8>(columns * hidden)
}

/// The block on `x`, `[rows, columns, channels]`, in place.
pub fn run(context: &StepContext<'_>, (rows, columns): (usize, usize), x: &mut [i16], work: &mut [u8]) -> Result<(), Fault> {
    let (norm, fc1, fc2) = (context.only(OpKind::FfnNorm)?, context.only(OpKind::Fc1)?, context.only(OpKind::Fc2)?);
    let act = context.only(OpKind::FfnAct)?;
    let halves = [context.only(OpKind::FfnDepthwise3)?, context.only(OpKind::FfnDepthwise5)?];
    let (channels, hidden) = (norm.cout(), fc1.cout());
    let row_len = columns * channels;
    let mut cutter = Cutter::new(work);
    let normed = cutter.take::<i8>(row_len)?;
    let mut lines = Ring::new(cutter.take::<i8>(ROWS * columns * hidden)?, columns * hidden);
    let mixed = cutter.take::<i8>(columns * hidden)?;
    for y in 0..rows {
        while let Some((at, line)) = lines.next_up_to((y + ROWS / 2).min(rows - 1)) {
            let input = x.get(at * row_len..(at + 1) * row_len).ok_or(Fault)?;
            let range = norm.range();
            layernorm_s8(input, &norm.norm(), range.lo, range.hi, normed)?;
            context.tap(&norm, (at, 0, columns), TileData::S8(normed));
            gemm_s8(&fc1.gemm(normed), fc1.store8(line))?;
            context.tap(&fc1, (at, 0, columns), TileData::S8(line));
        }
        let mut first = 0;
        for half in &halves {
            mix(half, act.params.table, &lines, (y, rows, columns), (first, hidden), mixed)?;
            first += half.cout();
        }
        context.tap(&act, (y, 0, columns), TileData::S8(mixed));
        let out = x.get_mut(y * row_len..(y + 1) * row_len).ok_or(Fault)?;
        gemm_s8(&fc2.gemm(mixed), Epilogue::Add16 { out })?;
        context.output_row(y, columns, TileData::S16(out));
    }
    Ok(())
}

/// One half of the channels, from `first`, of output row `y`: depthwise convolution, then GELU by table.
fn mix(
    half: &Operator<'_>,
    table: &[i8],
    lines: &Ring<'_, i8>,
    (y, rows, columns): (usize, usize, usize),
    (first, hidden): (usize, usize),
    mixed: &mut [i8],
) -> Result<(), Fault> {
    let kernel = usize::from(half.shape.kernel);
    let mut window = lines.window(y, kernel, rows)?;
    for row in window.iter_mut().flatten() {
        *row = row.get(first..).ok_or(Fault)?;
    }
    let taps = window.get(..kernel).ok_or(Fault)?;
    let out = mixed.get_mut(first..).ok_or(Fault)?;
    Ok(depthwise_s8(&half.depthwise(taps, hidden, columns), Epilogue::Table8 { out, table, zero: half.zero() }, hidden)?)
}
