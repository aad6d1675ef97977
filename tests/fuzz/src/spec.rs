use crate::Verdict;

/// Not written yet.
pub fn spec(_data: &[u8]) -> Verdict {
    Verdict::Skipped
}
