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
    /// Maps of `branch`, with or without a second one.
    #[inline(always)] // every step cuts those of all live branches
    pub fn cut(geometry: &Geometry<'_>, branch: usize, second: bool, slicer: &mut ArenaSlicer<'m>) -> Result<Self, Fault> {
        let len = geometry.map_len(branch);
        let x = slicer.take([len])?;
        Ok(Self { x, fused: if second { slicer.take([len])? } else { Default::default() } })
    }
}
