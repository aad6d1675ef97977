//! Ends of many inputs, in numbers.

use crate::Verdict;

/// Inputs so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Valid ones for which everything held.
    pub accepted: u64,
    /// Valid ones that the target does not compare.
    pub skipped: u64,
    /// Refused ones.
    pub refused: u64,
}

impl Tally {
    /// Counting begins.
    pub const ZERO: Self = Self { accepted: 0, skipped: 0, refused: 0 };

    /// One more.
    pub fn count(&mut self, verdict: Verdict) {
        match verdict {
            Verdict::Accepted => self.accepted += 1,
            Verdict::Skipped => self.skipped += 1,
            Verdict::Refused => self.refused += 1,
        }
    }

    /// All inputs.
    pub fn inputs(&self) -> u64 {
        self.accepted + self.skipped + self.refused
    }

    /// The line that `cargo xtask fuzz` reads: `inputs accepted skipped refused core_seconds`.
    pub fn line(&self) -> String {
        format!("{} {} {} {} {:.1}\n", self.inputs(), self.accepted, self.skipped, self.refused, core_seconds())
    }
}

/// Processor time of this process's first thread, in seconds; 0 where the system does not say.
fn core_seconds() -> f64 {
    let nanoseconds = std::fs::read_to_string("/proc/self/schedstat").ok();
    nanoseconds.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok()).map_or(0.0, |spent| spent / 1e9)
}
