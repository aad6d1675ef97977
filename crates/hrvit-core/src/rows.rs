//! Rows of one map shared out to jobs: contiguous blocks that are written in place while neighbours still see the rows as they were.

use core::{
    ops::Range,
    sync::atomic::{AtomicBool, Ordering},
};

use hrvit_kernels::Tiles;

use crate::{
    arena::{ALIGN, ArenaSlicer},
    arithmetic::Element,
    error::Fault,
    plan::MAX_WORKERS,
    schedule::Executor,
};

/// Up to so many strips per worker are jobs of their own.
const STRIPS_PER_WORKER: usize = 4;

/// How the rows of a map are shared out: blocks of `per_job` rows, the last one shorter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowBlocks {
    rows: usize,
    per_job: usize,
}

impl RowBlocks {
    /// At most `jobs` blocks of about equal height, each a multiple of `align` rows (the last one excepted).
    pub fn new(rows: usize, jobs: usize, align: usize) -> Self {
        let even = rows.div_ceil(jobs.max(1));
        Self { rows, per_job: even.next_multiple_of(align.max(1)).max(1) }
    }

    /// Blocks of whole strips of `window` lines. Where there are few strips each is a block, so that workers that end early take the next one.
    pub fn strips(lines: usize, window: usize, workers: usize) -> Self {
        let strips = lines.div_ceil(window.max(1));
        if workers > 1 && strips <= STRIPS_PER_WORKER * workers { Self::new(lines, strips, window) } else { Self::new(lines, workers, window) }
    }

    /// Blocks that are worked on at a time.
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

    /// Elements of the rows that neighbours look at, up to `reach` on each side of every border.
    pub fn halo_len(&self, row_len: usize, reach: usize) -> usize {
        self.jobs().saturating_sub(1) * 2 * reach * row_len
    }
}

/// A map whose blocks of rows are rewritten in place by different jobs; each job also sees `reach` rows beyond its block, as they were before anyone wrote.
struct SplitMap<'a, T> {
    tiles: Tiles<'a, T>,
    halo: &'a [T],
    blocks: RowBlocks,
    row_len: usize,
    reach: usize,
}

impl<'a, T: Element> SplitMap<'a, T> {
    /// Saves the rows around each border into `halo` ([`RowBlocks::halo_len`] elements) and cuts `map`. Blocks must be at least `reach` rows high.
    fn new(map: &'a mut [T], blocks: RowBlocks, row_len: usize, reach: usize, halo: &'a mut [T]) -> Result<Self, Fault> {
        let kept = reach * row_len;
        if kept > 0 {
            for (border, saved) in halo.runs_mut(2 * kept).enumerate() {
                let at = (border + 1) * blocks.per_job * row_len;
                let around = map.get(at.checked_sub(kept).ok_or(Fault)?..(at + kept).min(map.len())).ok_or(Fault)?;
                copy_run(around, saved);
            }
        }
        Ok(Self { tiles: Tiles::new(map, blocks.per_job * row_len), halo, blocks, row_len, reach })
    }

    /// The block of `job`, once.
    fn claim(&self, job: usize) -> Result<Block<'_, T>, Fault> {
        let kept = self.reach * self.row_len;
        let side = |border: Option<usize>, half: usize| -> &[T] {
            let saved = border.and_then(|border| self.halo.get((2 * border + half) * kept..)).and_then(|rest| rest.get(..kept));
            saved.unwrap_or(&[])
        };
        let own = self.tiles.claim(job).ok_or(Fault)?;
        let first = self.blocks.range(job).start;
        Ok(Block { own, first, above: side(job.checked_sub(1), 0), below: side(Some(job), 1), row_len: self.row_len, reach: self.reach })
    }
}

/// One job's rows, and what it sees beyond them.
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

    /// Row `y` of the map: own, or up to `reach` beyond.
    #[inline(never)] // called for every row, from many places
    pub fn row(&self, y: usize) -> Result<&[T], Fault> {
        let part =
            |rows: &'_ [T], at: usize| -> Option<Range<usize>> { (at < rows.len() / self.row_len.max(1)).then(|| at * self.row_len..(at + 1) * self.row_len) };
        if let Some(at) = y.checked_sub(self.first) {
            if let Some(range) = part(self.own, at) {
                return self.own.get(range).ok_or(Fault);
            }
            let beyond = at - self.own.len() / self.row_len.max(1);
            return part(self.below, beyond).and_then(|range| self.below.get(range)).ok_or(Fault);
        }
        let at = (y + self.reach).checked_sub(self.first).ok_or(Fault)?;
        part(self.above, at).and_then(|range| self.above.get(range)).ok_or(Fault)
    }

    /// Own row `y`, to write.
    pub fn row_mut(&mut self, y: usize) -> Result<&mut [T], Fault> {
        self.rows_mut(y..y + 1)
    }

    /// Own rows, to write.
    #[inline(never)] // called for every tile, from many places
    pub fn rows_mut(&mut self, rows: Range<usize>) -> Result<&mut [T], Fault> {
        let at = |y: usize| y.checked_sub(self.first).map(|y| y * self.row_len);
        self.own.get_mut(at(rows.start).ok_or(Fault)?..at(rows.end).ok_or(Fault)?).ok_or(Fault)
    }
}

/// What one job does: the rows that are its own, its view of the map, its scratch.
pub type Rewrite<'w, T> = dyn Fn(Range<usize>, Block<'_, T>, &mut [u8]) -> Result<(), Fault> + Sync + 'w;

/// Rewrites `map` in place, a job per block of rows. Halos of `reach` rows are cut from the front of `work`, the rest is shared out as scratch.
pub fn rewrite<T: Element>(
    executor: &dyn Executor,
    map: &mut [T],
    blocks: RowBlocks,
    (row_len, reach): (usize, usize),
    work: &mut [u8],
    job: &Rewrite<'_, T>,
) -> Result<(), Fault> {
    let mut slicer = ArenaSlicer::new(work);
    let halo = slicer.take(blocks.halo_len(row_len, reach))?;
    let split = SplitMap::new(map, blocks, row_len, reach, halo)?;
    run_jobs(executor, blocks.jobs(), slicer.rest(), &|index, scratch| job(blocks.range(index), split.claim(index)?, scratch))
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

/// What one job does with its scratch.
pub type Work<'w> = dyn Fn(usize, &mut [u8]) -> Result<(), Fault> + Sync + 'w;

/// Runs `jobs` jobs, each with the scratch of its worker: equal parts of `scratch`, multiples of [`ALIGN`]. Fails if one of the jobs did.
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
        // With fewer jobs than workers, any worker may come; no more than there are jobs come at a time.
        let (before, from) = parts.split_at_checked(worker).unwrap_or((&parts, &[]));
        let free = from.iter().chain(before).find_map(spin::Mutex::try_lock);
        if free.ok_or(Fault).and_then(|mut scratch| work(job, &mut scratch)).is_err() {
            failed.store(true, Ordering::Relaxed);
        }
    });
    if failed.load(Ordering::Relaxed) { Err(Fault) } else { Ok(()) }
}

/// Runs of `len` elements. Unlike the standard library's chunks they have no panic path: no length gives runs of one element.
pub trait Runs<T> {
    /// Whole runs of `len` elements.
    fn runs(&self, len: usize) -> core::slice::ChunksExact<'_, T>;

    /// Whole runs of `len` elements, to write.
    fn runs_mut(&mut self, len: usize) -> core::slice::ChunksExactMut<'_, T>;
}

impl<T> Runs<T> for [T] {
    #[inline(always)]
    fn runs(&self, len: usize) -> core::slice::ChunksExact<'_, T> {
        self.chunks_exact(len.max(1))
    }

    #[inline(always)]
    fn runs_mut(&mut self, len: usize) -> core::slice::ChunksExactMut<'_, T> {
        self.chunks_exact_mut(len.max(1))
    }
}

/// Copies as many elements as both have.
#[inline(always)]
pub fn copy_run<T: Copy>(from: &[T], to: &mut [T]) {
    to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
}

/// Copies runs of `len` elements from places that are as far apart as the number beside the slice says, to such places: [`hrvit_kernels::copy_strided`].
pub fn copy_strided<T: Element>((from, from_stride): (&[T], usize), (to, to_stride): (&mut [T], usize), len: usize) -> Result<(), Fault> {
    let size = size_of::<T>();
    let (from, to) = (bytemuck::try_cast_slice(from).map_err(|_| Fault)?, bytemuck::try_cast_slice_mut(to).map_err(|_| Fault)?);
    hrvit_kernels::copy_strided(from, from_stride * size, to, to_stride * size, len * size);
    Ok(())
}
