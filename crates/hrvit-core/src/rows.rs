//! Jobs over the rows of one map: contiguous blocks that are rewritten in place, while neighbours
//! still see the old border rows.

use core::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use hrvit_kernels::Tiles;

use crate::{
    arena::{ALIGN, ArenaSlicer},
    element::Element,
    fault::Fault,
    schedule::{Executor, MAX_WORKERS},
    slices::{Slices, copy_run, elements_of},
};

/// Up to this many strips per worker, every strip is a job of its own.
const STRIPS_PER_WORKER: usize = 4;

/// How the rows of a map are shared out: blocks of `per_job` rows, the last one shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBlocks {
    rows: usize,
    per_job: usize,
}

impl RowBlocks {
    /// At most `jobs` blocks of about equal height, each a multiple of `align` rows (the last one
    /// excepted).
    pub fn new(rows: usize, jobs: usize, align: usize) -> Self {
        let even = rows.div_ceil(jobs.max(1));
        Self { rows, per_job: even.next_multiple_of(align.max(1)).max(1) }
    }

    /// Blocks of whole strips of `window` lines. If there are few strips, each is a block: a worker
    /// that ends early takes the next one.
    pub fn strips(lines: usize, window: usize, workers: usize) -> Self {
        let strips = lines.div_ceil(window.max(1));
        if workers > 1 && strips <= STRIPS_PER_WORKER * workers { Self::new(lines, strips, window) } else { Self::new(lines, workers, window) }
    }

    /// Number of blocks that workers have at a time.
    pub fn at_once(&self, workers: usize) -> usize {
        self.jobs().min(workers)
    }

    /// Number of blocks.
    pub fn jobs(&self) -> usize {
        self.rows.div_ceil(self.per_job.max(1))
    }

    /// Rows of a block.
    pub fn range(&self, job: usize) -> Range<usize> {
        let first = (job * self.per_job).min(self.rows);
        first..(first + self.per_job).min(self.rows)
    }

    /// Rows of the largest block.
    pub fn tallest(&self) -> usize {
        self.per_job.min(self.rows)
    }
}

/// A map whose blocks of rows are rewritten in place by jobs.
#[derive(Clone, Copy, Debug)]
pub struct RowJobs {
    /// The blocks.
    pub blocks: RowBlocks,
    /// Elements of a row.
    pub row_len: usize,
    /// Number of rows on each side of its block that a job reads. It sees them as they were before
    /// any job wrote.
    pub reach: usize,
}

impl RowJobs {
    /// Copies of the rows that neighbours read, up to `reach` on each side of every border.
    fn halo<'a, T: Element>(&self, slicer: &mut ArenaSlicer<'a>) -> Result<&'a mut [T], Fault> {
        slicer.take([self.blocks.jobs().saturating_sub(1), 2, self.reach, self.row_len])
    }

    /// Bytes that [`rewrite`] needs of a map of `T` where each job needs `job`.
    pub fn scratch<T: Element>(&self, workers: usize, job: usize) -> usize {
        ArenaSlicer::measure(|slicer| self.halo::<T>(slicer)).saturating_add(self.blocks.at_once(workers).saturating_mul(job))
    }
}

/// A map cut into blocks, with copies of the rows around their borders.
struct SplitMap<'a, T> {
    tiles: Tiles<'a, T>,
    halo: &'a [T],
    jobs: RowJobs,
}

impl<'a, T: Element> SplitMap<'a, T> {
    /// Saves the rows around each border into `halo` and cuts `map`. Blocks must be at least
    /// [`RowJobs::reach`] rows high.
    fn new(map: &'a mut [T], jobs: RowJobs, halo: &'a mut [T]) -> Result<Self, Fault> {
        let (kept, block_len) = (jobs.reach * jobs.row_len, jobs.blocks.per_job * jobs.row_len);
        if kept > 0 {
            for (border, saved) in halo.runs_mut(2 * kept).enumerate() {
                let at = (border + 1) * block_len;
                copy_run(map.part(at.checked_sub(kept).ok_or(Fault)?..(at + kept).min(map.len()))?, saved);
            }
        }
        Ok(Self { tiles: Tiles::new(map, block_len), halo, jobs })
    }

    /// The block of `job`. Each block is claimed once.
    fn claim(&self, job: usize) -> Result<Block<'_, T>, Fault> {
        let RowJobs { blocks, row_len, reach } = self.jobs;
        let kept = reach * row_len;
        let side = |border: Option<usize>, half: usize| -> &[T] {
            let saved = border.and_then(|border| self.halo.get((2 * border + half) * kept..)).and_then(|rest| rest.get(..kept));
            saved.unwrap_or(&[])
        };
        let own = self.tiles.claim(job).ok_or(Fault)?;
        Ok(Block { own, first: blocks.range(job).start, above: side(job.checked_sub(1), 0), below: side(Some(job), 1), row_len, reach })
    }
}

/// One job's rows, and copies of the neighbouring rows that it reads.
pub struct Block<'a, T> {
    own: &'a mut [T],
    first: usize,
    above: &'a [T],
    below: &'a [T],
    row_len: usize,
    reach: usize,
}

impl<'a, T: Element> Block<'a, T> {
    /// A whole map as one block.
    pub fn whole(map: &'a mut [T], row_len: usize) -> Self {
        Self { own: map, first: 0, above: &[], below: &[], row_len, reach: 0 }
    }

    /// Row `y` of the map: one of the job's own rows, or up to `reach` beyond them.
    #[inline(never)] // called for every row, from many places
    pub fn row(&self, y: usize) -> Result<&[T], Fault> {
        let rows_of = |part: &[T]| part.len() / self.row_len.max(1);
        let (part, at): (&[T], _) = match y.checked_sub(self.first) {
            Some(at) if at < rows_of(self.own) => (self.own, at),
            Some(at) => (self.below, at - rows_of(self.own)),
            None => (self.above, (y + self.reach).checked_sub(self.first).ok_or(Fault)?),
        };
        if at < rows_of(part) { part.row(at, self.row_len) } else { Err(Fault) }
    }

    /// Own row `y`, to write.
    pub fn row_mut(&mut self, y: usize) -> Result<&mut [T], Fault> {
        self.rows_mut(y..y + 1)
    }

    /// Own rows, to write.
    #[inline(never)] // called for every tile, from many places
    pub fn rows_mut(&mut self, rows: Range<usize>) -> Result<&mut [T], Fault> {
        let own = |y: usize| y.checked_sub(self.first).ok_or(Fault);
        self.own.part_mut(elements_of(&(own(rows.start)?..own(rows.end)?), self.row_len))
    }
}

/// Work of one job, called with its rows, its view of the map and its scratch.
pub type Rewrite<'w, T> = dyn Fn(Range<usize>, Block<'_, T>, &mut [u8]) -> Result<(), Fault> + Sync + 'w;

/// Rewrites `map` in place, a job per block of rows. The halo is cut from the front of `work`, the
/// rest is shared out as scratch: [`RowJobs::scratch`] bytes in all.
pub fn rewrite<T: Element>(executor: &dyn Executor, map: &mut [T], jobs: RowJobs, work: &mut [u8], job: &Rewrite<'_, T>) -> Result<(), Fault> {
    let mut slicer = ArenaSlicer::new(work);
    let halo = jobs.halo(&mut slicer)?;
    let split = SplitMap::new(map, jobs, halo)?;
    run_jobs(executor, jobs.blocks.jobs(), slicer.rest(), &|index, scratch| job(jobs.blocks.range(index), split.claim(index)?, scratch))
}

/// Tiles of `height` rows that cover `rows`, the last one lower.
pub fn tiles(rows: Range<usize>, height: usize) -> impl Iterator<Item = Range<usize>> {
    let mut start = rows.start;
    core::iter::from_fn(move || {
        let tile = start..(start + height.max(1)).min(rows.end);
        start = tile.end;
        (!tile.is_empty()).then_some(tile)
    })
}

/// Work of one job, called with its number and its scratch.
pub type Work<'w> = dyn Fn(usize, &mut [u8]) -> Result<(), Fault> + Sync + 'w;

/// Runs `jobs` jobs, each with the scratch of its worker. Workers have equal parts of `scratch`,
/// which are multiples of [`ALIGN`]. Fails if a job fails.
pub fn run_jobs(executor: &dyn Executor, jobs: usize, scratch: &mut [u8], work: &Work<'_>) -> Result<(), Fault> {
    let at_once = executor.workers().min(jobs);
    let each = scratch.len() / at_once.max(1) / ALIGN * ALIGN;
    let mut parts: heapless::Vec<spin::Mutex<&mut [u8]>, MAX_WORKERS> = heapless::Vec::new();
    let mut rest = scratch;
    for _ in 0..at_once {
        let (part, after) = core::mem::take(&mut rest).split_at_mut_checked(each).ok_or(Fault)?;
        parts.push(spin::Mutex::new(part)).map_err(|_| Fault)?;
        rest = after;
    }
    let failed = AtomicBool::new(false);
    executor.run(jobs, &|job, worker| {
        // With fewer jobs than workers, any worker may run a job, but at most `jobs` of them at a
        // time.
        let (before, from) = parts.split_at_checked(worker).unwrap_or((&parts, &[]));
        let free = from.iter().chain(before).find_map(spin::Mutex::try_lock);
        if free.ok_or(Fault).and_then(|mut scratch| work(job, &mut scratch)).is_err() {
            failed.store(true, Ordering::Relaxed);
        }
    });
    if failed.load(Ordering::Relaxed) { Err(Fault) } else { Ok(()) }
}
