use crate::Verdict;

/// Not written yet.
pub fn run_image(_data: &[u8]) -> Verdict {
    Verdict::Skipped
}
