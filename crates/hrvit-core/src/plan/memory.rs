//! A plan and what it says of memory.

use hrvit_format::{BRANCHES, Network, Size, Step, WideParts};

use super::table::StepTable;
use crate::{blocks::attention, geometry::Geometry};

/// Place of the kept half of an attention block: the vertical pass's result, which waits for the
/// horizontal pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum KeptHalf {
    /// In the half of the next branch's region that is free until the turn of the next branch.
    NextBranch,
    /// In the second map of the branch's own region.
    OwnRegion,
    /// At the beginning of the scratch.
    Scratch,
}

/// The memory of one engine, the height of each step's tiles, and what each step costs.
///
/// ```
/// use hrvit_core::{Plan, Size, Tiling};
/// use hrvit_format::{Head, Network, Spec};
///
/// # fn main() -> Result<(), hrvit_core::PlanError> {
/// let spec = Spec::variant("nano").unwrap();
/// let network = Network { spec, head: Head::Segformer, classes: 11 };
/// let size = Size { height: 192, width: 256 };
/// let plan = Plan::builder(&network, size).workers(2).tiling(Tiling::Smallest).build()?;
/// assert!(plan.arena_bytes() < 512 << 10);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(super) network: Network,
    pub(super) precisions: WideParts,
    pub(super) size: Size,
    pub(super) workers: usize,
    pub(super) weight_buffer: usize,
    pub(super) regions: [usize; BRANCHES],
    pub(super) tiles: StepTable<u16>,
    pub(super) macs: StepTable<u64>,
    pub(super) arena: usize,
}

impl Plan {
    /// Parts of the network for which the plan has room for codes of two bytes.
    pub fn precisions(&self) -> WideParts {
        self.precisions
    }

    /// Exact number of bytes that the engine needs as its arena.
    pub fn arena_bytes(&self) -> usize {
        self.arena
    }

    /// Input size.
    pub fn size(&self) -> Size {
        self.size
    }

    /// Workers that the scratch memory is laid out for.
    pub fn workers(&self) -> usize {
        self.workers
    }

    /// The network that was planned for.
    pub fn network(&self) -> &Network {
        &self.network
    }

    /// Bytes of the buffer for streamed weights.
    pub fn weight_buffer_bytes(&self) -> usize {
        self.weight_buffer
    }

    /// Bytes of each branch's region.
    pub fn regions(&self) -> [usize; BRANCHES] {
        self.regions
    }

    /// Height of the tiles of `step`, in rows of its branch. For attention it is the number of rows
    /// or columns that are projected at once. For the SegFormer head it is the width of a tile of
    /// one row of logits, in units of eight columns. For the classification head it is 1.
    pub fn tile(&self, step: Step) -> usize {
        self.tiles.of(step).into()
    }

    /// Multiply-accumulates of `step` after the exact rewrites: [`crate::step_macs`].
    pub fn macs(&self, step: Step) -> u64 {
        self.macs.of(step)
    }

    /// Geometry that the buffers of `step` are cut by.
    pub(crate) fn geometry_of(&self, step: Step) -> Geometry<'_> {
        self.geometry(self.tile(step))
    }

    pub(super) fn geometry(&self, tile: usize) -> Geometry<'_> {
        Geometry { network: &self.network, size: self.size, workers: self.workers, tile }
    }

    /// Whether the region of a branch has a second map.
    pub(crate) fn has_second_maps(&self) -> bool {
        self.precisions.any_entry()
    }

    /// Branches whose regions are alive during `step`.
    pub(crate) fn live_branches(&self, step: Step) -> usize {
        match step {
            Step::Stem => self.network.spec.branches(0),
            Step::Fusion { module, .. }
            | Step::PatchEmbed { module, .. }
            | Step::Attention { module, .. }
            | Step::MixCfn { module, .. }
            | Step::StageNorm { module, .. } => self.network.spec.branches(usize::from(module)),
            Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => BRANCHES,
        }
    }

    /// Place of the [kept half](KeptHalf) of an attention block on `branch` of `module`.
    pub fn kept(&self, module: u8, branch: u8) -> KeptHalf {
        if self.has_second_maps() {
            return KeptHalf::OwnRegion;
        }
        if self.precisions.contains(&self.network, Step::Attention { module, branch, block: 0 }) {
            return KeptHalf::Scratch;
        }
        let next = usize::from(branch) + 1;
        let free = if next < BRANCHES { self.network.spec.map_len(self.size, next) } else { 0 };
        let alive = next < self.network.spec.branches(usize::from(module));
        let fits = attention::kept_len(&self.geometry(1), branch.into()) <= free;
        if alive && fits { KeptHalf::NextBranch } else { KeptHalf::Scratch }
    }

    /// Bytes of what operators hand to each other inside the step.
    pub(super) fn code_bytes(&self, step: Step) -> usize {
        if self.precisions.contains(&self.network, step) { 2 } else { 1 }
    }
}
