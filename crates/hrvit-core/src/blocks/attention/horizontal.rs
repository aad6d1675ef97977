//! The first half of the channels, row by row; then projection, shortcut and residual, in place.

use core::ops::Range;

use hrvit_format::OpKind;

use super::lines::{self, Attention, Half, Lines, REACH, Shape, Walk};
use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part, Shortcut},
    element::clear,
    fault::Fault,
    geometry::{Geometry, MapSize},
    operator::{Operator, StepContext},
    rows::{Block, RowBlocks, RowJobs, rewrite},
    schedule::Executor,
    slices::{Slices, Strided, copy_strided},
};

/// Rows as lines.
fn shape(geometry: &Geometry<'_>, branch: usize) -> Shape {
    let MapSize { rows, columns } = geometry.map(branch);
    Shape::new(geometry, branch, rows, columns)
}

fn jobs(geometry: &Geometry<'_>, branch: usize) -> RowJobs {
    let blocks = RowBlocks::strips(geometry.map(branch).rows, geometry.network.spec.window(branch).max(REACH), geometry.workers);
    RowJobs { blocks, row_len: geometry.row_len(branch), reach: REACH }
}

/// Buffers of one job.
struct Buffers<'a, A: Arithmetic> {
    /// Rows of both halves that wait for the projection.
    codes: &'a mut [A::Code],
    acc: &'a mut [A::Sum],
    hidden: &'a mut [A::Hidden],
    walk: lines::Buffers<'a, A>,
}

impl<'a, A: Arithmetic> Buffers<'a, A> {
    fn cut(shape: &Shape, first: usize, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let Shape { tokens, channels, tile, .. } = *shape;
        Ok(Self {
            codes: slicer.take([tile, tokens, channels])?,
            acc: slicer.take([tile, tokens, channels])?,
            hidden: slicer.take([channels])?,
            walk: lines::Buffers::cut(shape, first, slicer)?,
        })
    }
}

/// Bytes of scratch on `branch`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, branch: usize) -> usize {
    let job = ArenaSlicer::measure(|slicer| Buffers::<A>::cut(&shape(geometry, branch), 0, slicer));
    jobs(geometry, branch).scratch::<A::Wide>(geometry.workers, job)
}

/// Rows of the map, and what turns them into the block's result.
struct MapRows<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    block: Block<'a, A::Wide>,
    kept: &'a [A::Code],
    shape: Shape,
    /// Rows of both halves that wait for the projection.
    waiting: Range<usize>,
    codes: &'a mut [A::Code],
    acc: &'a mut [A::Sum],
    hidden: &'a mut [A::Hidden],
    out_act: Operator<'c>,
    to_out: Operator<'c>,
    shortcut: Option<Shortcut<'c>>,
}

impl<A: Arithmetic> Lines<A> for MapRows<'_, '_, A> {
    fn tokens(&mut self, l: usize) -> Result<&[A::Wide], Fault> {
        self.block.row(l)
    }

    fn done(&mut self, l: usize, codes: &[A::Code], last: bool) -> Result<(), Fault> {
        let Shape { lines, tokens, channels, tile, .. } = self.shape;
        let half = channels / 2;
        if self.waiting.is_empty() {
            self.waiting = l..l;
        }
        let row = self.codes.row_mut(self.waiting.len(), tokens * channels)?;
        copy_strided(Strided { elements: codes, stride: half }, Strided { elements: row, stride: channels }, half)?;
        let kept = Strided { elements: self.kept.part(l * half..)?, stride: lines * half };
        copy_strided(kept, Strided { elements: row.part_mut(half..)?, stride: channels }, half)?;
        self.waiting.end = l + 1;
        if last || self.waiting.len() == tile { self.project() } else { Ok(()) }
    }
}

impl<A: Arithmetic> MapRows<'_, '_, A> {
    /// Projection, shortcut and residual of the rows that wait.
    fn project(&mut self) -> Result<(), Fault> {
        let rows = core::mem::take(&mut self.waiting);
        let columns = self.shape.tokens;
        let len = rows.len() * columns * self.shape.channels;
        let (codes, acc) = (self.codes.part(..len)?, self.acc.part_mut(..len)?);
        self.context.tap_rows(&self.out_act, rows.start, columns, codes);
        clear(acc);
        A::product(&self.to_out, codes, Part::All, Out::AddSum(acc))?;
        self.context.tap_rows(&self.to_out, rows.start, columns, acc);
        let x = self.block.rows_mut(rows)?;
        if let Some(shortcut) = &self.shortcut {
            A::add_shortcut(shortcut, x, self.hidden, acc)?;
        }
        A::add_stream(self.context.kernels, x, acc)
    }
}

/// The pass over `x` of `branch`, `[rows, columns, channels]`, with the other half's result in
/// `kept`.
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    attention: &Attention<'_>,
    branch: usize,
    x: &mut [A::Wide],
    kept: &[A::Code],
    work: &mut [u8],
) -> Result<(), Fault> {
    let shape = shape(&context.geometry, branch);
    let (out_act, to_out) = (attention.out_act, context.only(OpKind::ToOut)?);
    let spec = &context.geometry.network.spec;
    let (without, activation) = (spec.ablation().no_des, spec.des_activation);
    let factors = context.unless(without, OpKind::DesRight)?.zip(context.unless(without, OpKind::DesLeft)?);
    let shortcut = factors.map(|(right, left)| Shortcut { right, left, activation });
    rewrite(executor, x, jobs(&context.geometry, branch), work, &|range, block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let Buffers { codes, acc, hidden, walk } = Buffers::cut(&shape, range.start, &mut slicer)?;
        let mut rows = MapRows::<A> { context, block, kept, shape, waiting: 0..0, codes, acc, hidden, out_act, to_out, shortcut };
        Walk::new(attention, shape, Half { first: 0, transposed: false }, walk)?.run(range, &mut rows)
    })
}
