//! Who does the work: jobs of one step, spread over a fixed set of workers.

/// The most workers that a plan can serve. 32-bit machines are microcontrollers with two cores at
/// most, and little stack: the heads keep what each worker needs there.
pub const MAX_WORKERS: usize = if cfg!(target_pointer_width = "32") { 2 } else { 8 };

/// Runs independent jobs. Every job is run exactly once, on one of `workers()` workers; results do
/// not depend on which.
pub trait Executor {
    /// How many workers there are, at least 1.
    fn workers(&self) -> usize;

    /// Calls `work(job, worker)` for every `job < jobs`, `worker < workers()`, and returns when all
    /// have returned. Two calls with the same `worker` never overlap.
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

/// One worker: the caller.
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
