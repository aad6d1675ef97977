//! Accumulators between the inner loop and the requantisation.

/// Channels of a tile: rows lie 256 bytes apart, which is what the offsets inside the assembly
/// assume.
pub(crate) const COLUMNS: usize = 64;

/// Two rows of accumulators.
pub(crate) type Tile = [[i32; COLUMNS]; 2];
