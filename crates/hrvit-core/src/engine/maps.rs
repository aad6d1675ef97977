//! The branches' regions at the front of the arena.

use hrvit_format::{BRANCHES, Step};

use crate::{arena::ArenaSlicer, arithmetic::Arithmetic, branch_maps::BranchMaps, fault::Fault, plan::Plan};

/// The branches' regions: a map each, and the second one where the plan has it.
pub struct Maps<'m, A: Arithmetic> {
    pub x: [&'m mut [A::Wide]; BRANCHES],
    pub fused: [&'m mut [A::Wide]; BRANCHES],
}

impl<'m, A: Arithmetic> Maps<'m, A> {
    /// Cuts those of the live branches.
    pub fn cut(plan: &Plan, step: Step, slicer: &mut ArenaSlicer<'m>) -> Result<Self, Fault> {
        let mut maps = Self { x: Default::default(), fused: Default::default() };
        let (geometry, second) = (plan.geometry_of(step), plan.has_second_maps());
        for (branch, (x, fused)) in maps.x.iter_mut().zip(&mut maps.fused).enumerate().take(plan.live_branches(step)) {
            BranchMaps::<A> { x: *x, fused: *fused } = BranchMaps::cut(&geometry, branch, second, slicer)?;
        }
        Ok(maps)
    }

    /// The first map of `branch`.
    pub fn of(&mut self, branch: u8) -> Result<&mut [A::Wide], Fault> {
        Ok(self.x.get_mut(usize::from(branch)).ok_or(Fault)?)
    }

    /// The second map of `branch`; empty where the plan has none.
    pub fn fused_of(&mut self, branch: u8) -> Result<&mut &'m mut [A::Wide], Fault> {
        self.fused.get_mut(usize::from(branch)).ok_or(Fault)
    }
}
