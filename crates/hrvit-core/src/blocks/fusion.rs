//! Multi-scale fusion: one output `GELU(sum_j f_ij(x_j))` of a module's entry (paper, section 3.1).

use hrvit_format::{BRANCHES, Network, OpKind, Size};
use hrvit_kernels::{Epilogue, Scalar, add_s32, depthwise_s8, gemm_s8, narrow_s16, rescale_add32, table_s8};

use crate::{
    arena::{Cutter, region},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
};

/// Rows that a term of higher resolution looks at: `stride + 1`.
fn window_rows(source: usize, branch: usize) -> usize {
    (1 << branch.saturating_sub(source)) + 1
}

/// Bytes of scratch for output `branch` of `module`.
pub fn scratch(network: &Network, size: Size, module: u8, branch: u8) -> usize {
    let (module, branch) = (usize::from(module), usize::from(branch));
    let columns = |b: usize| size.map(b).1;
    let channels = |b: usize| usize::from(network.spec.channels(b));
    let width = channels(branch);
    let terms = (0..network.spec.fusion_inputs(module)).filter(|&source| source != branch).map(|source| {
        if source < branch {
            region::<i8>(window_rows(source, branch) * columns(source) * channels(source)) + region::<i8>(columns(branch) * channels(source))
        } else {
            region::<i8>(columns(source) * channels(source)) + region::<i32>(columns(source) * width)
        }
    });
    region::<i32>(columns(branch) * width) + terms.sum::<usize>()
}

/// One term of the sum, with its buffers.
enum Term<'a, 'c> {
    /// The branch itself.
    Identity { rescale: Operator<'c>, x: &'a [i16], row_len: usize },
    /// A branch of higher resolution: strided depthwise, then 1x1.
    Down { narrow: Operator<'c>, depthwise: Operator<'c>, pointwise: Operator<'c>, x: &'a [i16], map: (usize, usize), rows: &'a mut [i8], row: &'a mut [i8] },
    /// A branch of lower resolution: 1x1, then repeated `factor` times along both axes.
    Up { narrow: Operator<'c>, pointwise: Operator<'c>, x: &'a [i16], columns: usize, factor: usize, codes: &'a mut [i8], sums: &'a mut [i32] },
}

impl<'a, 'c> Term<'a, 'c> {
    fn new(context: &StepContext<'c>, size: Size, branch: u8, source: u8, x: &'a [i16], cutter: &mut Cutter<'a>) -> Result<Self, Fault> {
        let (rows, columns) = size.map(usize::from(source));
        if source == branch {
            let rescale = context.reading(OpKind::FusionIdentity, source)?;
            return Ok(Self::Identity { rescale, x, row_len: columns * rescale.cout() });
        }
        let narrow = context.reading(OpKind::FusionNarrow, source)?;
        let pointwise = context.reading(OpKind::FusionPointwise, source)?;
        let row_len = columns * narrow.cout();
        if source > branch {
            let (codes, sums) = (cutter.take(row_len)?, cutter.take(columns * pointwise.cout())?);
            return Ok(Self::Up { narrow, pointwise, x, columns, factor: 1 << (source - branch), codes, sums });
        }
        let depthwise = context.reading(OpKind::FusionDepthwise, source)?;
        let taps = window_rows(source.into(), branch.into());
        let buffer = cutter.take(taps * row_len)?;
        let row = cutter.take(size.map(branch.into()).1 * depthwise.cout())?;
        Ok(Self::Down { narrow, depthwise, pointwise, x, map: (rows, columns), rows: buffer, row })
    }

    /// Adds row `y` of the term to `acc`, `[columns, width]`.
    fn add_row(&mut self, context: &StepContext<'c>, y: usize, acc: &mut [i32]) -> Result<(), Fault> {
        match self {
            Self::Identity { rescale, x, row_len } => rescale_add32(map_row(x, y, *row_len)?, rescale.requant(), acc)?,
            Self::Down { narrow, depthwise, pointwise, x, map: (map_rows, columns), rows, row } => {
                let (channels, row_len) = (narrow.cout(), *columns * narrow.cout());
                let (kernel, stride) = (usize::from(depthwise.shape.kernel), usize::from(depthwise.shape.stride));
                let in_map = |tap: usize| (y * stride + tap).checked_sub(kernel / 2).filter(|at| at < map_rows);
                for (tap, buffer) in rows.chunks_exact_mut(row_len).enumerate() {
                    if let Some(at) = in_map(tap) {
                        narrow_s16(map_row(x, at, row_len)?, narrow.requant(), narrow.range(), buffer)?;
                        // A row is shown by the first output row that reads it.
                        if tap > 0 || y == 0 {
                            context.tap(narrow, (at, 0, *columns), TileData::S8(buffer));
                        }
                    }
                }
                let mut window = [None; crate::ring::MAX_WINDOW];
                for (tap, (entry, buffer)) in window.iter_mut().zip(rows.chunks_exact(row_len)).enumerate() {
                    *entry = in_map(tap).map(|_| &*buffer);
                }
                let taps = window.get(..kernel).ok_or(Fault)?;
                depthwise_s8(&depthwise.depthwise(taps, channels, *columns), depthwise.store8(row), channels)?;
                context.tap(depthwise, (y, 0, row.len() / channels), TileData::S8(row));
                gemm_s8(&pointwise.gemm(row), Epilogue::Add32 { out: acc })?;
            }
            Self::Up { narrow, pointwise, x, columns, factor, codes, sums } => {
                if y.is_multiple_of(*factor) {
                    let at = y / *factor;
                    narrow_s16(map_row(x, at, codes.len())?, narrow.requant(), narrow.range(), codes)?;
                    context.tap(narrow, (at, 0, *columns), TileData::S8(codes));
                    sums.fill(0);
                    gemm_s8(&pointwise.gemm(codes), Epilogue::Add32 { out: sums })?;
                    context.tap(pointwise, (at, 0, *columns), TileData::S32(sums));
                }
                let width = pointwise.cout();
                for (token, repeats) in sums.chunks_exact(width).zip(acc.chunks_exact_mut(width * *factor)) {
                    for out in repeats.chunks_exact_mut(width) {
                        add_s32(out, token)?;
                    }
                }
            }
        }
        Ok(())
    }
}

fn map_row(x: &[i16], y: usize, row_len: usize) -> Result<&[i16], Fault> {
    x.get(y * row_len..(y + 1) * row_len).ok_or(Fault)
}

/// Output `branch` of `module` from the stage norms `x` of the module before, to `fused` `[rows, columns, width]`, s8.
pub fn run(
    context: &StepContext<'_>,
    network: &Network,
    size: Size,
    (module, branch): (u8, u8),
    x: &[&mut [i16]; BRANCHES],
    fused: &mut [i8],
    work: &mut [u8],
) -> Result<(), Fault> {
    let columns = size.map(usize::from(branch)).1;
    let act = context.only(OpKind::FusionAct)?;
    let requant: Scalar = act.scalar(0)?;
    let mut cutter = Cutter::new(work);
    let row_len = columns * act.cout();
    let acc = cutter.take::<i32>(row_len)?;
    let mut terms: heapless::Vec<Term<'_, '_>, BRANCHES> = heapless::Vec::new();
    for (source, x) in (0u8..).zip(x).take(network.spec.fusion_inputs(usize::from(module))) {
        let term = Term::new(context, size, branch, source, x, &mut cutter)?;
        terms.push(term).map_err(|_| Fault)?;
    }
    for (y, out) in fused.chunks_exact_mut(row_len).enumerate() {
        acc.fill(0);
        for term in &mut terms {
            term.add_row(context, y, acc)?;
        }
        table_s8(acc, requant, act.zero(), act.params.table, out)?;
        context.tap(&act, (y, 0, columns), TileData::S8(out));
        context.output_row(y, columns, TileData::S8(out));
    }
    Ok(())
}
