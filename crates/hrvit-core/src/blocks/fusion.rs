//! Multi-scale fusion: one output `GELU(sum_j f_ij(x_j))` of a module's entry (paper, section 3.1).
//!
//! In integers it works in place. A row of branch i holds a row of the stage norm, s16. Once its output is made it holds, in the same bytes, the stage norm as other
//! outputs read it (s8, first half) and the output itself (s8, second half). No fusion output takes memory of its own, and no order of outputs changes a byte.
//! In half precision there is nothing to narrow: stage norms stay as they are, and the output is a map of its own.

use core::ops::Range;

use hrvit_format::{BRANCHES, Network, OpKind, Size};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part, clear, codes_of, codes_of_mut},
    error::Fault,
    operator::{Operator, StepContext},
    ring::{MAX_WINDOW, Ring},
    rows::{RowBlocks, Runs, copy_run, rewrite, tiles},
    schedule::Executor,
};

/// Blocks of rows start at multiples of the largest upsampling factor, so that no row of lower resolution is computed twice.
const ROW_ALIGN: usize = 1 << (BRANCHES - 1);

/// Rows of lower resolution under a tile of `tile` rows that starts at a multiple of itself and of [`ROW_ALIGN`] behind its block's beginning.
fn low_rows(tile: usize, factor: usize, rows: usize) -> usize {
    let aligned = factor.is_multiple_of(tile) || tile.is_multiple_of(factor);
    let most = if aligned { tile.div_ceil(factor.max(1)) } else { (tile - 1).div_ceil(factor.max(1)) + 1 };
    most.min(rows)
}

/// Bytes of scratch for output `branch` of `module`, made in tiles of `tile` rows.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, (module, branch): (u8, u8), workers: usize, tile: usize) -> usize {
    let (module, branch) = (usize::from(module), usize::from(branch));
    let columns = |b: usize| size.map(b).1;
    let channels = |b: usize| usize::from(network.spec.channels(b));
    let width = channels(branch);
    let terms = (0..network.spec.fusion_inputs(module)).filter(|&source| source != branch).map(|source| {
        if source < branch {
            padded_bytes::<A::Code>(tile * columns(branch) * channels(source))
        } else {
            let low = low_rows(tile, 1 << (source - branch), size.map(source).0);
            padded_bytes::<A::Code>(low * columns(source) * channels(source)) + padded_bytes::<A::Sum>(low * columns(source) * width)
        }
    });
    let job = padded_bytes::<A::Sum>(tile * columns(branch) * width) + padded_bytes::<A::Code>(columns(branch) * width) + terms.sum::<usize>();
    RowBlocks::new(size.map(branch).0, workers, ROW_ALIGN).at_once(workers) * job
}

/// A stage norm that a term reads.
struct Source<'a, A: Arithmetic> {
    x: &'a [A::Wide],
    rows: usize,
    columns: usize,
    row_len: usize,
}

impl<'a, A: Arithmetic> Source<'a, A> {
    fn row(&self, y: usize) -> Result<&'a [A::Wide], Fault> {
        self.x.get(y * self.row_len..(y + 1) * self.row_len).ok_or(Fault)
    }

    /// Row `y` where it has been narrowed already, or needs not be.
    fn narrowed(&self, y: usize) -> Result<&'a [A::Code], Fault> {
        codes_of::<A>(self.row(y)?)?.get(..self.row_len).ok_or(Fault)
    }
}

/// One term of the sum: the branch that it reads, and its buffers. All terms are on the stack at once, so that operators are looked up where they are used.
struct Term<'a, A: Arithmetic> {
    from: u8,
    source: Source<'a, A>,
    kind: TermKind<'a, A>,
}

/// How a term is made.
enum TermKind<'a, A: Arithmetic> {
    /// A branch of higher resolution, narrowed already: strided depthwise, then 1x1.
    Down { codes: &'a mut [A::Code] },
    /// A branch of lower resolution: narrowed, 1x1, then repeated `factor` times along both axes.
    Up { factor: usize, codes: &'a mut [A::Code], sums: Ring<'a, A::Sum> },
}

impl<'a, A: Arithmetic> Term<'a, A> {
    /// For rows from `first` on.
    #[inline(never)]
    fn new(
        context: &StepContext<'_>,
        size: Size,
        (branch, from): (u8, u8),
        first: usize,
        x: &'a [A::Wide],
        slicer: &mut ArenaSlicer<'a>,
    ) -> Result<Self, Fault> {
        let (rows, columns) = size.map(usize::from(from));
        let narrow = context.reading(OpKind::FusionNarrow, from)?;
        let pointwise = context.reading(OpKind::FusionPointwise, from)?;
        let source = Source { x, rows, columns, row_len: columns * narrow.cout() };
        if from > branch {
            let factor = 1 << (from - branch);
            let (low, len) = (low_rows(context.tile, factor, rows), columns * pointwise.cout());
            let codes = slicer.take(low * source.row_len)?;
            let sums = Ring::batched(slicer.take(low * len)?, len, first / factor, (low, first / factor));
            return Ok(Self { from, source, kind: TermKind::Up { factor, codes, sums } });
        }
        let depthwise = context.reading(OpKind::FusionDepthwise, from)?;
        let codes = slicer.take(context.tile * size.map(branch.into()).1 * depthwise.cout())?;
        Ok(Self { from, source, kind: TermKind::Down { codes } })
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
                let codes = codes.get_mut(..len).ok_or(Fault)?;
                for (y, row) in tile.clone().zip(codes.runs_mut(len / tile.len().max(1))) {
                    downsample(depthwise, source, y, row)?;
                }
                context.tap(depthwise, (tile.start, 0, source.columns / usize::from(depthwise.shape.stride).max(1)), A::Code::tile(codes));
                A::product(pointwise, codes, Part::All, Out::AddSum(acc))
            }
            TermKind::Up { factor, codes, sums } => {
                let narrow = &context.reading(OpKind::FusionNarrow, self.from)?;
                let width = pointwise.cout();
                while let Some((at, made)) = sums.next_up_to((tile.end - 1) / (*factor).max(1)) {
                    let codes = codes.get_mut(..made.len() / width.max(1) * narrow.cout()).ok_or(Fault)?;
                    for (y, codes) in (at..).zip(codes.runs_mut(source.row_len)) {
                        A::narrow(narrow, source.row(y)?, codes)?;
                    }
                    context.tap(narrow, (at, 0, source.columns), A::Code::tile(codes));
                    clear(made);
                    A::product(pointwise, codes, Part::All, Out::AddSum(made))?;
                    context.tap(pointwise, (at, 0, source.columns), A::Sum::tile(made));
                }
                let row_len = acc.len() / tile.len().max(1);
                for (y, acc) in tile.zip(acc.runs_mut(row_len)) {
                    let low = sums.row(y / (*factor).max(1))?;
                    for (x, token) in low.runs(width).enumerate() {
                        let repeats = acc.get_mut(x * width * *factor..(x + 1) * width * *factor).ok_or(Fault)?;
                        for out in repeats.runs_mut(width) {
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
        if let Some(at) = (y * stride + tap).checked_sub(kernel / 2).filter(|&at| at < source.rows) {
            *entry = Some(source.narrowed(at)?);
        }
    }
    let (taps, channels) = (window.get(..kernel).ok_or(Fault)?, depthwise.cout());
    A::convolve(depthwise, taps, (source.columns, channels), Out::Code(out), channels)
}

/// The branch's own operators.
struct Own<'c> {
    /// Identity term and the narrowing for other outputs; a new branch has neither.
    before: Option<(Operator<'c>, Operator<'c>)>,
    act: Operator<'c>,
    row_len: usize,
}

impl Own<'_> {
    /// A row of pairs from the sum of the other terms in `acc`; before, it held the branch's stage norm.
    fn finish_pair<A: Arithmetic>(&self, acc: &mut [A::Sum], codes: &mut [A::Code], row: &mut [A::Wide]) -> Result<(), Fault> {
        if let Some((identity, narrow)) = &self.before {
            A::add_identity(identity, row, acc)?;
            A::narrow(narrow, row, codes)?;
        }
        let (narrowed, fused) = codes_of_mut::<A>(row)?.split_at_mut_checked(self.row_len).ok_or(Fault)?;
        copy_run(codes, narrowed);
        A::store_sum(&self.act, acc, fused)
    }

    /// A row of the output, from the sum of the other terms in `acc` and the branch's stage norm in `x`.
    fn finish<A: Arithmetic>(&self, acc: &mut [A::Sum], x: &[A::Wide], fused: &mut [A::Wide]) -> Result<(), Fault> {
        if let Some((identity, _)) = &self.before {
            A::add_identity(identity, x, acc)?;
        }
        A::store_sum(&self.act, acc, codes_of_mut::<A>(fused)?)
    }
}

/// Output `branch` of `module`. `x` holds the stage norms of the module before. In integers, rows of `x[branch]` become pairs of rows (see above), and those of
/// branches below `branch` have become pairs already; else the output goes to `fused`.
#[inline(never)] // its locals would lie on the stack of every other step
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    (network, size): (&Network, Size),
    (module, branch): (u8, u8),
    x: &mut [&mut [A::Wide]; BRANCHES],
    fused: &mut [A::Wide],
    work: &mut [u8],
) -> Result<(), Fault> {
    let (rows, columns) = size.map(usize::from(branch));
    let act = context.only(OpKind::FusionAct)?;
    let row_len = columns * act.cout();
    let inputs = network.spec.fusion_inputs(usize::from(module));
    let before = if usize::from(branch) < inputs {
        Some((context.reading(OpKind::FusionIdentity, branch)?, context.reading(OpKind::FusionNarrow, branch)?))
    } else {
        None
    };
    let own = Own { before, act, row_len };

    let mut sources: [&[A::Wide]; BRANCHES] = Default::default();
    let mut target: &mut [A::Wide] = &mut *fused;
    for ((b, x), source) in (0u8..).zip(x.iter_mut()).zip(&mut sources) {
        if b == branch && A::PAIRED {
            target = x;
        } else {
            *source = x;
        }
    }
    let before_row = |y: usize| match own.before {
        Some(_) => sources.get(usize::from(branch)).and_then(|x| x.get(y * row_len..(y + 1) * row_len)).ok_or(Fault),
        None => Ok(Default::default()),
    };
    let blocks = RowBlocks::new(rows, executor.workers(), ROW_ALIGN);
    rewrite(executor, target, blocks, (row_len, 0), work, &|range, mut block, scratch| {
        let mut slicer = ArenaSlicer::new(scratch);
        let acc = slicer.take::<A::Sum>(context.tile * row_len)?;
        let codes = slicer.take::<A::Code>(row_len)?;
        let mut terms: heapless::Vec<Term<'_, A>, BRANCHES> = heapless::Vec::new();
        for (from, x) in (0u8..).zip(sources).take(inputs).filter(|(from, _)| *from != branch) {
            terms.push(Term::new(context, size, (branch, from), range.start, x, &mut slicer)?).map_err(|_| Fault)?;
        }
        for tile in tiles(range, context.tile) {
            let acc = acc.get_mut(..tile.len() * row_len).ok_or(Fault)?;
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
    for (y, row) in made.runs(row_len).take(rows).enumerate() {
        let codes = codes_of::<A>(row)?;
        context.output_row(y, columns, A::Code::tile(codes.get(codes.len() - row_len..).ok_or(Fault)?));
    }
    Ok(())
}

/// Moves the fusion outputs of a region from their pairs (`row_len` codes each) to the region's second half, so that the first half is free.
pub fn gather_outputs<T: Copy>(region: &mut [T], row_len: usize) -> Result<(), Fault> {
    let rows = region.len() / 2 / row_len.max(1);
    for y in (0..rows.saturating_sub(1)).rev() {
        // Upwards, last row first: no row lands on one that has not moved.
        let (low, high) = region.split_at_mut_checked((rows + y) * row_len).ok_or(Fault)?;
        let from = low.get((2 * y + 1) * row_len..(2 * y + 2) * row_len).ok_or(Fault)?;
        copy_run(from, high);
    }
    Ok(())
}

/// Moves them back.
pub fn spread_outputs<T: Copy>(region: &mut [T], row_len: usize) -> Result<(), Fault> {
    let rows = region.len() / 2 / row_len.max(1);
    for y in 0..rows.saturating_sub(1) {
        let (low, high) = region.split_at_mut_checked((rows + y) * row_len).ok_or(Fault)?;
        let to = low.get_mut((2 * y + 1) * row_len..(2 * y + 2) * row_len).ok_or(Fault)?;
        copy_run(high, to);
    }
    Ok(())
}
