//! The extents that all buffers of a step follow from.

use hrvit_format::{Network, Size};

/// Rows and columns of a map.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapSize {
    /// Rows.
    pub rows: usize,
    /// Columns.
    pub columns: usize,
}

/// A module's branch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Module, from 0.
    pub module: u8,
    /// Branch, from 0.
    pub branch: u8,
}

/// A network at an input size, shared out to workers in tiles.
#[derive(Clone, Copy, Debug)]
pub struct Geometry<'n> {
    /// The network.
    pub network: &'n Network,
    /// Input size.
    pub size: Size,
    /// Workers of a step.
    pub workers: usize,
    /// Height of the step's tiles, as [`crate::Plan::tile`] has it.
    pub tile: usize,
}

impl<'n> Geometry<'n> {
    /// The map of `branch`.
    pub fn map(&self, branch: usize) -> MapSize {
        let (rows, columns) = self.size.map(branch);
        MapSize { rows, columns }
    }

    /// Channels of `branch`.
    pub fn channels(&self, branch: usize) -> usize {
        self.network.spec.channels(branch).into()
    }

    /// Elements of a row of `branch`.
    pub fn row_len(&self, branch: usize) -> usize {
        self.map(branch).columns * self.channels(branch)
    }

    /// Elements of the map of `branch`.
    pub fn map_len(&self, branch: usize) -> usize {
        self.network.spec.map_len(self.size, branch)
    }
}
