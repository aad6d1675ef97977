//! Observers of a run: the beginning and the end of every step, and its data as it is made.

use core::{
    ops::ControlFlow,
    sync::atomic::{AtomicU32, Ordering},
};

use hrvit_format::{Step, StepId};

use crate::element::TileData;

/// A step as observers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
pub struct StepInfo {
    /// Position in canonical order.
    pub id: StepId,
    /// The step itself.
    pub step: Step,
    /// Multiply-accumulates of the step after the exact rewrites.
    pub macs: u64,
}

/// Part of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    /// The step that made it.
    pub id: StepId,
    /// Index of the operator within the step, or `None` for the tensor that the step leaves behind.
    pub op: Option<u8>,
    /// First row.
    pub y: usize,
    /// First column.
    pub x: usize,
    /// Number of columns. The length of `data` is rows times columns times channels.
    pub columns: usize,
    /// Values.
    pub data: TileData<'a>,
}

/// Sees every step. Methods take `&self`, since workers may call them. They do nothing unless
/// overridden.
pub trait Observer: Sync {
    /// A step begins. `Break` ends the frame before this step. The caller gets
    /// [`crate::RunError::Stopped`], and the engine is ready for the next frame.
    fn enter(&self, _step: StepInfo) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
    /// A step has ended. The method is not called for a step that was stopped or failed.
    fn leave(&self, _step: StepInfo) {}
    /// Part of a tensor was made. Tiles with `op: None` arrive on the caller's thread in raster
    /// order, in whole rows.
    fn tile(&self, _tile: Tile<'_>) {}
}

/// An observer that does nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// Computes the CRC32 of the tensor that every step leaves behind, into one slot per step in
/// canonical order.
#[derive(Clone, Copy, Debug)]
pub struct StepCrcs<'a>(pub &'a [AtomicU32]);

impl Observer for StepCrcs<'_> {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        if let Some(slot) = self.0.get(usize::from(step.id.0)) {
            slot.store(0, Ordering::Relaxed);
        }
        ControlFlow::Continue(())
    }

    fn tile(&self, tile: Tile<'_>) {
        if let (None, Some(slot)) = (tile.op, self.0.get(usize::from(tile.id.0))) {
            let mut hasher = crc32fast::Hasher::new_with_initial(slot.load(Ordering::Relaxed));
            hasher.update(tile.data.bytes());
            slot.store(hasher.finalize(), Ordering::Relaxed);
        }
    }
}
