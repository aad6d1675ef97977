//! HRNetV2's classification head: bottlenecks per branch, summed from high to low resolution, then mean and linear classifier.
//!
//! The four branches are a chain: a row of one needs three rows of the one before, which are made when they are needed. No map of the head is ever whole.
//! Workers share the tokens of a row.

use hrvit_format::{BRANCHES, Logit, Network, OpKind, Size, spec};
use hrvit_kernels::Tiles;

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Out, Part, clear, logits as logits_of},
    error::Fault,
    operator::{Operator, StepContext},
    ring::Ring,
    rows::{RowBlocks, Runs, run_jobs},
    schedule::Executor,
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

/// Lengths of the buffers that all branches share, one at work at a time: patches, middle, and two sums.
fn shared_lens(size: Size) -> [usize; 3] {
    let widest = |len: &dyn Fn(usize, usize) -> usize| (0..BRANCHES).map(|branch| len(branch, size.map(branch).1)).max().unwrap_or(0);
    [
        widest(&|branch, columns| columns * TAPS * width(branch).max(branch.checked_sub(1).map_or(0, out_channels))),
        widest(&|branch, columns| columns * width(branch)),
        widest(&|branch, columns| columns * out_channels(branch)),
    ]
}

/// Bytes of scratch.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size) -> usize {
    let [patches, middle, sum] = shared_lens(size);
    let rings = (0..BRANCHES).map(|branch| {
        let columns = size.map(branch).1;
        padded_bytes::<A::Code>(ROWS * columns * width(branch)) + padded_bytes::<A::Code>(ROWS * columns * out_channels(branch))
    });
    let features = usize::from(spec::CLASSIFIER_FINAL);
    let classify = padded_bytes::<A::Code>(size.map(BRANCHES - 1).1 * features)
        + padded_bytes::<A::Sum>(features)
        + padded_bytes::<A::Wide>(features)
        + padded_bytes::<A::Wide>(usize::from(network.classes));
    rings.sum::<usize>() + padded_bytes::<A::Code>(patches) + padded_bytes::<A::Code>(middle) + 2 * padded_bytes::<A::Sum>(sum) + classify
}

/// Buffers that the branches share.
struct Shared<'a, A: Arithmetic> {
    patches: &'a mut [A::Code],
    middle: &'a mut [A::Code],
    sum: &'a mut [A::Sum],
    down: &'a mut [A::Sum],
}

/// Products of a row of tokens, [`Operator::cout`] values each, shared out among the workers.
fn product<A: Arithmetic>(executor: &dyn Executor, operator: &Operator<'_>, a: &[A::Code], out: &mut [A::Code]) -> Result<(), Fault> {
    let (cin, cout) = (operator.shape.depth(), operator.cout());
    let tokens = RowBlocks::new(a.len() / cin.max(1), executor.workers(), 1);
    let out = Tiles::new(out, tokens.tallest() * cout);
    run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
        let range = tokens.range(job);
        let a = a.get(range.start * cin..range.end * cin).ok_or(Fault)?;
        A::product(operator, a, Part::All, Out::Code(out.claim(job).ok_or(Fault)?))
    })
}

/// One branch of the chain: the rows of its first convolution and of its result that are in flight. All levels are on the stack at once, so that operators are
/// looked up where they are used, in functions that have returned before the next level begins.
struct Level<'a, 'c, A: Arithmetic> {
    context: &'a StepContext<'c>,
    x: &'a [A::Code],
    map: (usize, usize),
    lines: Ring<'a, A::Code>,
    out: Ring<'a, A::Code>,
}

impl<'a, 'c, A: Arithmetic> Level<'a, 'c, A> {
    fn new(context: &'a StepContext<'c>, size: Size, branch: usize, x: &'a [A::Code], slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let map = size.map(branch);
        let (inner, outer) = (map.1 * width(branch), map.1 * out_channels(branch));
        Ok(Self { context, x, map, lines: Ring::new(slicer.take(ROWS * inner)?, inner, 0), out: Ring::new(slicer.take(ROWS * outer)?, outer, 0) })
    }

    /// The bottleneck's row `y` into the sum.
    #[inline(never)]
    fn bottleneck(&mut self, executor: &dyn Executor, y: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let Self { context, x, lines, .. } = self;
        let (conv1, conv2) = (&context.only(OpKind::IncreaseConv1)?, &context.only(OpKind::IncreaseConv2)?);
        let (conv3, shortcut) = (&context.only(OpKind::IncreaseConv3)?, &context.only(OpKind::IncreaseShortcut)?);
        let cin = usize::from(conv1.shape.cin);
        let row = |y: usize| x.get(y * columns * cin..(y + 1) * columns * cin).ok_or(Fault);
        while let Some((at, line)) = lines.next_up_to((y + 1).min(rows - 1)) {
            product::<A>(executor, conv1, row(at)?, line)?;
            context.tap(conv1, (at, 0, columns), A::Code::tile(line));
        }
        let window = lines.window(y, ROWS, rows)?;
        let patches = shared.patches.get_mut(..columns * TAPS * conv1.cout()).ok_or(Fault)?;
        A::patches(conv2.kernels, *window.first_chunk().ok_or(Fault)?, conv1.cout(), 1, conv2.pad(), patches)?;
        let middle = shared.middle.get_mut(..columns * conv2.cout()).ok_or(Fault)?;
        product::<A>(executor, conv2, patches, middle)?;
        context.tap(conv2, (y, 0, columns), A::Code::tile(middle));

        let (middle, row): (&[A::Code], _) = (middle, row(y)?);
        let tokens = RowBlocks::new(columns, executor.workers(), 1);
        let sums = Tiles::new(shared.sum.get_mut(..columns * conv3.cout()).ok_or(Fault)?, tokens.tallest() * conv3.cout());
        run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
            let (range, sum) = (tokens.range(job), sums.claim(job).ok_or(Fault)?);
            clear(sum);
            let middle = middle.get(range.start * conv2.cout()..range.end * conv2.cout()).ok_or(Fault)?;
            A::product(conv3, middle, Part::All, Out::AddSum(sum))?;
            let x = row.get(range.start * cin..range.end * cin).ok_or(Fault)?;
            A::product(shortcut, x, Part::All, Out::AddSum(sum))?;
            A::relu_sums(conv3.kernels, sum)
        })
    }

    /// Adds the downsampled rows of the branch before to row `y` of the sum.
    #[inline(never)]
    fn add_downsampled(&self, executor: &dyn Executor, before: &Level<'_, '_, A>, y: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
        let downsample = &self.context.only(OpKind::IncreaseDownsample)?;
        let window = before.out.window(2 * y, ROWS, before.map.0)?;
        let (columns, cin, cout) = (self.map.1, usize::from(downsample.shape.cin), downsample.cout());
        let patches = shared.patches.get_mut(..columns * TAPS * cin).ok_or(Fault)?;
        A::patches(downsample.kernels, *window.first_chunk().ok_or(Fault)?, cin, 2, downsample.pad(), patches)?;

        let patches: &[A::Code] = patches;
        let tokens = RowBlocks::new(columns, executor.workers(), 1);
        let downs = Tiles::new(shared.down.get_mut(..columns * cout).ok_or(Fault)?, tokens.tallest() * cout);
        let sums = Tiles::new(shared.sum.get_mut(..columns * cout).ok_or(Fault)?, tokens.tallest() * cout);
        run_jobs(executor, tokens.jobs(), &mut [], &|job, _| {
            let (range, down, sum) = (tokens.range(job), downs.claim(job).ok_or(Fault)?, sums.claim(job).ok_or(Fault)?);
            clear(down);
            let patches = patches.get(range.start * TAPS * cin..range.end * TAPS * cin).ok_or(Fault)?;
            A::product(downsample, patches, Part::All, Out::AddSum(down))?;
            A::relu_sums(downsample.kernels, down)?;
            A::add_sums(downsample.kernels, sum, down)
        })
    }

    /// Row `y` of the result, from the sum.
    #[inline(never)]
    fn store(&mut self, y: usize, shared: &Shared<'_, A>) -> Result<(), Fault> {
        let act = self.context.only(OpKind::IncreaseAct)?;
        let sum = shared.sum.get(..self.map.1 * act.cout()).ok_or(Fault)?;
        let (_, out) = self.out.next_up_to(y).ok_or(Fault)?;
        A::store_sum(&act, sum, out)?;
        self.context.output_row(y, self.map.1, A::Code::tile(out));
        Ok(())
    }
}

/// Makes the rows of the last of `levels` up to `last`, and before each what it needs of the levels before.
fn advance<A: Arithmetic>(executor: &dyn Executor, levels: &mut [Level<'_, '_, A>], last: usize, shared: &mut Shared<'_, A>) -> Result<(), Fault> {
    let Some((level, before)) = levels.split_last_mut() else { return Ok(()) };
    while let Some(y) = level.out.peek_up_to(last.min(level.map.0 - 1)) {
        advance(executor, before, 2 * y + 1, shared)?;
        level.bottleneck(executor, y, shared)?;
        if let Some(before) = before.last() {
            level.add_downsampled(executor, before, y, shared)?;
        }
        level.store(y, shared)?;
    }
    Ok(())
}

/// The head over the last stage norms, narrowed by [`OpKind::IncreaseNarrow`], `x`; `branches` are the contexts of its four bottlenecks, `last` that of the classifier. Calls `done` with the logits.
pub fn run<A: Arithmetic>(
    branches: &[StepContext<'_>; BRANCHES],
    last: &StepContext<'_>,
    executor: &dyn Executor,
    size: Size,
    x: &[&[A::Code]; BRANCHES],
    work: &mut [u8],
    done: &mut dyn FnMut(&[Logit]),
) -> Result<(), Fault> {
    let mut slicer = ArenaSlicer::new(work);
    let mut levels: heapless::Vec<Level<'_, '_, A>, BRANCHES> = heapless::Vec::new();
    for (branch, (context, x)) in branches.iter().zip(x).enumerate() {
        levels.push(Level::new(context, size, branch, x, &mut slicer)?).map_err(|_| Fault)?;
    }
    let [patches, middle, sum] = shared_lens(size);
    let mut shared = Shared::<A> { patches: slicer.take(patches)?, middle: slicer.take(middle)?, sum: slicer.take(sum)?, down: slicer.take(sum)? };
    let (conv, linear) = (last.only(OpKind::FinalConv)?, last.only(OpKind::FinalLinear)?);
    let (features, sums, mean, logits) = (
        slicer.take::<A::Code>(size.map(BRANCHES - 1).1 * conv.cout())?,
        slicer.take::<A::Sum>(conv.cout())?,
        slicer.take::<A::Wide>(conv.cout())?,
        slicer.take::<A::Wide>(linear.cout())?,
    );
    clear(sums);
    let (rows, columns) = size.map(BRANCHES - 1);
    for y in 0..rows {
        advance(executor, &mut levels, y, &mut shared)?;
        product::<A>(executor, &conv, levels.last().ok_or(Fault)?.out.row(y)?, features)?;
        for token in features.runs(conv.cout()) {
            A::add_mean(&conv, sums, token)?;
        }
    }
    A::finish_mean(last.kernels, sums, (rows * columns) as u32, mean)?;
    last.tap(&conv, (0, 0, 1), A::Wide::tile(mean));
    A::linear(&linear, mean, logits)?;
    last.output_row(0, 1, A::Wide::tile(logits));
    done(logits_of::<A>(logits)?);
    Ok(())
}
