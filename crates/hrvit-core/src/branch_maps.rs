//! The region of one branch.

use crate::{arena::ArenaSlicer, arithmetic::Arithmetic, fault::Fault, geometry::Geometry};

/// The maps in the region of one branch.
pub struct BranchMaps<'m, A: Arithmetic> {
    /// Residual stream, stage norm, pairs of narrowed stage norm and fusion output.
    pub x: &'m mut [A::Wide],
    /// Fusion output where it has a map of its own; else empty.
    pub fused: &'m mut [A::Wide],
}

impl<'m, A: Arithmetic> BranchMaps<'m, A> {
    /// Those of `branch`, with or without a second map.
    pub fn cut(geometry: &Geometry<'_>, branch: usize, second: bool, slicer: &mut ArenaSlicer<'m>) -> Result<Self, Fault> {
        let len = geometry.map_len(branch);
        Ok(Self { x: slicer.take([len])?, fused: slicer.take([if second { len } else { 0 }])? })
    }
}
