//! Options of a plan, and the planner.

use hrvit_format::{ModelHead, Network, Parts, Precision, Size, Step, WideParts};

use super::{memory::Plan, table::StepTable};
use crate::{
    arena::{ALIGN, ArenaSlicer},
    arithmetic::Int8,
    branch_maps::BranchMaps,
    error::PlanError,
    geometry::Geometry,
    heads::segformer,
    macs::step_macs,
    schedule::MAX_WORKERS,
};

/// Memory from which the engine reads weights.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WeightPlacement {
    /// The image is in addressable memory. No buffer is needed.
    #[default]
    Mapped,
    /// Groups are paged through a buffer in the arena.
    Streamed {
        /// Bytes of the largest set of groups that the engine uses together
        /// ([`ModelHead::largest_group`]).
        largest_group: usize,
    },
}

impl WeightPlacement {
    /// Weights paged through a buffer that is large enough for `model`.
    pub fn streamed(model: &ModelHead<'_>) -> Self {
        Self::Streamed { largest_group: model.largest_group() }
    }
}

/// Height of the tiles. No choice changes a byte of any result.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tiling {
    /// The greatest useful height that fits the arena of tiles of one row.
    #[default]
    Smallest,
    /// The greatest useful height that fits an arena of this many bytes.
    Within(usize),
    /// This many rows in every step, at least 1. A map with fewer rows is one tile.
    Rows(usize),
}

/// Useful height of a tile, in tokens. Products of so many rows keep a kernel's registers and the
/// weights that it reads busy.
const USEFUL_TOKENS: usize = 64;

/// Options of a [`Plan`]. [`Plan::builder`] and [`Plan::for_model`] make a builder.
#[derive(Clone, Debug)]
#[must_use = "nothing is planned before `build`"]
pub struct PlanBuilder {
    network: Network,
    size: Size,
    precisions: WideParts,
    workers: usize,
    tiling: Tiling,
    weights: WeightPlacement,
}

impl PlanBuilder {
    fn new(network: &Network, size: Size) -> Self {
        let (precisions, tiling, weights) = (WideParts::NONE, Tiling::Smallest, WeightPlacement::Mapped);
        Self { network: network.clone(), size, precisions, workers: 1, tiling, weights }
    }

    /// Plans for frames of `size`.
    pub fn size(self, size: Size) -> Self {
        Self { size, ..self }
    }

    /// Plans for codes of two bytes in these parts ([`ModelHead::wide_parts`]).
    pub fn precisions(self, precisions: WideParts) -> Self {
        Self { precisions, ..self }
    }

    /// Plans for an executor of this many workers.
    pub fn workers(self, workers: usize) -> Self {
        Self { workers, ..self }
    }

    /// Plans with tiles of this height.
    pub fn tiling(self, tiling: Tiling) -> Self {
        Self { tiling, ..self }
    }

    /// Plans for weights in this memory.
    pub fn weights(self, weights: WeightPlacement) -> Self {
        Self { weights, ..self }
    }

    /// Plans.
    ///
    /// # Errors
    /// [`PlanError::Spec`] if the network or the size is invalid. [`PlanError::Workers`] if the
    /// number of workers is 0 or above [`MAX_WORKERS`]. [`PlanError::Precision`] if parts have a
    /// precision that this build lacks (features `fp16` and `int16x8`). [`PlanError::Budget`] if
    /// tiles of one row do not fit [`Tiling::Within`]. [`PlanError::TooLarge`] if the arena would
    /// be larger than the address space.
    pub fn build(self) -> Result<Plan, PlanError> {
        let Self { network, precisions, workers, tiling, weights, .. } = self;
        if let Some(precision) = Precision::ALL.into_iter().find(|&precision| precisions.of(precision) != Parts::NONE && !precision.is_built()) {
            return Err(PlanError::Precision(precision));
        }
        network.validate().map_err(PlanError::Spec)?;
        let size = Size::new(self.size.height, self.size.width).map_err(PlanError::Spec)?;
        if !(1..=MAX_WORKERS).contains(&workers) {
            return Err(PlanError::Workers(workers));
        }
        let weight_buffer = match weights {
            WeightPlacement::Mapped => 0,
            WeightPlacement::Streamed { largest_group } => largest_group.checked_next_multiple_of(ALIGN).ok_or(PlanError::TooLarge)?,
        };
        let second = precisions.any_entry();
        let geometry = Geometry { network: &network, size, workers, tile: 1 };
        let regions = core::array::from_fn(|branch| ArenaSlicer::measure(|slicer| BranchMaps::<Int8>::cut(&geometry, branch, second, slicer)));
        let mut plan = Plan { network, precisions, size, workers, weight_buffer, regions, tiles: StepTable::new(1), macs: StepTable::new(0), arena: 0 };
        let smallest = plan.peak_bytes();
        if isize::try_from(smallest).is_err() {
            return Err(PlanError::TooLarge);
        }
        let budget = match tiling {
            Tiling::Smallest | Tiling::Rows(_) => smallest,
            Tiling::Within(given) => match given.checked_sub(weight_buffer) {
                Some(budget) if budget >= smallest => budget,
                _ => return Err(PlanError::Budget { needed: weight_buffer.saturating_add(smallest), given }),
            },
        };
        let (mut tiles, mut macs) = (StepTable::new(1), StepTable::new(0));
        for step in plan.network.steps().filter(|&step| is_first_of_stage(step)) {
            // A map's sides are of 16 bits.
            tiles.set(step, u16::try_from(plan.chosen_tile(step, tiling, budget)).unwrap_or(u16::MAX));
            macs.set(step, step_macs(&plan.network, size, step));
        }
        (plan.tiles, plan.macs) = (tiles, macs);
        let arena = weight_buffer.checked_add(plan.peak_bytes()).filter(|&bytes| isize::try_from(bytes).is_ok());
        plan.arena = arena.ok_or(PlanError::TooLarge)?;
        Ok(plan)
    }
}

/// Whether `step` has an entry of its own: later blocks of a stage share the first block's.
fn is_first_of_stage(step: Step) -> bool {
    !matches!(step, Step::Attention { block: 1.., .. } | Step::MixCfn { block: 1.., .. })
}

impl Plan {
    /// A builder for `network` at `size`. By default it plans for int8, one worker, the smallest
    /// arena and weights that are read in place.
    pub fn builder(network: &Network, size: Size) -> PlanBuilder {
        PlanBuilder::new(network, size)
    }

    /// A builder for `model` (or the head of one) at its own size and precisions.
    pub fn for_model(model: &ModelHead<'_>) -> PlanBuilder {
        let meta = model.meta();
        PlanBuilder::new(&meta.network, meta.size).precisions(model.wide_parts())
    }

    /// Bytes that the largest step uses, without the weight buffer.
    fn peak_bytes(&self) -> usize {
        self.moments().map(|moment| moment.bytes()).max().unwrap_or(0)
    }

    fn chosen_tile(&self, step: Step, tiling: Tiling, budget: usize) -> usize {
        let (whole, tokens) = self.highest_tile(step);
        match tiling {
            Tiling::Rows(rows) => rows.clamp(1, whole.max(1)),
            Tiling::Smallest | Tiling::Within(_) => {
                let useful = USEFUL_TOKENS.div_ceil(tokens.max(1)).min(whole);
                (2..=useful).rev().find(|&tile| self.moment_with(step, tile).bytes() <= budget).unwrap_or(1)
            }
        }
    }

    /// The highest tile of `step`, and the tokens of a tile of height 1.
    fn highest_tile(&self, step: Step) -> (usize, usize) {
        match step {
            Step::Stem => self.size.map(0),
            Step::Fusion { branch, .. } | Step::PatchEmbed { branch, .. } | Step::MixCfn { branch, .. } => self.size.map(branch.into()),
            Step::Attention { branch, .. } => {
                let (rows, columns) = self.size.map(branch.into());
                (self.network.spec.window(branch.into()).min(rows.max(columns)), rows.min(columns))
            }
            Step::Logits | Step::LabelMap => (self.size.map(0).1 / segformer::TILE_UNIT, segformer::TILE_UNIT),
            Step::StageNorm { .. } | Step::Increase { .. } | Step::Classify => (1, 1),
        }
    }
}
