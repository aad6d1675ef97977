//! How a product's weights are packed in memory.

use core::ops::Range;

use crate::error::{ShapeError, require};

/// How the weights `[cout, depth]` of a product lie in memory.
///
/// The packed orders group [`Packing::BLOCK`] output channels and 4 or 8 steps of depth. One vector
/// holds the weights of all channels of the block:
/// ```text
/// Rows  [cout][depth]                                        scalar, DSP, MVE, plain NEON
/// K4    [ceil(cout / 8)][ceil(depth / 4)][8 channels][4]     x86-64 vectors, NEON sdot (two blocks are its 16 channels)
/// K8    [ceil(cout / 8)][ceil(depth / 8)][8 channels][8]     NEON smmla
/// ```
/// Channels and depth are padded to whole blocks with zero weights. Blocks of 8 channels let any
/// range of channels at multiples of 8 be used by itself. The discriminant is the packing's number
/// in a model image.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[repr(u16)]
#[non_exhaustive]
pub enum Packing {
    /// Row-major, `[cout, depth]`.
    Rows = 0,
    /// Blocks of 8 channels, groups of 4 steps of depth.
    K4 = 1,
    /// Blocks of 8 channels, groups of 8 steps of depth.
    K8 = 2,
}

impl Packing {
    /// Channels of a block of the packed orders.
    pub const BLOCK: usize = 8;

    /// All packings, in the order of their numbers.
    pub const ALL: [Self; 3] = [Self::Rows, Self::K4, Self::K8];

    /// The name: `rows`, `k4` or `k8`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Rows => "rows",
            Self::K4 => "k4",
            Self::K8 => "k8",
        }
    }

    /// Channels and steps of depth of a block: `(1, 1)`, `(8, 4)` or `(8, 8)`.
    pub const fn block(self) -> (usize, usize) {
        match self {
            Self::Rows => (1, 1),
            Self::K4 => (Self::BLOCK, 4),
            Self::K8 => (Self::BLOCK, 8),
        }
    }

    /// Bytes of the weights `[cout, depth]` with their padding; `None` where they exceed the
    /// address space.
    pub const fn packed_len(self, cout: usize, depth: usize) -> Option<usize> {
        let (channels, group) = self.block();
        match (cout.checked_next_multiple_of(channels), depth.checked_next_multiple_of(group)) {
            (Some(cout), Some(depth)) => cout.checked_mul(depth),
            _ => None,
        }
    }

    /// Index of the weight of channel `c` at depth `i` of `depth`.
    #[inline(always)]
    pub const fn index(self, depth: usize, c: usize, i: usize) -> usize {
        let (channels, group) = self.block();
        let groups = depth.div_ceil(group);
        (((c / channels) * groups + i / group) * channels + c % channels) * group + i % group
    }

    /// Bytes of the channels `channels` of packed weights; `None` unless the range starts at a
    /// multiple of the block. A range that ends inside a block takes the whole block. It is usable
    /// by itself only if the channels of the map end there, too (the others are not zero).
    pub fn slice(self, depth: usize, channels: Range<usize>) -> Option<Range<usize>> {
        let (block, _) = self.block();
        let before = self.packed_len(channels.start, depth)?;
        let end = self.packed_len(channels.end, depth)?;
        (channels.start.is_multiple_of(block) && before <= end).then_some(before..end)
    }

    /// Packs `rows`, `[cout, depth]` row-major; `packed` has [`Packing::packed_len`] bytes.
    ///
    /// # Errors
    /// [`ShapeError`] if `depth` is 0, `rows` is no whole number of channels, or `packed` has
    /// another length.
    pub fn pack(self, rows: &[i8], depth: usize, packed: &mut [i8]) -> Result<(), ShapeError> {
        let cout = rows.len().checked_div(depth).ok_or(ShapeError::Parameter)?;
        require(cout.checked_mul(depth) == Some(rows.len()), ShapeError::Weights)?;
        require(self.packed_len(cout, depth) == Some(packed.len()), ShapeError::Output)?;
        packed.fill(0);
        for (c, row) in crate::slices::rows(rows, depth).enumerate() {
            for (i, weight) in row.iter().enumerate() {
                if let Some(slot) = packed.get_mut(self.index(depth, c, i)) {
                    *slot = *weight;
                }
            }
        }
        Ok(())
    }
}

impl core::fmt::Display for Packing {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(self.name())
    }
}

/// A number or a name that no [`Packing`] has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownPacking;

impl core::fmt::Display for UnknownPacking {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str("unknown packing: expected rows (0), k4 (1) or k8 (2)")
    }
}

impl core::error::Error for UnknownPacking {}

impl TryFrom<u16> for Packing {
    type Error = UnknownPacking;

    fn try_from(number: u16) -> Result<Self, UnknownPacking> {
        Self::ALL.into_iter().find(|&packing| packing as u16 == number).ok_or(UnknownPacking)
    }
}

impl core::str::FromStr for Packing {
    type Err = UnknownPacking;

    fn from_str(name: &str) -> Result<Self, UnknownPacking> {
        Self::ALL.into_iter().find(|packing| packing.name() == name).ok_or(UnknownPacking)
    }
}
