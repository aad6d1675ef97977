//! Peak of the machine with the kernels' instructions, measured between the frames of a run.

use std::time::{Duration, Instant};

use hrvit_core::Kernels;
use hrvit_kernels::peak::Peak;
use serde::Serialize;

use crate::timing::median_and_least;

/// Turns of a loop: a few milliseconds.
const TURNS: u32 = 1_000_000;

/// The loops of an instruction set, on as many threads as a run has workers, and their times.
pub struct Peaks {
    loops: Vec<(Peak, Vec<Duration>)>,
    threads: usize,
}

/// The best of the loops.
#[derive(Debug, Serialize)]
pub struct Best {
    /// Instructions of the loop.
    pub name: &'static str,
    /// Multiply-accumulates per second, all threads together.
    pub gmac_per_s: f64,
}

impl Peaks {
    /// The loops of `kernels`.
    pub fn new(kernels: Kernels, threads: usize) -> Self {
        Self { loops: kernels.peaks().iter().map(|&peak| (peak, Vec::new())).collect(), threads }
    }

    /// Runs every loop once.
    pub fn measure(&mut self) {
        for (peak, times) in &mut self.loops {
            let start = Instant::now();
            std::thread::scope(|scope| {
                for _ in 1..self.threads {
                    scope.spawn(|| peak.run(TURNS));
                }
                peak.run(TURNS);
            });
            times.push(start.elapsed());
        }
    }

    /// The best loop by its median time; `None` where the instruction set has no loop, or none was
    /// measured.
    pub fn best(self) -> Option<Best> {
        let threads = self.threads as f64;
        let rate = |(peak, times): (Peak, Vec<Duration>)| {
            let seconds = median_and_least(times).0.as_secs_f64();
            let macs = peak.run(1) as f64 * f64::from(TURNS) * threads;
            (seconds > 0.0).then(|| Best { name: peak.name(), gmac_per_s: macs / seconds / 1e9 })
        };
        self.loops.into_iter().filter_map(rate).max_by(|a, b| a.gmac_per_s.total_cmp(&b.gmac_per_s))
    }
}

#[cfg(test)]
mod tests {
    use hrvit_core::Isa;

    use super::*;

    #[test]
    fn plain_code_has_no_peak_and_vectors_of_x86_64_have_one() {
        for isa in Isa::available() {
            let mut peaks = Peaks::new(Kernels::new(isa).unwrap(), 2);
            let expected = !peaks.loops.is_empty();
            assert!(peaks.loops.iter().all(|(_, times)| times.is_empty()));
            peaks.measure();
            assert_eq!(peaks.best().is_some_and(|best| best.gmac_per_s > 0.0), expected, "{isa}");
        }
    }

    #[test]
    fn a_loop_that_was_not_measured_is_no_peak() {
        assert!(Peaks::new(Kernels::detect(), 1).best().is_none());
    }
}
