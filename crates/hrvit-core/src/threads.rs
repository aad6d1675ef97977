//! Workers on threads of the host.

use core::sync::atomic::{AtomicUsize, Ordering};
use std::vec::Vec;

use crate::schedule::Executor;

/// Workers on threads of the host.
#[derive(Debug)]
pub struct Threads {
    pool: rayon::ThreadPool,
}

impl Threads {
    /// A fixed set of `workers` threads.
    ///
    /// # Errors
    /// If the threads cannot be started.
    pub fn new(workers: usize) -> Result<Self, rayon::ThreadPoolBuildError> {
        Ok(Self { pool: rayon::ThreadPoolBuilder::new().num_threads(workers).build()? })
    }

    /// Runs `frames` on one of the threads and keeps the others awake until it returns. Run frames
    /// of several workers from here: a step takes about a millisecond, and a sleeping thread takes
    /// some fifty microseconds to wake up. Results are the same.
    pub fn install<R: Send>(&self, frames: impl FnOnce() -> R + Send) -> R {
        let left = &AtomicUsize::new(1);
        self.pool.scope(|scope| {
            let caller = rayon::current_thread_index();
            scope.spawn_broadcast(move |_, thread| {
                if Some(thread.index()) != caller {
                    attend_until_none(left);
                }
            });
            let _end = Countdown(left);
            frames()
        })
    }
}

/// One less when dropped: also where a job panics, as others wait for none to be left.
struct Countdown<'a>(&'a AtomicUsize);

impl Drop for Countdown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Does what the pool of this thread has to do, without falling asleep, until none are left.
fn attend_until_none(left: &AtomicUsize) {
    while left.load(Ordering::Relaxed) != 0 {
        if rayon::yield_now() != Some(rayon::Yield::Executed) {
            // Not a spin: where cores are few, whoever has the last job must get one.
            std::thread::yield_now();
        }
    }
}

/// The jobs of a step. Each worker owns a fixed, contiguous job range, whose rows its cache has;
/// idle workers steal.
struct Shares {
    jobs: usize,
    /// Next job of every worker.
    next: Vec<AtomicUsize>,
}

impl Shares {
    fn new(jobs: usize, workers: usize) -> Self {
        Self { jobs, next: (0..workers).map(|worker| AtomicUsize::new(worker * jobs / workers)).collect() }
    }

    /// A job that nobody has taken, first of all one of `worker`'s.
    fn take(&self, worker: usize) -> Option<usize> {
        let workers = self.next.len();
        (worker..worker + workers).find_map(|worker| {
            let worker = worker % workers;
            let job = self.next.get(worker)?.fetch_add(1, Ordering::Relaxed);
            (job < (worker + 1) * self.jobs / workers).then_some(job)
        })
    }
}

impl Executor for Threads {
    fn workers(&self) -> usize {
        self.pool.current_num_threads()
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        if jobs == 1 {
            return work(0, 0);
        }
        let (left, shares) = (&AtomicUsize::new(jobs), &Shares::new(jobs, self.workers()));
        self.pool.scope(|scope| {
            for _ in 0..jobs {
                scope.spawn(move |_| {
                    let (_end, worker) = (Countdown(left), rayon::current_thread_index().unwrap_or(0));
                    if let Some(job) = shares.take(worker) {
                        work(job, worker);
                    }
                });
            }
            attend_until_none(left);
        });
    }
}

#[cfg(test)]
mod tests {
    use std::{panic, sync::Mutex};

    use super::*;

    fn run(threads: &Threads, jobs: usize) -> Vec<(usize, usize)> {
        let done = Mutex::new(Vec::new());
        threads.run(jobs, &|job, worker| done.lock().unwrap().push((job, worker)));
        let mut done = done.into_inner().unwrap();
        done.sort_unstable();
        done
    }

    #[test]
    fn every_job_runs_once_wherever_it_is_called_from() {
        for workers in 1..4 {
            let threads = Threads::new(workers).unwrap();
            for jobs in [0, 1, 2, 3, 7, 64] {
                for done in [run(&threads, jobs), threads.install(|| run(&threads, jobs))] {
                    assert!(done.iter().map(|(job, _)| *job).eq(0..jobs), "{workers} workers, {jobs} jobs: {done:?}");
                    assert!(done.iter().all(|(_, worker)| *worker < workers), "{workers} workers, {jobs} jobs: {done:?}");
                }
            }
        }
    }

    #[test]
    fn a_worker_takes_its_neighbours_first_and_then_those_of_others() {
        let shares = Shares::new(7, 3);
        let taken: Vec<_> = [1, 1, 1, 0, 2].into_iter().map(|worker| shares.take(worker)).collect();
        assert_eq!(taken, [Some(2), Some(3), Some(4), Some(0), Some(5)]);
        let rest: Vec<_> = (0..3).map(|_| shares.take(1)).collect();
        assert_eq!(rest, [Some(6), Some(1), None]);
    }

    #[test]
    fn a_job_that_panics_ends_the_frame_instead_of_waiting_for_it() {
        let threads = Threads::new(2).unwrap();
        let frame = || threads.install(|| threads.run(4, &|job, _| assert!(job != 2, "job 2")));
        assert!(panic::catch_unwind(panic::AssertUnwindSafe(frame)).is_err());
        assert_eq!(run(&threads, 3).len(), 3);
    }
}
