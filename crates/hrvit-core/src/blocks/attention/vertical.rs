//! The second half of the channels, column by column: reads the residual stream, keeps its result.

use hrvit_kernels::Tiles;

use super::lines::{self, Attention, Half, Lines, REACH, Shape, Walk};
use crate::{
    arena::ArenaSlicer,
    arithmetic::Arithmetic,
    fault::Fault,
    geometry::{Geometry, MapSize},
    operator::StepContext,
    rows::{RowBlocks, run_jobs},
    schedule::Executor,
    slices::{Slices, Strided, copy_run, copy_strided},
};

/// Elements of the result that is kept for the horizontal pass, `[columns, rows, channels / 2]`.
pub fn kept_len(geometry: &Geometry<'_>, branch: usize) -> usize {
    geometry.map_len(branch) / 2
}

/// The result that is kept.
pub fn kept<'a, A: Arithmetic>(geometry: &Geometry<'_>, branch: usize, slicer: &mut ArenaSlicer<'a>) -> Result<&'a mut [A::Code], Fault> {
    slicer.take([kept_len(geometry, branch)])
}

/// Columns as lines.
fn shape(geometry: &Geometry<'_>, branch: usize) -> Shape {
    let MapSize { rows, columns } = geometry.map(branch);
    Shape::new(geometry, branch, columns, rows)
}

fn blocks(geometry: &Geometry<'_>, branch: usize) -> RowBlocks {
    RowBlocks::strips(geometry.map(branch).columns, geometry.network.spec.window(branch).max(REACH), geometry.workers)
}

/// Buffers of one job.
struct Buffers<'a, A: Arithmetic> {
    /// A column of the residual stream.
    column: &'a mut [A::Wide],
    walk: lines::Buffers<'a, A>,
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    fn cut(shape: &Shape, first: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        Ok(Self { column: slicer.take([shape.tokens, shape.channels])?, walk: lines::Buffers::cut(shape, first, slicer)? })
    }
}

/// Bytes of scratch on `branch`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> usize {
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(&shape(geometry, branch), 0, slicer));
    blocks(geometry, branch).at_once(geometry.workers).saturating_mul(job)
}

/// Columns of the map.
struct Columns<'a, A: Arithmetic> {
    x: &'a [A::Wide],
    columns: usize,
    channels: usize,
    buffer: &'a mut [A::Wide],
    kept: &'a mut [A::Code],
    first: usize,
}

impl<A: Arithmetic> Lines<A> for Columns<'_, A> {
    fn tokens(&mut self, l: usize) -> Result<&[A::Wide], Fault> {
        let column = Strided { elements: self.x.part(l * self.channels..)?, stride: self.columns * self.channels };
        copy_strided(column, Strided { elements: self.buffer, stride: self.channels }, self.channels)?;
        Ok(self.buffer)
    }

    fn done(&mut self, l: usize, codes: &[A::Code], _last: bool) -> Result<(), Fault> {
        copy_run(codes, self.kept.row_mut(l - self.first, codes.len())?);
        Ok(())
    }
}

/// The pass over `x` of `branch`, `[rows, columns, channels]`.
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    attention: &Attention<'_>,
    branch: usize,
    x: &[A::Wide],
    kept: &mut [A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (shape, blocks) = (shape(&context.geometry, branch), blocks(&context.geometry, branch));
    let tiles = Tiles::new(kept, blocks.tallest() * shape.tokens * shape.channels / 2);
    run_jobs(executor, blocks.jobs(), work, &|job, scratch| {
        let range = blocks.range(job);
        let mut slicer = ArenaSlicer::new(scratch);
        let Buffers { column, walk } = Buffers::cut(&shape, range.start, &mut slicer)?;
        let kept = tiles.claim(job).ok_or(Fault)?;
        let mut columns = Columns::<A> { x, columns: shape.lines, channels: shape.channels, buffer: column, kept, first: range.start };
        let half = Half { first: shape.channels / 2, transposed: true };
        Walk::new(attention, shape, half, walk)?.run(range, &mut columns)
    })
}
