//! Accumulators between the inner loop and the requantisation.

/// Logits of one of two queries, by key: rows lie 256 bytes apart, which is what the offsets inside
/// the assembly assume.
pub(crate) const COLUMNS: usize = 64;

/// Logits of two queries.
pub(crate) type Tile = [[i32; COLUMNS]; 2];

/// Rows, or tokens, whose sums are stored at once.
pub(crate) const ROWS: usize = 4;

/// Most channels whose sums are stored at once.
pub(crate) const PART: usize = 32;

/// Sums of four rows, those of a channel beside each other.
pub(crate) type Sums = [[i32; ROWS]; PART];
