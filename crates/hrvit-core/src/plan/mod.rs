//! How much memory a network needs at a size, and where in the arena each map lies. Pure, without allocation: also for build scripts.
//!
//! ```text
//! arena  │ weights (if streamed) │ x0 │ x1 │ x2 │ x3 │ scratch │
//! ```
//! The head narrows the last stage norms to s8 and packs them at the front, so that the other half of their room is scratch.
//! Branch b's region holds, one after the other and never two at once: the residual stream (s16), the stage norm (s16), and pairs of narrowed stage norm and
//! fusion output (s8 + s8). Where any fusion has codes of two bytes (fp16, int16x8), regions have two maps: the second holds fusion outputs, and the kept half
//! of an attention block. Scratch begins behind the last branch that is alive, so that early modules use the room of branches that do not exist yet.
//!
//! Scratch has no sums of its own here: each block cuts its buffers by one function, which a plan only measures.

mod builder;
mod moment;
mod recomputed;
mod regions;
mod table;
mod untiled;

use hrvit_format::{BRANCHES, ModelHead, Network, Size, Step, WideParts};

use crate::{blocks::attention, geometry::Geometry};

pub use builder::{PlanBuilder, Tiling, WeightPlacement};
pub use moment::StepMemory;
pub use recomputed::recomputed_macs;
pub use regions::{Region, RegionKind, Regions};
use table::StepTable;

/// Where the kept half of an attention block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "defmt", derive(defmt::Format))]
#[non_exhaustive]
pub enum KeptHalf {
    /// In the half of the next branch's region that is free until its turn comes.
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
/// let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
/// let size = Size { height: 192, width: 256 };
/// let plan = Plan::builder(&network, size).workers(2).tiling(Tiling::Smallest).build()?;
/// assert!(plan.arena_bytes() < 512 << 10);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    network: Network,
    precisions: WideParts,
    size: Size,
    workers: usize,
    weight_buffer: usize,
    regions: [usize; BRANCHES],
    tiles: StepTable<u16>,
    macs: StepTable<u64>,
    arena: usize,
}

impl Plan {
    /// A plan for `network` at `size`: int8, one worker, the smallest arena, weights that are read in place, until the builder is told otherwise.
    pub fn builder(network: &Network, size: Size) -> PlanBuilder {
        PlanBuilder::new(network, size)
    }

    /// A plan for `model` (or the head of one) at its own size and precisions.
    pub fn for_model(model: &ModelHead<'_>) -> PlanBuilder {
        let meta = model.meta();
        PlanBuilder::new(&meta.network, meta.size).precisions(model.wide_parts())
    }

    /// Parts of the network that may have codes of two bytes.
    pub fn precisions(&self) -> WideParts {
        self.precisions
    }

    /// Bytes of the arena that the engine needs, exactly.
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

    /// Height of the tiles of `step`: rows of the branch (rows and columns that are projected at once for attention), units of eight columns of a row of
    /// logits for the SegFormer head, one row for the classification head.
    pub fn tile(&self, step: Step) -> usize {
        self.tiles.of(step).into()
    }

    /// Multiply-accumulates of `step` after the exact rewrites: [`crate::step_macs`].
    pub fn macs(&self, step: Step) -> u64 {
        self.macs.of(step)
    }

    /// What the buffers of `step` are cut by.
    pub(crate) fn geometry_of(&self, step: Step) -> Geometry<'_> {
        self.geometry(self.tile(step))
    }

    fn geometry(&self, tile: usize) -> Geometry<'_> {
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

    /// Where the kept half of an attention block on `branch` of `module` lies.
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
    fn code_bytes(&self, step: Step) -> usize {
        if self.precisions.contains(&self.network, step) { 2 } else { 1 }
    }
}
