//! Watching a run: enter and leave of every step, and the data as it is made.

use core::sync::atomic::{AtomicU32, Ordering};

use hrvit_format::{Step, StepId};

/// A step as observers see it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepInfo {
    /// Position in canonical order.
    pub id: StepId,
    /// What it is.
    pub step: Step,
    /// Multiply-accumulates of the step after the exact rewrites.
    pub macs: u64,
}

/// Values of one tile, row-major, channel last.
#[derive(Clone, Copy, Debug)]
pub enum TileData<'a> {
    /// 8-bit codes.
    S8(&'a [i8]),
    /// 16-bit codes.
    S16(&'a [i16]),
    /// 32-bit sums.
    S32(&'a [i32]),
    /// Class indices.
    U8(&'a [u8]),
    /// Half-precision numbers.
    #[cfg(feature = "fp16")]
    F16(&'a [hrvit_kernels::f16]),
    /// Sums of half-precision steps.
    #[cfg(feature = "fp16")]
    F32(&'a [f32]),
}

impl<'a> TileData<'a> {
    /// The values as they lie in memory, little-endian.
    pub fn bytes(&self) -> &'a [u8] {
        match self {
            Self::S8(codes) => bytemuck::cast_slice(codes),
            Self::S16(codes) => bytemuck::cast_slice(codes),
            Self::S32(sums) => bytemuck::cast_slice(sums),
            Self::U8(labels) => labels,
            #[cfg(feature = "fp16")]
            Self::F16(values) => bytemuck::cast_slice(values),
            #[cfg(feature = "fp16")]
            Self::F32(sums) => bytemuck::cast_slice(sums),
        }
    }
}

/// Part of a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Tile<'a> {
    /// The step at work.
    pub id: StepId,
    /// Index of the operator within the step, or `None` for the tensor that the step leaves behind.
    pub op: Option<u8>,
    /// First row.
    pub y: usize,
    /// First column.
    pub x: usize,
    /// Columns; rows and channels follow from the length.
    pub columns: usize,
    /// Values.
    pub data: TileData<'a>,
}

/// Sees every step. Methods take `&self` and may be called from workers; all do nothing unless overridden.
pub trait Observer: Sync {
    /// A step begins.
    fn enter(&self, _step: StepInfo) {}
    /// A step has ended.
    fn leave(&self, _step: StepInfo) {}
    /// Data was made. Tiles with `op: None` arrive from the caller's thread in raster order, whole rows at a time.
    fn tile(&self, _tile: Tile<'_>) {}
}

/// Sees nothing.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoObserver;

impl Observer for NoObserver {}

/// CRC32 of the tensor that every step leaves behind, into one slot per step in canonical order.
#[derive(Clone, Copy, Debug)]
pub struct StepCrcs<'a>(pub &'a [AtomicU32]);

impl Observer for StepCrcs<'_> {
    fn enter(&self, step: StepInfo) {
        if let Some(slot) = self.0.get(usize::from(step.id.0)) {
            slot.store(0, Ordering::Relaxed);
        }
    }

    fn tile(&self, tile: Tile<'_>) {
        if let (None, Some(slot)) = (tile.op, self.0.get(usize::from(tile.id.0))) {
            let mut hasher = crc32fast::Hasher::new_with_initial(slot.load(Ordering::Relaxed));
            hasher.update(tile.data.bytes());
            slot.store(hasher.finalize(), Ordering::Relaxed);
        }
    }
}
