use crate::Verdict;

/// Not written yet.
pub fn load(_data: &[u8]) -> Verdict {
    Verdict::Skipped
}
