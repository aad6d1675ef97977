//! SegFormer head, folded: `conv_seg(ReLU(sum_b resize(W_b x_b)))`, then the label map straight from the resized logits.
//!
//! Logits are made a few columns at a time, a few rows per worker and wave; the label map's rows follow as soon as both rows of logits that they lie between exist.

use hrvit_format::{BRANCHES, Logit, Network, OpKind, Size};
use hrvit_kernels::{Phase, Tiles, phase};

use crate::{
    arena::{ArenaSlicer, padded_bytes},
    arithmetic::{Arithmetic, Element, Mixed, Out, Part, clear, logits},
    error::Fault,
    observe::TileData,
    operator::{Operator, StepContext},
    plan::MAX_WORKERS,
    rows::{RowBlocks, Runs, copy_run, run_jobs},
    schedule::Executor,
};

/// Logits are at 1/4 of the input.
pub const LOGITS_FACTOR: usize = 4;
/// Rows between which a resize mixes.
const PAIR: usize = 2;
/// Columns of a unit of tiles; divides every map's width.
pub const TILE_UNIT: usize = 8;

/// Columns of logits that are made at a time: the most, up to `tile` units, that divide the width.
fn tile_columns(size: Size, tile: usize) -> usize {
    let units = size.map(0).1 / TILE_UNIT;
    let tile = (1..=tile.min(units)).rev().find(|&tile| units.is_multiple_of(tile));
    tile.unwrap_or(1) * TILE_UNIT
}

/// Bytes of one worker's buffers.
fn lane_scratch<A: Arithmetic>(network: &Network, size: Size, tile: usize) -> usize {
    let tile = tile_columns(size, tile);
    let width = usize::from(network.spec.head_width);
    let columns = |branch: usize| size.map(branch).1;
    let terms = (1..BRANCHES).map(|branch| padded_bytes::<A::Wide>(PAIR.min(size.map(branch).0) * columns(branch) * width));
    padded_bytes::<A::Wide>(tile * width) + padded_bytes::<A::Sum>(tile * width) + padded_bytes::<A::Code>(tile * width) + terms.sum::<usize>()
}

/// Rows of logits that a worker makes one after the other. Several workers do not wait for each other after every row; rows of lower resolution under neighbouring rows
/// are the same.
fn rows_each(workers: usize) -> usize {
    if workers > 1 { 4 } else { 1 }
}

/// Rows of logits that exist at a time: one wave, and the one before it.
fn line_rows(workers: usize) -> usize {
    workers * rows_each(workers) + 1
}

/// Bytes of scratch for tiles of `tile` times [`TILE_UNIT`] columns of one row of logits.
pub fn scratch<A: Arithmetic>(network: &Network, size: Size, workers: usize, tile: usize) -> usize {
    padded_bytes::<A::Wide>(line_rows(workers) * size.map(0).1 * usize::from(network.classes)) + workers * lane_scratch::<A>(network, size, tile)
}

/// The term of a branch of lower resolution: the last two rows made, found by their number.
struct Term<'a, 'c, A: Arithmetic> {
    pointwise: &'a Operator<'c>,
    x: &'a [A::Code],
    map: (usize, usize),
    factor: usize,
    rows: &'a mut [A::Wide],
    held: [Option<usize>; PAIR],
}

impl<'c, A: Arithmetic> Term<'_, 'c, A> {
    fn row(&self, y: usize) -> Result<&[A::Wide], Fault> {
        let len = self.map.1 * self.pointwise.cout();
        let slot = y % PAIR * len;
        self.rows.get(slot..slot + len).ok_or(Fault)
    }

    /// Makes the rows that row `y` of the output lies between.
    fn prepare(&mut self, context: &StepContext<'c>, y: usize) -> Result<(), Fault> {
        let (rows, columns) = self.map;
        let at = phase(y, self.factor, rows);
        let (row_len, len) = (columns * usize::from(self.pointwise.shape.cin), columns * self.pointwise.cout());
        for source in [at.near, at.far] {
            let held = self.held.get_mut(source % PAIR).ok_or(Fault)?;
            if *held == Some(source) {
                continue;
            }
            let x = self.x.get(source * row_len..(source + 1) * row_len).ok_or(Fault)?;
            let slot = source % PAIR * len;
            let out = self.rows.get_mut(slot..slot + len).ok_or(Fault)?;
            A::product(self.pointwise, x, Part::All, Out::Wide(out))?;
            context.tap(self.pointwise, (source, 0, columns), A::Wide::tile(out));
            *held = Some(source);
        }
        Ok(())
    }

    /// Adds the columns of row `y` from `first` on to `acc`.
    fn add(&self, y: usize, first: usize, acc: &mut [A::Sum]) -> Result<(), Fault> {
        let at = phase(y, self.factor, self.map.0);
        let (upper, lower) = (self.row(at.near)?, self.row(at.far)?);
        let rows = Mixed { upper, lower, at, channels: self.pointwise.cout(), factor: self.factor };
        A::add_resized(self.pointwise.kernels, &rows, first, acc)
    }
}

/// Phase of a row that is not resized, between itself and itself.
const UNRESIZED: Phase = Phase { near: 0, far: 0, near_weight: 1, far_weight: 1 };

/// The head's operators, shared by all workers.
struct Operators<'c> {
    pointwise: [Operator<'c>; BRANCHES],
    act: Operator<'c>,
    classifier: Operator<'c>,
}

impl<'c> Operators<'c> {
    fn of(context: &StepContext<'c>) -> Result<Self, Fault> {
        let pointwise = |source| context.reading(OpKind::HeadPointwise, source);
        Ok(Self {
            pointwise: [pointwise(0)?, pointwise(1)?, pointwise(2)?, pointwise(3)?],
            act: context.only(OpKind::HeadAct)?,
            classifier: context.only(OpKind::HeadClassifier)?,
        })
    }
}

/// One worker: makes whole rows of logits, a tile of columns at a time.
struct Lane<'a, 'c, A: Arithmetic> {
    pointwise: &'a Operator<'c>,
    x: &'a [A::Code],
    /// Columns of a tile.
    tile: usize,
    own: &'a mut [A::Wide],
    terms: heapless::Vec<Term<'a, 'c, A>, { BRANCHES - 1 }>,
    act: &'a Operator<'c>,
    classifier: &'a Operator<'c>,
    acc: &'a mut [A::Sum],
    activated: &'a mut [A::Code],
}

impl<'a, 'c, A: Arithmetic> Lane<'a, 'c, A> {
    fn new(operators: &'a Operators<'c>, size: Size, tile: usize, x: &[&'a [A::Code]; BRANCHES], slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let Operators { pointwise: [own_pointwise, pointwise @ ..], act, classifier } = operators;
        let width = act.cout();
        let [first, lower @ ..] = x;
        let (own, acc, activated) = (slicer.take(tile * width)?, slicer.take(tile * width)?, slicer.take(tile * width)?);
        let mut terms = heapless::Vec::new();
        for (source, (x, pointwise)) in (1..).zip(lower.iter().zip(pointwise)) {
            let map = size.map(source);
            let rows = slicer.take(PAIR.min(map.0) * map.1 * width)?;
            terms.push(Term { pointwise, x, map, factor: 1 << source, rows, held: [None; PAIR] }).map_err(|_| Fault)?;
        }
        Ok(Self { pointwise: own_pointwise, x: first, tile, own, terms, act, classifier, acc, activated })
    }

    /// Row `y` of the logits, `[columns, classes]`.
    fn make(&mut self, context: &StepContext<'c>, y: usize, out: &mut [A::Wide]) -> Result<(), Fault> {
        for term in &mut self.terms {
            term.prepare(context, y)?;
        }
        let (columns, classes) = (self.tile, self.classifier.cout());
        let tile_len = columns * usize::from(self.pointwise.shape.cin);
        let tiles = out.len() / (columns * classes).max(1);
        for (tile, out) in out.runs_mut(columns * classes).enumerate() {
            let at = (y * tiles + tile) * tile_len;
            let x = self.x.get(at..at + tile_len).ok_or(Fault)?;
            A::product(self.pointwise, x, Part::All, Out::Wide(self.own))?;
            context.tap(self.pointwise, (y, tile * columns, columns), A::Wide::tile(self.own));
            clear(self.acc);
            let own = Mixed { upper: &*self.own, lower: &*self.own, at: UNRESIZED, channels: self.pointwise.cout(), factor: 1 };
            A::add_resized(self.pointwise.kernels, &own, 0, self.acc)?;
            for term in &self.terms {
                term.add(y, tile * columns, self.acc)?;
            }
            A::store_sum(self.act, self.acc, self.activated)?;
            context.tap(self.act, (y, tile * columns, columns), A::Code::tile(self.activated));
            A::product(self.classifier, self.activated, Part::All, Out::Wide(out))?;
        }
        Ok(())
    }
}

/// Where the rows of logits go.
pub enum Output<'o, 'c, 'w> {
    /// All of them, `[rows, columns, classes]`.
    Logits(&'o mut [Logit]),
    /// Into the label map at the input's size, `[height, width]`, watched as a step of its own.
    Labels(&'o mut [u8], &'w StepContext<'c>),
}

/// The head over the last stage norms, narrowed by [`OpKind::HeadNarrow`], `x`.
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    (network, size): (&Network, Size),
    x: &[&[A::Code]; BRANCHES],
    work: &mut [u8],
    output: &mut Output<'_, '_, '_>,
) -> Result<(), Fault> {
    let (rows, columns) = size.map(0);
    let row_len = columns * usize::from(network.classes);
    let workers = executor.workers();
    let (operators, tile) = (Operators::of(context)?, tile_columns(size, context.tile));
    let mut slicer = ArenaSlicer::new(work);
    let lines = slicer.take::<A::Wide>(line_rows(workers) * row_len)?;
    let mut lanes: heapless::Vec<Lane<'_, '_, A>, MAX_WORKERS> = heapless::Vec::new();
    for _ in 0..workers {
        lanes.push(Lane::new(&operators, size, tile, x, &mut slicer)?).map_err(|_| Fault)?;
    }
    // The first line is the last row of the wave before.
    let mut done = 0;
    let each = rows_each(workers);
    while done < rows {
        let wave = (workers * each).min(rows - done);
        let (_, fresh) = lines.split_at_mut_checked(row_len).ok_or(Fault)?;
        let fresh = fresh.get_mut(..wave * row_len).ok_or(Fault)?;
        {
            let (lanes, out) = (Tiles::new(&mut lanes, 1), Tiles::new(&mut *fresh, each * row_len));
            run_jobs(executor, wave.div_ceil(each.max(1)), &mut [], &|job, _| {
                let lane = lanes.claim(job).and_then(<[_]>::first_mut).ok_or(Fault)?;
                let rows = out.claim(job).ok_or(Fault)?.runs_mut(row_len);
                (done + job * each..).zip(rows).try_for_each(|(y, row)| lane.make(context, y, row))
            })?;
        }
        for (y, row) in fresh.runs(row_len).enumerate() {
            context.output_row(done + y, columns, A::Wide::tile(row));
        }
        match output {
            Output::Logits(out) => {
                let out = out.get_mut(done * row_len..).ok_or(Fault)?;
                copy_run(logits::<A>(fresh)?, out);
            }
            Output::Labels(out, labelled) => {
                let held = Held::<A> { lines, first: done, row_len, rows, classes: network.classes.into() };
                held.labels(executor, done + wave, out, labelled)?;
            }
        }
        let (before, fresh) = lines.split_at_mut_checked(row_len).ok_or(Fault)?;
        before.iter_mut().zip(fresh.get((wave - 1) * row_len..).ok_or(Fault)?).for_each(|(to, from)| *to = *from);
        done += wave;
    }
    Ok(())
}

/// Rows of logits in memory: row `first - 1`, then those of the wave from `first` on.
struct Held<'a, A: Arithmetic> {
    lines: &'a [A::Wide],
    first: usize,
    row_len: usize,
    rows: usize,
    classes: usize,
}

impl<A: Arithmetic> Held<'_, A> {
    fn row(&self, y: usize) -> Result<&[A::Wide], Fault> {
        let at = (y + 1).checked_sub(self.first).ok_or(Fault)? * self.row_len;
        self.lines.get(at..at + self.row_len).ok_or(Fault)
    }

    /// First row of labels that needs a row of logits from `made` on.
    fn labels_before(&self, made: usize) -> usize {
        if made >= self.rows { LOGITS_FACTOR * self.rows } else { (LOGITS_FACTOR * made).saturating_sub(LOGITS_FACTOR / 2) }
    }

    /// The rows of labels that this wave, which ends before row `made`, makes possible.
    fn labels(&self, executor: &dyn Executor, made: usize, labels: &mut [u8], context: &StepContext<'_>) -> Result<(), Fault> {
        let width = LOGITS_FACTOR * self.row_len / self.classes.max(1);
        let range = self.labels_before(self.first)..self.labels_before(made);
        let out = labels.get_mut(range.start * width..range.end * width).ok_or(Fault)?;
        {
            let blocks = RowBlocks::new(range.len(), executor.workers(), 1);
            let tiles = Tiles::new(&mut *out, blocks.tallest() * width);
            run_jobs(executor, blocks.jobs(), &mut [], &|job, _| {
                let out = tiles.claim(job).ok_or(Fault)?;
                (range.start + blocks.range(job).start..).zip(out.runs_mut(width)).try_for_each(|(y, out)| {
                    let at = phase(y, LOGITS_FACTOR, self.rows);
                    let upper = self.row(at.near)?;
                    // The first rows lie before the middle of row 0 and mix nothing.
                    let lower = if at.far_weight == 0 { upper } else { self.row(at.far)? };
                    A::labels(context.kernels, &Mixed { upper, lower, at, channels: self.classes, factor: LOGITS_FACTOR }, out)
                })
            })?;
        }
        for (y, row) in out.runs(width).enumerate() {
            context.output_row(range.start + y, width, TileData::U8(row));
        }
        Ok(())
    }
}
