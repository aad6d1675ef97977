//! Patch embedding: `LN(DW3x3(PW(f)))`, the first value of the residual stream (paper, equation 6).
//! An ablation replaces the two convolutions by a dense 3x3.

use core::ops::Range;

use hrvit_format::OpKind;

use crate::{
    ABLATIONS,
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    fault::Fault,
    geometry::{Geometry, MapSize, Place},
    operator::{Operator, StepContext, TokenRow},
    ring::{self, Batches, Ring},
    rows::{Block, RowBlocks, RowJobs, rewrite, tiles},
    schedule::Executor,
    slices::{Slices, cast, copy_run},
};

/// Rows of the 1x1 convolution's output that the depthwise 3x3 looks at.
const ROWS: usize = 3;
/// Elements of a patch per input channel.
const TAPS: usize = ROWS * ROWS;
/// Rows that a job looks at beyond its own.
pub const REACH: usize = ROWS / 2;

/// Row buffers of one job.
pub struct Buffers<'a, A: Arithmetic> {
    /// A tile of input rows. With a dense convolution: patches of a row.
    fed: &'a mut [A::Code],
    /// Rows of the 1x1 convolution's output. With a dense convolution: rows of the input.
    lines: &'a mut [A::Code],
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    /// Buffers on `branch` where the input has `cin` channels.
    pub fn cut(geometry: &Geometry<'_>, branch: usize, cin: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (MapSize { rows, columns }, tile) = (geometry.map(branch), geometry.tile);
        if ABLATIONS && geometry.network.spec.ablation().dense_embedding {
            return Ok(Self { fed: slicer.take([columns, TAPS, cin])?, lines: slicer.take([ring::rows_for(tile, REACH, rows), columns, cin])? });
        }
        Ok(Self { fed: slicer.take([tile, columns, cin])?, lines: slicer.take([ring::rows_for(tile, REACH, rows), columns, geometry.channels(branch)])? })
    }
}

fn jobs<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> RowJobs {
    // If the fusion's output is a separate map, no job needs old rows of its neighbours.
    let reach = if A::PAIRED { REACH } else { 0 };
    RowJobs { blocks: RowBlocks::new(geometry.map(branch).rows, geometry.workers, 1), row_len: geometry.row_len(branch), reach }
}

/// Bytes of scratch at `place`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, Place { module, branch }: Place) -> usize {
    let cin = geometry.network.spec.fused_channels(module.into(), branch.into());
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(geometry, branch.into(), cin.into(), slicer));
    jobs::<A>(geometry, branch.into()).scratch::<A::Wide>(geometry.workers, job)
}

/// Writes row `y` of the embedding's input.
pub type Feed<'f, A> = dyn FnMut(&Block<'_, <A as Arithmetic>::Wide>, usize, &mut [<A as Arithmetic>::Code]) -> Result<(), Fault> + 'f;

/// The convolutions.
enum Projection<'c> {
    /// 1x1, then depthwise 3x3.
    Separable { pointwise: Operator<'c>, depthwise: Operator<'c> },
    /// Dense 3x3.
    #[cfg(feature = "ablations")]
    Dense(Operator<'c>),
}

impl<'c> Projection<'c> {
    fn of(context: &StepContext<'c>) -> Result<Self, Fault> {
        #[cfg(feature = "ablations")]
        if context.geometry.network.spec.ablation().dense_embedding {
            return Ok(Self::Dense(context.only(OpKind::EmbedDense)?));
        }
        Ok(Self::Separable { pointwise: context.only(OpKind::EmbedPointwise)?, depthwise: context.only(OpKind::EmbedDepthwise)? })
    }

    /// Channels of the rows that the 3x3 convolution reads.
    fn mixed(&self) -> usize {
        match self {
            Self::Separable { pointwise, .. } => pointwise.cout(),
            #[cfg(feature = "ablations")]
            Self::Dense(convolution) => convolution.shape.cin.into(),
        }
    }
}

/// The operators with their row buffers. Input arrives row by row, so that the stem's output is
/// never a whole map.
pub struct PatchEmbed<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    projection: Projection<'c>,
    norm: Operator<'c>,
    fed: &'a mut [A::Code],
    ring: Ring<'a, A::Code>,
    map: MapSize,
}

impl<'a, 'c, A: Arithmetic> PatchEmbed<'a, 'c, A> {
    /// An embedding for output rows from `first` on.
    pub fn new(context: &'a StepContext<'c>, map: MapSize, first: usize, Buffers { fed, lines }: Buffers<'a, A>) -> Result<Self, Fault> {
        let (projection, norm) = (Projection::of(context)?, context.only(OpKind::EmbedNorm)?);
        let batches = Batches { first: first.saturating_sub(REACH), rows: context.geometry.tile, origin: first + REACH };
        let ring = Ring::batched(lines, map.columns * projection.mixed(), batches);
        Ok(Self { context, projection, norm, fed, ring, map })
    }

    /// Writes the rows `range` of `block`. It requests input rows from `feed` in order, each once.
    pub fn run(mut self, block: &mut Block<'_, A::Wide>, range: Range<usize>, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        let MapSize { rows, columns } = self.map;
        for tile in tiles(range, self.context.geometry.tile) {
            self.fill(block, (tile.end - 1 + REACH).min(rows - 1), feed)?;
            for y in tile {
                let window = self.ring.window(y, ROWS, rows)?;
                let x = block.row_mut(y)?;
                match &self.projection {
                    Projection::Separable { pointwise, depthwise } => {
                        A::convolve(depthwise, window.part(..ROWS)?, TokenRow::even(columns, pointwise.cout()), Out::Wide(x))?;
                        self.context.tap_rows(depthwise, y, columns, x);
                    }
                    #[cfg(feature = "ablations")]
                    Projection::Dense(convolution) => {
                        let (window, pad) = (*window.first_chunk().ok_or(Fault)?, convolution.pad());
                        A::patches(convolution.kernels, window, convolution.shape.cin.into(), 1, pad, self.fed)?;
                        A::product(convolution, self.fed, Part::All, Out::Wide(&mut *x))?;
                        self.context.tap_rows(convolution, y, columns, x);
                    }
                }
                A::norm_in_place(&self.norm, x)?;
            }
        }
        Ok(())
    }

    /// Makes the rows that the 3x3 convolution reads, up to `last`.
    fn fill(&mut self, block: &Block<'_, A::Wide>, last: usize, feed: &mut Feed<'_, A>) -> Result<(), Fault> {
        let columns = self.map.columns;
        let line_len = columns * self.projection.mixed();
        while let Some((at, made)) = self.ring.next_up_to(last) {
            match &self.projection {
                Projection::Separable { pointwise, .. } => {
                    let row_len = columns * usize::from(pointwise.shape.cin);
                    let fed = self.fed.part_mut(..made.len() / line_len.max(1) * row_len)?;
                    for (y, row) in (at..).zip(fed.runs_mut(row_len)) {
                        feed(block, y, row)?;
                    }
                    A::product(pointwise, fed, Part::All, Out::Code(&mut *made))?;
                    self.context.tap_rows(pointwise, at, columns, made);
                }
                #[cfg(feature = "ablations")]
                Projection::Dense(_) => {
                    for (y, row) in (at..).zip(made.runs_mut(line_len)) {
                        feed(block, y, row)?;
                    }
                }
            }
        }
        Ok(())
    }
}

/// Turns a fusion's output into the residual stream in `x` of `branch`. If fusions leave pairs of
/// rows, each row of `x` holds a row of the output in its upper half. Else the output is in
/// `fused`.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    branch: usize,
    x: &mut [A::Wide],
    fused: &[A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (geometry, map) = (&context.geometry, context.geometry.map(branch));
    let cin = usize::from(context.shapes.first().ok_or(Fault)?.cin);
    let jobs = jobs::<A>(geometry, branch);
    let row_len = jobs.row_len;
    rewrite(executor, x, jobs, work, &|range, mut block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let buffers = Buffers::<A>::cut(geometry, branch, cin, &mut slicer)?;
        PatchEmbed::new(context, map, range.start, buffers)?.run(&mut block, range, &mut |block, y, out| {
            let row = if A::PAIRED { cast(block.row(y)?)?.part(row_len..)? } else { fused.row(y, row_len)? };
            copy_run(row, out);
            Ok(())
        })
    })?;
    context.output(x, row_len, map.columns);
    Ok(())
}
