//! Memory in use during a step.

#[cfg(any(feature = "fp16", feature = "int16x8"))]
use hrvit_format::Precision;
use hrvit_format::Step;

use super::memory::{KeptHalf, Plan};
use crate::{
    arena::ArenaSlicer,
    arithmetic::{Arithmetic, Int8},
    blocks::{attention, fusion, mix_cfn, patch_embed, stem},
    geometry::Place,
    heads::{classifier, narrow, segformer},
};

/// Memory in use during one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMemory {
    /// The step.
    pub step: Step,
    /// Height of its tiles, as [`Plan::tile`] has it.
    pub tile: usize,
    /// Number of branches whose regions are in use.
    pub branches: usize,
    /// Bytes of those regions.
    pub maps: usize,
    /// Bytes of the attention's kept half if it lies in scratch, else 0.
    pub kept: usize,
    /// Bytes of line buffers, halos and other scratch of all workers.
    pub scratch: usize,
}

impl StepMemory {
    /// Bytes in use, without the weight buffer. `usize::MAX` if they are too many to count.
    pub fn bytes(&self) -> usize {
        self.maps.saturating_add(self.kept).saturating_add(self.scratch)
    }

    /// The larger of the two.
    #[cfg(any(feature = "fp16", feature = "int16x8"))]
    fn or(self, other: Self) -> Self {
        if other.bytes() > self.bytes() { other } else { self }
    }
}

impl Plan {
    /// Memory in use at each step, in canonical order.
    pub fn moments(&self) -> impl Iterator<Item = StepMemory> + '_ {
        self.network.steps().map(|step| self.moment(step))
    }

    /// The step with the most memory, which decides the arena's size.
    pub fn peak(&self) -> Option<StepMemory> {
        self.moments().max_by_key(StepMemory::bytes)
    }

    pub(super) fn moment(&self, step: Step) -> StepMemory {
        self.moment_with(step, self.tile(step))
    }

    pub(super) fn moment_with(&self, step: Step, tile: usize) -> StepMemory {
        let moment = self.moment_in::<Int8>(step, tile);
        // Blocks of a stage may differ in their precision: the one with the most memory counts.
        #[cfg(feature = "int16x8")]
        let moment = match self.precisions.of(Precision::Int16x8).contains(&self.network, step) {
            true => moment.or(self.moment_in::<crate::arithmetic::Int16x8>(step, tile)),
            false => moment,
        };
        #[cfg(feature = "fp16")]
        let moment = match self.precisions.of(Precision::Fp16).contains(&self.network, step) {
            true => moment.or(self.moment_in::<crate::arithmetic::Fp16>(step, tile)),
            false => moment,
        };
        moment
    }

    fn moment_in<A: Arithmetic>(&self, step: Step, tile: usize) -> StepMemory {
        let geometry = &self.geometry(tile);
        let mut kept = 0;
        let mut scratch = match step {
            Step::Stem => stem::scratch::<A>(geometry),
            Step::Fusion { module, branch } => fusion::scratch::<A>(geometry, Place { module, branch }),
            Step::PatchEmbed { module, branch } => patch_embed::scratch::<A>(geometry, Place { module, branch }),
            Step::Attention { module, branch, .. } => {
                if self.kept(module, branch) == KeptHalf::Scratch {
                    kept = ArenaSlicer::measure(|slicer| attention::kept::<A>(geometry, branch.into(), slicer));
                }
                attention::scratch::<A>(geometry, branch.into())
            }
            Step::MixCfn { branch, .. } => mix_cfn::scratch::<A>(geometry, branch.into()),
            Step::StageNorm { .. } => 0,
            // The label map is made together with the logits, in the same memory.
            Step::Logits | Step::LabelMap => segformer::scratch::<A>(geometry),
            Step::Increase { .. } | Step::Classify => classifier::scratch::<A>(geometry),
        };
        let branches = self.live_branches(step);
        let mut maps = self.regions.iter().take(branches).copied().fold(0, usize::saturating_add);
        if step.in_head() {
            // The head first holds the stage norms and one row. Then it holds the narrowed maps and
            // its own scratch.
            let narrowed = narrow::maps::<A>(geometry);
            let (begin, go_on) = (maps.saturating_add(narrow::scratch::<A>(geometry)), narrowed.saturating_add(scratch));
            scratch = begin.max(go_on).saturating_sub(narrowed);
            maps = narrowed;
        }
        StepMemory { step, tile, branches, maps, kept, scratch }
    }
}
