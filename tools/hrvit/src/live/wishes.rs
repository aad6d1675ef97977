//! Options of the frames that `hrvit live` reads.

use crate::inputs::camera::Matrix;
use crate::inputs::raw::RawFormat;

/// Options of the frames.
#[derive(Clone, Debug, Default)]
pub struct Wishes {
    /// Layout of raw frames.
    pub raw: Option<RawFormat>,
    /// The matrix.
    pub matrix: Option<Matrix>,
    /// Full range.
    pub full_range: bool,
    /// Columns and rows that a camera is asked for.
    pub camera_size: Option<(u32, u32)>,
    /// Frames a second, instead of the source's own.
    pub rate: Option<f64>,
}
