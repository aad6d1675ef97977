//! Executors spread the jobs of a step over a fixed set of workers.

/// The most workers that a plan can serve. 32-bit machines are microcontrollers with at most two
/// cores and little stack, on which the heads keep each worker's state.
pub const MAX_WORKERS: usize = if cfg!(target_pointer_width = "32") { 2 } else { 8 };

/// Runs independent jobs. Every job runs exactly once, on one of `workers()` workers. Results do
/// not depend on the choice of worker.
pub trait Executor {
    /// Number of workers, at least 1.
    fn workers(&self) -> usize;

    /// Calls `work(job, worker)` once for every `job < jobs`, with any `worker < workers()`.
    /// Returns when all calls have returned. Two calls with the same `worker` never overlap.
    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync));
}

impl<X: Executor + ?Sized> Executor for &X {
    fn workers(&self) -> usize {
        (**self).workers()
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        (**self).run(jobs, work);
    }
}

/// A single worker: the caller's thread.
#[derive(Clone, Copy, Debug, Default)]
pub struct Serial;

impl Executor for Serial {
    fn workers(&self) -> usize {
        1
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        (0..jobs).for_each(|job| work(job, 0));
    }
}
