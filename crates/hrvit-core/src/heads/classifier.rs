//! HRNetV2's classification head: bottlenecks per branch, summed from high to low resolution, then
//! mean and linear classifier.
//!
//! The four branches are a chain: a row of one branch needs three rows of the previous branch,
//! which are made on demand. No whole map of the head exists. Workers share the tokens of a row.

use hrvit_format::{BRANCHES, Logit, OpKind, spec};
use hrvit_kernels::Tiles;

use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Out, Part},
    element::clear,
    fault::Fault,
    geometry::{Geometry, MapSize},
    operator::{Operator, StepContext},
    ring::Ring,
    rows::{RowBlocks, run_jobs},
    schedule::Executor,
    slices::{Slices, cast, elements_of},
};

/// Rows that a 3x3 convolution looks at.
const ROWS: usize = 3;
/// Elements of a patch per input channel.
const TAPS: usize = 9;

fn width(branch: usize) -> usize {
    spec::CLASSIFIER_WIDTHS.get(branch).map_or(0, |&width| usize::from(width))
}

fn out_channels(branch: usize) -> usize {
    usize::from(spec::BOTTLENECK_EXPANSION) * width(branch)
}

/// Rows in flight of one branch.
struct LevelBuffers<'a, A: Arithmetic> {
    lines: &'a mut [A::Code],
    out: &'a mut [A::Code],
}

/// Buffers that the branches share, one at work at a time.
struct Shared<'a, A: Arithmetic> {
    patches: &'a mut [A::Code],
    middle: &'a mut [A::Code],
    sum: &'a mut [A::Sum],
    down: &'a mut [A::Sum],
}

/// Buffers behind the last branch.
struct Pooled<'a, A: Arithmetic> {
    /// Features of a row of tokens.
    features: &'a mut [A::Code],
    sums: &'a mut [A::Sum],
    mean: &'a mut [A::Wide],
    logits: &'a mut [A::Wide],
}

/// Cuts all buffers of the head, and hands those of each branch to `level`, from high to low
/// resolution.
fn cut<'a, A: Arithmetic>(
    geometry: &Geometry<'_>,
    slicer: &mut ArenaSlicer<'a>,
    mut level: impl FnMut(usize, LevelBuffers<'a, A>) -> Result<(), Fault>,
) -> Result<(Shared<'a, A>, Pooled<'a, A>), Fault> {
    let columns = |branch: usize| geometry.map(branch).columns;
    for branch in 0..BRANCHES {
        let lines = slicer.take([ROWS, columns(branch), width(branch)])?;
        level(branch, LevelBuffers { lines, out: slicer.take([ROWS, columns(branch), out_channels(branch)])? })?;
    }
    let widest = |channels: &dyn Fn(usize) -> usize| (0..BRANCHES).map(|branch| columns(branch) * channels(branch)).max().unwrap_or(0);
    let before = |branch: usize| branch.checked_sub(1).map_or(0, out_channels);
    let sum = widest(&out_channels);
    let shared = Shared {
        patches: slicer.take([TAPS, widest(&|branch| width(branch).max(before(branch)))])?,
        middle: slicer.take([widest(&width)])?,
        sum: slicer.take([sum])?,
        down: slicer.take([sum])?,
    };
    let features = usize::from(spec::CLASSIFIER_FINAL);
    let pooled = Pooled {
        features: slicer.take([columns(BRANCHES - 1), features])?,
        sums: slicer.take([features])?,
        mean: slicer.take([features])?,
        logits: slicer.take([geometry.network.classes.into()])?,
    };
    Ok((shared, pooled))
}

/// Bytes of scratch.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>) -> usize {
    ArenaSlicer::measure(|slicer| cut::<A>(geometry, slicer, |_, _| Ok(())))
}

/// Products of a row of tokens, [`Operator::cout`] values each, shared out among the workers.
fn product<A: Arithmetic>(executor: &dyn Executor, operator: &Operator<'_>, a: &[A::Code], out: &mut [A::Code]) -> Result<(), Fault> {
    let (cin, cout) = (operator.shape.depth(), operator.cout());
    let tokens = RowBlocks::new(a.len() / cin.max(1), executor.workers(), 1);
    let out = Tiles::new(out, tokens.tallest() * cout);
    run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
        let range = tokens.range(job);
        let a = a.part(elements_of(&range, cin))?;
        A::product(operator, a, Part::All, Out::Code(out.claim(job).ok_or(Fault)?))
    })
}

/// One branch of the chain: the rows of its first convolution and of its result that are in flight.
/// All levels are on the stack at once. Operators are therefore looked up in functions that return
/// before the next level begins.
struct Level<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    x: &'a [A::Code],
    map: MapSize,
    lines: Ring<'a, A::Code>,
    out: Ring<'a, A::Code>,
}

impl<'a, 'c, A: Arithmetic> Level<'a, 'c, A> {
    fn new(context: &'a StepContext<'c>, branch: usize, x: &'a [A::Code], LevelBuffers { lines, out }: LevelBuffers<'a, A>) -> Self {
        let map = context.geometry.map(branch);
        let (lines, out) = (Ring::new(lines, map.columns * width(branch), 0), Ring::new(out, map.columns * out_channels(branch), 0));
        Self { context, x, map, lines, out }
    }

    /// The bottleneck's row `y` into the sum.
    #[inline(never)]
    fn bottleneck(&mut self, executor: &dyn Executor, y: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
        let MapSize { rows, columns } = self.map;
        let Self { context, x, lines, .. } = self;
        let (conv1, conv2) = (&context.only(OpKind::IncreaseConv1)?, &context.only(OpKind::IncreaseConv2)?);
        let (conv3, shortcut) = (&context.only(OpKind::IncreaseConv3)?, &context.only(OpKind::IncreaseShortcut)?);
        let cin = usize::from(conv1.shape.cin);
        let row = |y: usize| x.row(y, columns * cin);
        while let Some((at, line)) = lines.next_up_to((y + 1).min(rows - 1)) {
            product::<A>(executor, conv1, row(at)?, line)?;
            context.tap_rows(conv1, at, columns, line);
        }
        let window = lines.window(y, ROWS, rows)?;
        let patches = shared.patches.part_mut(..columns * TAPS * conv1.cout())?;
        A::patches(conv2.kernels, *window.first_chunk().ok_or(Fault)?, conv1.cout(), 1, conv2.pad(), patches)?;
        let middle = shared.middle.part_mut(..columns * conv2.cout())?;
        product::<A>(executor, conv2, patches, middle)?;
        context.tap_rows(conv2, y, columns, middle);

        let (middle, row): (&[A::Code], _) = (middle, row(y)?);
        let tokens = RowBlocks::new(columns, executor.workers(), 1);
        let sums = Tiles::new(shared.sum.part_mut(..columns * conv3.cout())?, tokens.tallest() * conv3.cout());
        run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
            let (range, sum) = (tokens.range(job), sums.claim(job).ok_or(Fault)?);
            clear(sum);
            let middle = middle.part(elements_of(&range, conv2.cout()))?;
            A::product(conv3, middle, Part::All, Out::AddSum(sum))?;
            let x = row.part(elements_of(&range, cin))?;
            A::product(shortcut, x, Part::All, Out::AddSum(sum))?;
            A::relu_sums(conv3.kernels, sum)
        })
    }

    /// Adds the downsampled rows of the previous branch to row `y` of the sum.
    #[inline(never)]
    fn add_downsampled(&self, executor: &dyn Executor, before: &Level<'_, '_, A>, y: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
        let downsample = &self.context.only(OpKind::IncreaseDownsample)?;
        let window = before.out.window(2 * y, ROWS, before.map.rows)?;
        let (columns, cin, cout) = (self.map.columns, usize::from(downsample.shape.cin), downsample.cout());
        let patches = shared.patches.part_mut(..columns * TAPS * cin)?;
        A::patches(downsample.kernels, *window.first_chunk().ok_or(Fault)?, cin, 2, downsample.pad(), patches)?;

        let patches: &[A::Code] = patches;
        let tokens = RowBlocks::new(columns, executor.workers(), 1);
        let downs = Tiles::new(shared.down.part_mut(..columns * cout)?, tokens.tallest() * cout);
        let sums = Tiles::new(shared.sum.part_mut(..columns * cout)?, tokens.tallest() * cout);
        run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
            let (range, down, sum) = (tokens.range(job), downs.claim(job).ok_or(Fault)?, sums.claim(job).ok_or(Fault)?);
            clear(down);
            let patches = patches.part(elements_of(&range, TAPS * cin))?;
            A::product(downsample, patches, Part::All, Out::AddSum(down))?;
            A::relu_sums(downsample.kernels, down)?;
            A::add_sums(downsample.kernels, sum, down)
        })
    }

    /// Row `y` of the result, from the sum.
    #[inline(never)]
    fn store(&mut self, y: usize, shared: &Shared<'_, A>) -> Result<(), Fault> {
        let act = self.context.only(OpKind::IncreaseAct)?;
        let sum = shared.sum.part(..self.map.columns * act.cout())?;
        let (_, out) = self.out.next_up_to(y).ok_or(Fault)?;
        A::store_sum(&act, sum, out)?;
        self.context.output_row(y, self.map.columns, out);
        Ok(())
    }
}

/// Makes the rows of the last level up to row `last`. Before each row it makes the rows of earlier
/// levels that this row needs.
fn advance<A: Arithmetic>(executor: &dyn Executor, levels: &mut [Level<'_, '_, A>], last: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
    let Some((level, before)) = levels.split_last_mut() else { return Ok(()) };
    while let Some(y) = level.out.peek_up_to(last.min(level.map.rows - 1)) {
        advance(executor, before, 2 * y + 1, shared)?;
        level.bottleneck(executor, y, shared)?;
        if let Some(before) = before.last() {
            level.add_downsampled(executor, before, y, shared)?;
        }
        level.store(y, shared)?;
    }
    Ok(())
}

/// The head on `x`, the last stage norms narrowed by [`OpKind::IncreaseNarrow`]. `branches` are the
/// contexts of its four bottlenecks, `last` is the context of the classifier. Calls `done` with the
/// logits.
pub fn run<A: Arithmetic>(
    branches: &[StepContext<'_>; BRANCHES],
    last: &StepContext<'_>,
    executor: &dyn Executor,
    x: &[&[A::Code]; BRANCHES],
    work: &mut [u8],
    done: &mut dyn FnMut(&[Logit]),
) -> Result<(), Fault> {
    let mut slicer = ArenaSlicer::new(work);
    let mut levels: heapless::Vec<Level<'_, '_, A>, BRANCHES> = heapless::Vec::new();
    let (mut shared, Pooled { features, sums, mean, logits }) = cut(&last.geometry, &mut slicer, |branch, buffers| {
        let (context, x) = (branches.get(branch).ok_or(Fault)?, x.get(branch).ok_or(Fault)?);
        levels.push(Level::new(context, branch, x, buffers)).map_err(|_| Fault)
    })?;
    let (conv, linear) = (last.only(OpKind::FinalConv)?, last.only(OpKind::FinalLinear)?);
    clear(sums);
    let MapSize { rows, columns } = last.geometry.map(BRANCHES - 1);
    for y in 0..rows {
        advance(executor, &mut levels, y, &mut shared)?;
        product::<A>(executor, &conv, levels.last().ok_or(Fault)?.out.row(y)?, features)?;
        for token in features.runs(conv.cout()) {
            A::add_mean(&conv, sums, token)?;
        }
    }
    A::finish_mean(last.kernels, sums, (rows * columns) as u32, mean)?;
    last.tap_rows(&conv, 0, 1, mean);
    A::linear(&linear, mean, logits)?;
    last.output_row(0, 1, logits);
    done(cast(logits)?);
    Ok(())
}
