//! Two cores that share memory: the jobs of a step are theirs by halves.

use core::{
    cell::UnsafeCell,
    mem::transmute,
    sync::atomic::{AtomicU32, Ordering::*},
};

use hrvit_core::Executor;

/// Both cores. The second one works once it [`attend`]s. Until then the first one does all the
/// work, and can tell the time that the second one would save.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pair {
    /// A clock for what the second core would save, where there is none.
    pub now: Option<fn() -> u32>,
}

type Work<'w> = dyn Fn(usize, usize) + Sync + 'w;

/// Order to the second core.
#[derive(Clone, Copy)]
struct Errand {
    first: usize,
    end: usize,
    work: Option<&'static Work<'static>>,
}

struct Place(UnsafeCell<Errand>);

// SAFETY: the first core writes before it asks, the second one reads after that and before it is
// done, which the first one waits for.
unsafe impl Sync for Place {}

static ERRAND: Place = Place(UnsafeCell::new(Errand { first: 0, end: 0, work: None }));
/// How often the second core was asked for something, and which of these it has done. Each is
/// written by one core alone: no atomic change is needed, which not every chip's memory knows
/// between its cores.
static ASKED: AtomicU32 = AtomicU32::new(0);
static DONE: AtomicU32 = AtomicU32::new(0);
/// Whether there is a second core.
static ATTENDS: AtomicU32 = AtomicU32::new(0);
/// Ticks that a second core would have saved since they were last asked for, in two words.
static SAVED: [AtomicU32; 2] = [const { AtomicU32::new(0) }; 2];

/// Wakes the other core, if it [`rest`]s.
fn signal() {
    // SAFETY: an instruction that changes nothing but whether the other core sleeps. Memory is not
    // declared untouched: what was written comes before.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!("dsb", "sev", options(nostack, preserves_flags))
    }
}

/// Returns after a signal, or at any other time.
fn rest() {
    // SAFETY: as in `signal`.
    #[cfg(target_arch = "arm")]
    unsafe {
        core::arch::asm!("wfe", options(nostack, preserves_flags))
    }
    #[cfg(not(target_arch = "arm"))]
    core::hint::spin_loop();
}

/// The second core's program from its start on: its half of every step. To be called by one core,
/// once.
pub fn attend() -> ! {
    let mut done = DONE.load(Relaxed);
    ATTENDS.store(1, Release);
    loop {
        let asked = ASKED.load(Acquire);
        if asked == done {
            rest();
            continue;
        }
        // SAFETY: the first core has asked, and waits until this is done.
        let Errand { first, end, work } = unsafe { *ERRAND.0.get() };
        if let Some(work) = work {
            (first..end).for_each(|job| work(job, 1));
        }
        done = asked;
        DONE.store(done, Release);
        signal();
    }
}

/// Whether a second core attends.
pub fn is_attended() -> bool {
    ATTENDS.load(Acquire) == 1
}

impl Pair {
    /// Ticks that a second core would have saved since the last call, of a machine that has none.
    pub fn take_saved() -> u64 {
        let [low, high] = [&SAVED[0], &SAVED[1]].map(|word| u64::from(word.load(Relaxed)));
        SAVED.iter().for_each(|word| word.store(0, Relaxed));
        high << 32 | low
    }

    /// Both halves, one after the other; the shorter one is what the second core would have saved.
    fn alone(&self, (own, jobs): (usize, usize), work: &Work<'_>) {
        let now = || self.now.map_or(0, |now| now());
        let start = now();
        (0..own).for_each(|job| work(job, 0));
        let middle = now();
        (own..jobs).for_each(|job| work(job, 1));
        let saved = middle.wrapping_sub(start).min(now().wrapping_sub(middle));
        let (low, carry) = SAVED[0].load(Relaxed).overflowing_add(saved);
        SAVED[0].store(low, Relaxed);
        SAVED[1].store(SAVED[1].load(Relaxed).wrapping_add(carry.into()), Relaxed);
    }
}

impl Executor for Pair {
    fn workers(&self) -> usize {
        2
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        let own = jobs.div_ceil(2);
        if jobs < 2 || !is_attended() {
            return self.alone((own, jobs), work);
        }
        // SAFETY: the second core alone uses the reference, and not after it is done. The code
        // below waits for that. Nothing on the way there can unwind.
        let work_there = unsafe { transmute::<&Work<'_>, &'static Work<'static>>(work) };
        // SAFETY: the second core has done what it was asked before, and reads this after it is
        // asked again.
        unsafe { *ERRAND.0.get() = Errand { first: own, end: jobs, work: Some(work_there) } };
        let number = ASKED.load(Relaxed).wrapping_add(1);
        ASKED.store(number, Release);
        signal();
        (0..own).for_each(|job| work(job, 0));
        while DONE.load(Acquire) != number {
            rest();
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::{sync::Mutex, thread, vec::Vec};

    use super::*;

    fn run(pair: Pair, jobs: usize) -> Vec<(usize, usize)> {
        let done = Mutex::new(Vec::new());
        pair.run(jobs, &|job, worker| done.lock().unwrap().push((job, worker)));
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        done
    }

    /// One test, since there is one second core: first without it.
    #[test]
    fn every_job_is_done_once_by_its_core_and_alone_the_shorter_half_is_counted() {
        static TIME: AtomicU32 = AtomicU32::new(u32::MAX - 2);
        let pair = Pair { now: Some(|| TIME.load(Relaxed)) };
        pair.run(3, &|job, worker| {
            assert_eq!(worker, job / 2);
            _ = TIME.fetch_add(if worker == 0 { 5 } else { 7 }, Relaxed);
        });
        assert_eq!([Pair::take_saved(), Pair::take_saved()], [7, 0], "halves of 10 and 7");
        thread::spawn(|| attend());
        while !is_attended() {
            thread::yield_now();
        }
        for round in 0..2000_usize {
            let jobs = round % 9;
            let expected: Vec<_> = (0..jobs).map(|job| (job, usize::from(jobs > 1 && job >= jobs.div_ceil(2)))).collect();
            assert_eq!(run(pair, jobs), expected);
        }
    }
}
