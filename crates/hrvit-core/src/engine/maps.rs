//! The branches' regions at the front of the arena.

use hrvit_format::{BRANCHES, Step};

use crate::{arena::ArenaSlicer, arithmetic::Arithmetic, fault::Fault, plan::Plan};

/// The branches' regions: a map each, and the second one where the plan has it.
pub struct Maps<'m, A: Arithmetic> {
    pub x: [&'m mut [A::Wide]; BRANCHES],
    pub fused: [&'m mut [A::Wide]; BRANCHES],
}

impl<'m, A: Arithmetic> Maps<'m, A> {
    /// Cuts those of the live branches.
    pub fn cut(plan: &Plan, step: Step, slicer: &mut ArenaSlicer<'m>) -> Result<Self, Fault> {
        let mut maps = Self { x: Default::default(), fused: Default::default() };
        for (branch, (x, fused)) in maps.x.iter_mut().zip(&mut maps.fused).enumerate().take(plan.live_branches(step)) {
            let len = plan.network().spec.map_len(plan.size(), branch);
            *x = slicer.take([len])?;
            if plan.has_second_maps() {
                *fused = slicer.take([len])?;
            }
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
