//! SegFormer head, folded: `conv_seg(ReLU(sum_b resize(W_b x_b)))`. The label map follows directly
//! from the resized logits.
//!
//! Logits are made a few columns at a time, a few rows per worker and wave. A row of the label map
//! follows as soon as the rows of logits on both sides exist.

use hrvit_format::{BRANCHES, Logit, OpKind};
use hrvit_kernels::{Phase, Tiles, phase};

use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Mixed, Out, Part},
    element::clear,
    fault::Fault,
    geometry::{Geometry, MapSize},
    heads::labels::{Held, LabelMap},
    operator::{Operator, StepContext},
    rows::run_jobs,
    schedule::{Executor, MAX_WORKERS},
    slices::{Slices, cast, copy_run},
};

/// Rows between which a resize interpolates.
const PAIR: usize = 2;
/// Columns of a unit of a tile's width. It divides the width of the logits.
pub const TILE_UNIT: usize = 8;

/// Columns of logits that are made at a time: the most, up to `tile` units, that divide the width.
fn tile_columns(geometry: &Geometry<'_>) -> usize {
    let units = geometry.map(0).columns / TILE_UNIT;
    let tile = (1..=geometry.tile.min(units)).rev().find(|&tile| units.is_multiple_of(tile));
    tile.unwrap_or(1) * TILE_UNIT
}

/// One worker's buffers.
struct LaneBuffers<'a, A: Arithmetic> {
    own: &'a mut [A::Wide],
    acc: &'a mut [A::Sum],
    activated: &'a mut [A::Code],
    /// Rows of the terms of lower resolution, from branch 1 on.
    terms: [&'a mut [A::Wide]; BRANCHES - 1],
}

impl<'a, A: Arithmetic> LaneBuffers<'a, A> {
    fn cut(geometry: &Geometry<'_>, slicer: &mut ArenaSlicer<'a>) -> Result<Self, Fault> {
        let (tile, width) = (tile_columns(geometry), usize::from(geometry.network.spec.head_width));
        let (own, acc, activated) = (slicer.take([tile, width])?, slicer.take([tile, width])?, slicer.take([tile, width])?);
        let mut term = |branch: usize| {
            let MapSize { rows, columns } = geometry.map(branch);
            slicer.take([PAIR.min(rows), columns, width])
        };
        Ok(Self { own, acc, activated, terms: [term(1)?, term(2)?, term(3)?] })
    }
}

/// Cuts the rows of logits and hands each worker's buffers to `lane`.
fn cut<'a, A: Arithmetic>(
    geometry: &Geometry<'_>,
    slicer: &mut ArenaSlicer<'a>,
    mut lane: impl FnMut(LaneBuffers<'a, A>) -> Result<(), Fault>,
) -> Result<&'a mut [A::Wide], Fault> {
    let lines = slicer.take([line_rows(geometry.workers), geometry.map(0).columns, geometry.network.classes.into()])?;
    for _ in 0..geometry.workers {
        lane(LaneBuffers::cut(geometry, slicer)?)?;
    }
    Ok(lines)
}

/// Rows of logits that a worker makes one after another. Several workers then wait for each other
/// less often, and neighbouring rows share their rows of lower resolution.
fn rows_each(workers: usize) -> usize {
    if workers > 1 { 4 } else { 1 }
}

/// Rows of logits that exist at a time: one wave, and the one before it.
fn line_rows(workers: usize) -> usize {
    workers * rows_each(workers) + 1
}

/// Bytes of scratch; tiles have [`TILE_UNIT`] columns of one row of logits for each unit of their
/// height.
pub fn scratch<A: Arithmetic>(geometry: &Geometry<'_>) -> usize {
    ArenaSlicer::measure(|slicer| cut::<A>(geometry, slicer, |_| Ok(())))
}

/// The term of a branch of lower resolution: the last two rows made, found by their number.
struct Term<'a, 'c, A: Arithmetic> {
    pointwise: &'a Operator<'c>,
    x: &'a [A::Code],
    map: MapSize,
    factor: usize,
    rows: &'a mut [A::Wide],
    held: [Option<usize>; PAIR],
}

impl<'c, A: Arithmetic> Term<'_, 'c, A> {
    fn row(&self, y: usize) -> Result<&[A::Wide], Fault> {
        self.rows.row(y % PAIR, self.map.columns * self.pointwise.cout())
    }

    /// Makes the rows that row `y` of the output lies between.
    fn prepare(&mut self, context: &StepContext<'c>, y: usize) -> Result<(), Fault> {
        let MapSize { rows, columns } = self.map;
        let at = phase(y, self.factor, rows);
        let (row_len, len) = (columns * usize::from(self.pointwise.shape.cin), columns * self.pointwise.cout());
        for source in [at.near, at.far] {
            let held = self.held.get_mut(source % PAIR).ok_or(Fault)?;
            if *held == Some(source) {
                continue;
            }
            let out = self.rows.row_mut(source % PAIR, len)?;
            A::product(self.pointwise, self.x.row(source, row_len)?, Part::All, Out::Wide(out))?;
            context.tap_rows(self.pointwise, source, columns, out);
            *held = Some(source);
        }
        Ok(())
    }

    /// Adds the columns of row `y` from `first` on to `acc`.
    fn add(&self, y: usize, first: usize, acc: &mut [A::Sum]) -> Result<(), Fault> {
        let at = phase(y, self.factor, self.map.rows);
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
    fn new(operators: &'a Operators<'c>, geometry: &Geometry<'_>, x: &[&'a [A::Code]; BRANCHES], buffers: LaneBuffers<'a, A>) -> Result<Self, Fault> {
        let Operators { pointwise: [own_pointwise, pointwise @ ..], act, classifier } = operators;
        let LaneBuffers { own, acc, activated, terms: rows } = buffers;
        let [first, lower @ ..] = x;
        let mut terms = heapless::Vec::new();
        for (source, ((x, pointwise), rows)) in (1..).zip(lower.iter().zip(pointwise).zip(rows)) {
            let term = Term { pointwise, x, map: geometry.map(source), factor: 1 << source, rows, held: [None; PAIR] };
            terms.push(term).map_err(|_| Fault)?;
        }
        Ok(Self { pointwise: own_pointwise, x: first, tile: tile_columns(geometry), own, terms, act, classifier, acc, activated })
    }

    /// Row `y` of the logits, `[columns, classes]`.
    #[inline(never)] // one for every way to share rows among workers
    fn make(&mut self, context: &StepContext<'c>, y: usize, out: &mut [A::Wide]) -> Result<(), Fault> {
        for term in &mut self.terms {
            term.prepare(context, y)?;
        }
        let (columns, classes) = (self.tile, self.classifier.cout());
        let tile_len = columns * usize::from(self.pointwise.shape.cin);
        let tiles = out.len() / (columns * classes).max(1);
        for (tile, out) in out.runs_mut(columns * classes).enumerate() {
            A::product(self.pointwise, self.x.row(y * tiles + tile, tile_len)?, Part::All, Out::Wide(self.own))?;
            context.tap_columns(self.pointwise, y, tile * columns, columns, self.own);
            clear(self.acc);
            let own = Mixed { upper: &*self.own, lower: &*self.own, at: UNRESIZED, channels: self.pointwise.cout(), factor: 1 };
            A::add_resized(self.pointwise.kernels, &own, 0, self.acc)?;
            for term in &self.terms {
                term.add(y, tile * columns, self.acc)?;
            }
            A::store_sum(self.act, self.acc, self.activated)?;
            context.tap_columns(self.act, y, tile * columns, columns, self.activated);
            A::product(self.classifier, self.activated, Part::All, Out::Wide(out))?;
        }
        Ok(())
    }
}

/// Buffers for the rows of logits.
pub struct Output<'o, 'c, 'w> {
    /// All of them, `[rows, columns, classes]`.
    pub logits: Option<&'o mut [Logit]>,
    /// Into the label map, watched as a step of its own.
    pub labels: Option<(LabelMap<'o>, &'w StepContext<'c>)>,
}

/// The head on `x`, the last stage norms narrowed by [`OpKind::HeadNarrow`].
pub fn run<A: Arithmetic>(
    context: &StepContext<'_>,
    executor: &dyn Executor,
    x: &[&[A::Code]; BRANCHES],
    work: &mut [u8],
    output: &mut Output<'_, '_, '_>,
) -> Result<(), Fault> {
    let geometry = &context.geometry;
    let (MapSize { rows, columns }, classes) = (geometry.map(0), usize::from(geometry.network.classes));
    let row_len = columns * classes;
    let operators = Operators::of(context)?;
    let mut slicer = ArenaSlicer::new(work);
    let mut lanes: heapless::Vec<Lane<'_, '_, A>, MAX_WORKERS> = heapless::Vec::new();
    let lines = cut(geometry, &mut slicer, |buffers| lanes.push(Lane::new(&operators, geometry, x, buffers)?).map_err(|_| Fault))?;
    // The first line is the last row of the wave before.
    let mut done = 0;
    let each = rows_each(geometry.workers);
    while done < rows {
        let wave = (geometry.workers * each).min(rows - done);
        let (_, fresh) = lines.split_front(row_len)?;
        let fresh = fresh.part_mut(..wave * row_len)?;
        {
            let (lanes, out) = (Tiles::new(&mut lanes, 1), Tiles::new(&mut *fresh, each * row_len));
            run_jobs(executor, wave.div_ceil(each.max(1)), &mut [], &|job, _| {
                let lane = lanes.claim(job).and_then(<[_]>::first_mut).ok_or(Fault)?;
                let rows = out.claim(job).ok_or(Fault)?.runs_mut(row_len);
                (done + job * each..).zip(rows).try_for_each(|(y, row)| lane.make(context, y, row))
            })?;
        }
        for (y, row) in fresh.runs(row_len).enumerate() {
            context.output_row(done + y, columns, row);
        }
        if let Some(logits) = &mut output.logits {
            copy_run(cast(fresh)?, logits.part_mut(done * row_len..)?);
        }
        if let Some((labels, labelled)) = &mut output.labels {
            Held::<A> { lines, first: done, row_len, rows, classes }.labels(executor, done + wave, labels, labelled)?;
        }
        let (before, fresh) = lines.split_front(row_len)?;
        copy_run(fresh.row(wave - 1, row_len)?, before);
        done += wave;
    }
    Ok(())
}
