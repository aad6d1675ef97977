//! Multi-scale fusion: one output branch `GELU(sum_j f_ij(x_j))` at the entry of a module (paper,
//! section 2.3, figure 4).
//!
//! With 8-bit codes it works in place. A row of branch i holds a row of the stage norm, s16. Once
//! its output is made, the same bytes hold two rows of s8. The first half is the stage norm as
//! other outputs read it, the second half the output itself. No fusion output takes memory of its
//! own, and no order of outputs changes a byte. With codes of two bytes nothing is narrowed: stage
//! norms stay as they are, and the output is a separate map.

use core::ops::Range;

use bytemuck::Pod;

use hrvit_format::{BRANCHES, OpKind};

use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    element::clear,
    fault::Fault,
    geometry::{Geometry, MapSize, Place},
    operator::{Operator, StepContext, TokenRow},
    ring::{Batches, MAX_WINDOW, Ring},
    rows::{RowBlocks, RowJobs, rewrite, tiles},
    schedule::Executor,
    slices::{Slices, cast, cast_mut, copy_run},
};

/// Blocks of rows start at multiples of the largest upsampling factor, so that no row of lower
/// resolution is computed twice.
const ROW_ALIGN: usize = 1 << (BRANCHES - 1);

/// Rows of lower resolution under a tile of `tile` rows that starts at a multiple of itself and of
/// [`ROW_ALIGN`] behind its block's beginning.
fn low_rows(tile: usize, factor: usize, rows: usize) -> usize {
    let aligned = factor.is_multiple_of(tile) || tile.is_multiple_of(factor);
    let most = if aligned { tile.div_ceil(factor.max(1)) } else { (tile - 1).div_ceil(factor.max(1)) + 1 };
    most.min(rows)
}

/// Factor from the rows of branch `from` to those of `branch`, which has more of them.
fn upsampling(branch: u8, from: u8) -> usize {
    1 << (from - branch)
}

/// Buffers of one job, without those of its terms.
struct Buffers<'a, A: Arithmetic> {
    /// The sum of a tile of rows.
    acc: &'a mut [A::Sum],
    /// A narrowed row.
    codes: &'a mut [A::Code],
}

/// Buffers of the term from one branch.
struct TermBuffers<'a, A: Arithmetic> {
    codes: &'a mut [A::Code],
    /// Rows of lower resolution before they are repeated. Empty for a term of higher resolution.
    sums: &'a mut [A::Sum],
}

impl<'a, A: Arithmetic> TermBuffers<'a, A> {
    fn cut(geometry: &Geometry<'_>, branch: u8, from: u8, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (to, source) = (usize::from(branch), usize::from(from));
        if from < branch {
            let codes = slicer.take([geometry.tile, geometry.map(to).columns, geometry.channels(source)])?;
            return Ok(Self { codes, sums: Default::default() });
        }
        let MapSize { rows, columns } = geometry.map(source);
        let low = low_rows(geometry.tile, upsampling(branch, from), rows);
        Ok(Self { codes: slicer.take([low, columns, geometry.channels(source)])?, sums: slicer.take([low, columns, geometry.channels(to)])? })
    }
}

/// Cuts the buffers of one job for the output at `place`. Hands the buffers of each term to `term`,
/// with the branch that it reads.
fn cut<'a, A: Arithmetic>(
    geometry: &Geometry<'_>,
    place: Place,
    slicer: &mut ArenaSlicer<'a>,
    mut term: impl FnMut(u8, TermBuffers<'a, A>) -> Result<(), Fault>,
) -> Result<Buffers<'a, A>, Fault> {
    let (columns, width) = (geometry.map(place.branch.into()).columns, geometry.channels(place.branch.into()));
    let buffers = Buffers { acc: slicer.take([geometry.tile, columns, width])?, codes: slicer.take([columns, width])? };
    let sources = geometry.network.spec.fusion_sources(place.module.into(), place.branch.into()).map(|source| source as u8);
    for from in sources.filter(|&from| from != place.branch) {
        term(from, TermBuffers::cut(geometry, place.branch, from, slicer)?)?;
    }
    Ok(buffers)
}

/// Branches that the fusions of `module` read.
fn inputs(geometry: &Geometry<'_>, module: u8) -> u8 {
    geometry.network.spec.fusion_inputs(module.into()) as u8
}

fn jobs(geometry: &Geometry<'_>, branch: u8) -> RowJobs {
    let branch = usize::from(branch);
    RowJobs { blocks: RowBlocks::new(geometry.map(branch).rows, geometry.workers, ROW_ALIGN), row_len: geometry.row_len(branch), reach: 0 }
}

/// Bytes of scratch for the output at `place`.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>, place: Place) -> usize {
    let job = ArenaSlicer::measure(|slicer| cut::<A>(geometry, place, slicer, |_, _| Ok(())));
    jobs(geometry, place.branch).scratch::<A::Wide>(geometry.workers, job)
}

/// A stage norm that a term reads.
struct Source<'a, A: Arithmetic> {
    x: &'a [A::Wide],
    map: MapSize,
    row_len: usize,
}

impl<'a, A: Arithmetic> Source<'a, A> {
    fn row(&self, y: usize) -> Result<&'a [A::Wide], Fault> {
        self.x.row(y, self.row_len)
    }

    /// Row `y` as codes, if it has been narrowed or need not be narrowed.
    fn narrowed(&self, y: usize) -> Result<&'a [A::Code], Fault> {
        cast(self.row(y)?)?.part(..self.row_len)
    }
}

/// One term of the sum: the branch that it reads, and its buffers. It holds no operators, since all
/// terms are on the stack at once. Operators are looked up when they are used.
struct Term<'a, A: Arithmetic> {
    from: u8,
    source: Source<'a, A>,
    kind: TermKind<'a, A>,
}

/// How a term is made.
enum TermKind<'a, A: Arithmetic> {
    /// A branch of higher resolution, already narrowed: strided depthwise, then 1x1.
    Down { codes: &'a mut [A::Code] },
    /// A branch of lower resolution: narrowed, 1x1, then repeated `factor` times along both axes.
    Up { factor: usize, codes: &'a mut [A::Code], sums: Ring<'a, A::Sum> },
}

impl<'a, A: Arithmetic> Term<'a, A> {
    /// The term from branch `from` of output `branch`, for rows from `first` on.
    fn new(geometry: &Geometry<'_>, branch: u8, from: u8, first: usize, x: &'a [A::Wide], TermBuffers { codes, sums }: TermBuffers<'a, A>) -> Self {
        let source = Source { x, map: geometry.map(from.into()), row_len: geometry.row_len(from.into()) };
        if from < branch {
            return Self { from, source, kind: TermKind::Down { codes } };
        }
        let factor = upsampling(branch, from);
        let (low, len) = (low_rows(geometry.tile, factor, source.map.rows), source.map.columns * geometry.channels(branch.into()));
        let sums = Ring::batched(sums, len, Batches { first: first / factor, rows: low, origin: first / factor });
        Self { from, source, kind: TermKind::Up { factor, codes, sums } }
    }

    /// Adds the rows `tile` of the term to `acc`, `[rows, columns, width]`.
    #[inline(never)]
    fn add(&mut self, context: &StepContext<'_>, tile: Range<usize>, acc: &mut [A::Sum]) -> Result<(), Fault> {
        let source = &self.source;
        let pointwise = &context.reading(OpKind::FusionPointwise, self.from)?;
        match &mut self.kind {
            TermKind::Down { codes } => {
                let depthwise = &context.reading(OpKind::FusionDepthwise, self.from)?;
                let len = acc.len() / pointwise.cout().max(1) * depthwise.cout();
                let codes = codes.part_mut(..len)?;
                for (y, row) in tile.clone().zip(codes.runs_mut(len / tile.len().max(1))) {
                    downsample(depthwise, source, y, row)?;
                }
                context.tap_rows(depthwise, tile.start, source.map.columns / usize::from(depthwise.shape.stride).max(1), codes);
                A::product(pointwise, codes, Part::All, Out::AddSum(acc))
            }
            TermKind::Up { factor, codes, sums } => {
                let narrow = &context.reading(OpKind::FusionNarrow, self.from)?;
                let width = pointwise.cout();
                while let Some((at, made)) = sums.next_up_to((tile.end - 1) / (*factor).max(1)) {
                    let codes = codes.part_mut(..made.len() / width.max(1) * narrow.cout())?;
                    for (y, codes) in (at..).zip(codes.runs_mut(source.row_len)) {
                        A::narrow(narrow, source.row(y)?, codes)?;
                    }
                    context.tap_rows(narrow, at, source.map.columns, codes);
                    clear(made);
                    A::product(pointwise, codes, Part::All, Out::AddSum(made))?;
                    context.tap_rows(pointwise, at, source.map.columns, made);
                }
                let row_len = acc.len() / tile.len().max(1);
                for (y, acc) in tile.zip(acc.runs_mut(row_len)) {
                    let low = sums.row(y / (*factor).max(1))?;
                    for (x, token) in low.runs(width).enumerate() {
                        for out in acc.row_mut(x, width * *factor)?.runs_mut(width) {
                            A::add_sums(context.kernels, out, token)?;
                        }
                    }
                }
                Ok(())
            }
        }
    }
}

/// Row `y` of a strided depthwise convolution over a stage norm that has been narrowed.
fn downsample<A: Arithmetic>(depthwise: &Operator<'_>, source: &Source<'_, A>, y: usize, out: &mut [A::Code]) -> Result<(), Fault> {
    let (kernel, stride) = (usize::from(depthwise.shape.kernel), usize::from(depthwise.shape.stride));
    let mut window = [None; MAX_WINDOW];
    for (tap, entry) in window.iter_mut().enumerate().take(kernel) {
        if let Some(at) = (y * stride + tap).checked_sub(kernel / 2).filter(|&at| at < source.map.rows) {
            *entry = Some(source.narrowed(at)?);
        }
    }
    A::convolve(depthwise, window.part(..kernel)?, TokenRow::even(source.map.columns, depthwise.cout()), Out::Code(out))
}

/// The branch's own operators.
struct Own<'c> {
    /// Identity term and the narrowing for other outputs. A new branch has neither of them.
    before: Option<(Operator<'c>, Operator<'c>)>,
    act: Operator<'c>,
    row_len: usize,
}

impl Own<'_> {
    /// Turns a row of the branch's stage norm into a pair of rows. `acc` holds the sum of the other
    /// terms.
    fn finish_pair<A: Arithmetic>(&self, acc: &mut [A::Sum], codes: &mut [A::Code], row: &mut [A::Wide]) -> Result<(), Fault> {
        if let Some((identity, narrow)) = &self.before {
            A::add_identity(identity, row, acc)?;
            A::narrow(narrow, row, codes)?;
        }
        let (narrowed, fused) = cast_mut(row)?.split_front(self.row_len)?;
        copy_run(codes, narrowed);
        A::store_sum(&self.act, acc, fused)
    }

    /// Makes a row of the output in `fused`. `acc` holds the sum of the other terms, `x` the
    /// branch's stage norm.
    fn finish<A: Arithmetic>(&self, acc: &mut [A::Sum], x: &[A::Wide], fused: &mut [A::Wide]) -> Result<(), Fault> {
        if let Some((identity, _)) = &self.before {
            A::add_identity(identity, x, acc)?;
        }
        A::store_sum(&self.act, acc, cast_mut(fused)?)
    }
}

/// The output at `place`. `x` holds the stage norms of the preceding module. With 8-bit codes, rows
/// of `x[branch]` become pairs of rows, as the module's documentation explains. Rows of the
/// lower-numbered branches already are pairs. With codes of two bytes the output goes to `fused`.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    place: Place,
    x: &mut [&mut [A::Wide]; BRANCHES],
    fused: &mut [A::Wide],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (geometry, branch) = (&context.geometry, place.branch);
    let (map, jobs) = (geometry.map(branch.into()), jobs(geometry, branch));
    let row_len = jobs.row_len;
    let before = if branch < inputs(geometry, place.module) {
        Some((context.reading(OpKind::FusionIdentity, branch)?, context.reading(OpKind::FusionNarrow, branch)?))
    } else {
        None
    };
    let own = Own { before, act: context.only(OpKind::FusionAct)?, row_len };

    let mut sources: [&[A::Wide]; BRANCHES] = Default::default();
    let mut target: &mut [A::Wide] = &mut *fused;
    for ((b, x), source) in (0u8..).zip(x.iter_mut()).zip(&mut sources) {
        if b == branch && A::PAIRED {
            target = x;
        } else {
            *source = x;
        }
    }
    let source_of = |branch: u8| sources.get(usize::from(branch)).copied().ok_or(Fault);
    let before_row = |y: usize| match own.before {
        Some(_) => source_of(branch)?.row(y, row_len),
        None => Ok(Default::default()),
    };
    rewrite(executor, target, jobs, work, &|range, mut block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let mut terms: heapless::Vec<Term<'_, A>, BRANCHES> = heapless::Vec::new();
        let Buffers { acc, codes } = cut(geometry, place, &mut slicer, |from, buffers| {
            let term = Term::new(geometry, branch, from, range.start, source_of(from)?, buffers);
            terms.push(term).map_err(|_| Fault)
        })?;
        for tile in tiles(range, geometry.tile) {
            let acc = acc.part_mut(..tile.len() * row_len)?;
            clear(acc);
            for term in &mut terms {
                term.add(context, tile.clone(), acc)?;
            }
            for (y, acc) in tile.zip(acc.runs_mut(row_len)) {
                let row = block.row_mut(y)?;
                if A::PAIRED {
                    own.finish_pair::<A>(acc, codes, row)?;
                } else {
                    own.finish::<A>(acc, before_row(y)?, row)?;
                }
            }
        }
        Ok(())
    })?;
    let made: &[A::Wide] = if A::PAIRED { x.get(usize::from(branch)).ok_or(Fault)? } else { fused };
    for (y, row) in made.runs(row_len).take(map.rows).enumerate() {
        let codes: &[A::Code] = cast(row)?;
        context.output_row(y, map.columns, codes.part(codes.len() - row_len..)?);
    }
    Ok(())
}

/// Moves the fusion outputs of a region from their pairs (`row_len` codes each) to the region's
/// second half, so that the first half is free.
pub fn gather_outputs<T: Pod>(region: &mut [T], row_len: usize) -> Result<(), Fault> {
    let rows = region.len() / 2 / row_len.max(1);
    for y in (0..rows.saturating_sub(1)).rev() {
        // Rows move upwards, the last row first, so that no row overwrites one that has not moved.
        let (low, high) = region.split_front((rows + y) * row_len)?;
        copy_run(low.row(2 * y + 1, row_len)?, high);
    }
    Ok(())
}

/// Moves the fusion outputs back to their pairs.
pub fn spread_outputs<T: Pod>(region: &mut [T], row_len: usize) -> Result<(), Fault> {
    let rows = region.len() / 2 / row_len.max(1);
    for y in 0..rows.saturating_sub(1) {
        let (low, high) = region.split_front((rows + y) * row_len)?;
        copy_run(high, low.row_mut(2 * y + 1, row_len)?);
    }
    Ok(())
}
