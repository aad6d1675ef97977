//! How much memory a network needs at a size, and where in the arena each map lies. Pure, without allocation: also for build scripts.
//!
//! ```text
//! arena  │ weights (if streamed) │ x0 │ x1 │ x2 │ x3 │ scratch │
//! ```
//! The head narrows the last stage norms to s8 and packs them at the front, so that the other half of their room is scratch.
//! Branch b's region holds, one after the other and never two at once: the residual stream (s16), the stage norm (s16), and pairs of narrowed stage norm and
//! fusion output (s8 + s8). Where any fusion has codes of two bytes (fp16, int16x8), regions have two maps: the second holds fusion outputs, and the kept half of an
//! attention block. Scratch begins behind the last branch that is alive, so that early modules use the room of branches that do not exist yet.

use hrvit_format::{BRANCHES, Network, Parts, Size, Step, WideParts, record::Precision};

use crate::{
    arena::{ALIGN, padded_bytes},
    arithmetic::{Arithmetic, Int8},
    blocks::{attention, fusion, mix_cfn, patch_embed, stem},
    error::PlanError,
    heads::{classifier, narrow, segformer},
};

/// The most workers that a plan can serve. 32-bit machines are microcontrollers with two cores at most, and little stack: the heads keep what each worker needs
/// there.
pub const MAX_WORKERS: usize = if cfg!(target_pointer_width = "32") { 2 } else { 8 };

/// Where the engine reads weights from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPlacement {
    /// The image can be addressed: no buffer.
    Mapped,
    /// Groups are paged through a buffer in the arena.
    Streamed {
        /// Bytes of the largest set of groups used together ([`hrvit_format::ModelHead::largest_group`]).
        largest_group: usize,
    },
}

/// How high the tiles are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tiling {
    /// As high as is useful in the arena that tiles of one row need anyway.
    #[default]
    Smallest,
    /// As high as is useful in an arena of this many bytes.
    Within(usize),
    /// This many rows in every step, or the whole map where it has fewer. At least 1.
    Rows(usize),
}

/// Tokens from which on a higher tile is of no more use: products of that many rows keep a kernel's registers and the weights that it reads busy.
const USEFUL_TOKENS: usize = 64;

/// Where the kept half of an attention block lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeptHalf {
    /// In the half of the next branch's region that is free until its turn comes.
    NextBranch,
    /// In the second map of the branch's own region.
    OwnRegion,
    /// At the beginning of the scratch.
    Scratch,
}

/// The memory of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    network: Network,
    half: WideParts,
    size: Size,
    workers: usize,
    weight_buffer: usize,
    regions: [usize; BRANCHES],
    tiling: Tiling,
    /// What tiles may fill, the weight buffer not included.
    budget: usize,
    arena: usize,
}

/// Memory in use during one step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StepMemory {
    /// The step.
    pub step: Step,
    /// Height of its tiles, as [`Plan::tile`] has it.
    pub tile: usize,
    /// Branches whose regions are alive.
    pub branches: usize,
    /// Bytes of those regions.
    pub maps: usize,
    /// Bytes of the attention's kept half, where it takes scratch of its own.
    pub kept: usize,
    /// Bytes of line buffers, halos and other scratch of all workers.
    pub scratch: usize,
}

impl StepMemory {
    /// Bytes in use, the weight buffer not included.
    pub fn bytes(&self) -> usize {
        self.maps + self.kept + self.scratch
    }

    /// The one with more bytes.
    #[cfg(any(feature = "fp16", feature = "int16x8"))]
    fn or(self, other: Self) -> Self {
        if other.bytes() > self.bytes() { other } else { self }
    }
}

/// What a part of the arena holds during a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Weights of the step, where they are streamed.
    Weights,
    /// Residual stream of a branch, 16 bits.
    Stream(u8),
    /// Stage norm of a branch, 16 bits.
    StageNorm(u8),
    /// Stage norm as fusions read it and fusion output of a branch: s8, or 16 bits both.
    Fused(u8),
    /// The vertical half of an attention block's result: s8 or 16 bits.
    Kept,
    /// Stage norms as the head reads them: s8 or 16 bits.
    Narrowed,
    /// Line buffers, strips, sums.
    Scratch,
}

/// A part of the arena during a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// What it holds.
    pub holds: RegionKind,
    /// First byte, from the start of the arena.
    pub offset: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Parts of the arena during one step, in order of their offsets, the kept half (which may lie inside another part) last.
pub type Regions = heapless::Vec<Region, { BRANCHES + 4 }>;

/// Plans the smallest arena for `network` at `size`.
///
/// # Errors
/// If the network or the size is none, or there are no workers or too many.
pub fn plan(network: &Network, size: Size, workers: usize, weights: WeightPlacement) -> Result<Plan, PlanError> {
    plan_tiled(network, size, workers, weights, Tiling::Smallest)
}

/// Plans the arena for `network` at `size` with tiles of a chosen height. No tiling changes a byte of any result.
///
/// # Errors
/// If the network or the size is none, there are no workers or too many, or the arena would not fit what was given.
pub fn plan_tiled(network: &Network, size: Size, workers: usize, weights: WeightPlacement, tiling: Tiling) -> Result<Plan, PlanError> {
    plan_mixed((network, WideParts::NONE), size, workers, weights, tiling)
}

/// [`plan_tiled`] for a network of which the parts `half` have codes of two bytes ([`hrvit_format::ModelHead::wide_parts`]).
///
/// # Errors
/// As [`plan_tiled`]; and if parts have a precision that the build has not (features `fp16` and `int16x8`).
pub fn plan_mixed((network, half): (&Network, WideParts), size: Size, workers: usize, weights: WeightPlacement, tiling: Tiling) -> Result<Plan, PlanError> {
    if let Some(precision) = Precision::ALL.into_iter().find(|&precision| half.of(precision) != Parts::NONE && !precision.is_built()) {
        return Err(PlanError::Precision(precision));
    }
    network.validate().map_err(PlanError::Spec)?;
    let size = Size::new(size.height, size.width).map_err(PlanError::Spec)?;
    if !(1..=MAX_WORKERS).contains(&workers) {
        return Err(PlanError::Workers(workers));
    }
    let weight_buffer = match weights {
        WeightPlacement::Mapped => 0,
        WeightPlacement::Streamed { largest_group } => largest_group.next_multiple_of(ALIGN),
    };
    let mut regions = [0; BRANCHES];
    for (branch, bytes) in regions.iter_mut().enumerate() {
        *bytes = maps_per_region(half) * padded_bytes::<i16>(network.spec.map_len(size, branch));
    }
    let mut plan = Plan { network: network.clone(), half, size, workers, weight_buffer, regions, tiling, budget: 0, arena: 0 };
    let smallest = plan.network.steps().map(|step| plan.moment_with(step, 1).bytes()).max().unwrap_or(0);
    plan.budget = match tiling {
        Tiling::Smallest | Tiling::Rows(_) => smallest,
        Tiling::Within(given) => match given.checked_sub(weight_buffer) {
            Some(budget) if budget >= smallest => budget,
            _ => return Err(PlanError::Budget { needed: weight_buffer + smallest, given }),
        },
    };
    plan.arena = weight_buffer + plan.moments().map(|moment| moment.bytes()).max().unwrap_or(0);
    if isize::try_from(plan.arena).is_err() { Err(PlanError::TooLarge) } else { Ok(plan) }
}

/// Maps in the region of a branch.
fn maps_per_region(half: WideParts) -> usize {
    if half.any_entry() { 2 } else { 1 }
}

impl Plan {
    /// Parts of the network that may have codes of two bytes.
    pub fn wide_parts(&self) -> WideParts {
        self.half
    }

    /// Whether the region of a branch has a second map.
    pub(crate) fn has_second_maps(&self) -> bool {
        maps_per_region(self.half) > 1
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

    /// What is in use at each step, in canonical order.
    pub fn moments(&self) -> impl Iterator<Item = StepMemory> + '_ {
        self.network.steps().map(|step| self.moment(step))
    }

    /// The moment that decides the arena's size.
    pub fn peak(&self) -> Option<StepMemory> {
        self.moments().max_by_key(StepMemory::bytes)
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
        if self.half.contains(&self.network, Step::Attention { module, branch, block: 0 }) {
            return KeptHalf::Scratch;
        }
        let next = usize::from(branch) + 1;
        let free = if next < BRANCHES { self.network.spec.map_len(self.size, next) } else { 0 };
        let alive = next < self.network.spec.branches(usize::from(module));
        let fits = attention::kept_len(&self.network, self.size, branch.into()) <= free;
        if alive && fits { KeptHalf::NextBranch } else { KeptHalf::Scratch }
    }

    /// Height of the tiles of `step`: rows of the branch (rows and columns that are projected at once for attention), units of eight columns of a row of
    /// logits for the SegFormer head, one row for the classification head.
    pub fn tile(&self, step: Step) -> usize {
        let (whole, tokens) = self.whole(step);
        match self.tiling {
            Tiling::Rows(rows) => rows.clamp(1, whole.max(1)),
            Tiling::Smallest | Tiling::Within(_) => {
                let useful = USEFUL_TOKENS.div_ceil(tokens.max(1)).min(whole);
                (2..=useful).rev().find(|&tile| self.moment_with(step, tile).bytes() <= self.budget).unwrap_or(1)
            }
        }
    }

    /// The highest tile of `step`, and the tokens of a tile of height 1.
    fn whole(&self, step: Step) -> (usize, usize) {
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

    fn moment(&self, step: Step) -> StepMemory {
        self.moment_with(step, self.tile(step))
    }

    fn moment_with(&self, step: Step, tile: usize) -> StepMemory {
        let moment = self.moment_in::<Int8>(step, tile);
        // Blocks of a stage may differ in their precision: the hungriest counts.
        #[cfg(feature = "int16x8")]
        let moment = match self.half.of(Precision::Int16x8).contains(&self.network, step) {
            true => moment.or(self.moment_in::<crate::arithmetic::Int16x8>(step, tile)),
            false => moment,
        };
        #[cfg(feature = "fp16")]
        let moment = match self.half.of(Precision::Fp16).contains(&self.network, step) {
            true => moment.or(self.moment_in::<crate::arithmetic::Fp16>(step, tile)),
            false => moment,
        };
        moment
    }

    fn moment_in<A: Arithmetic>(&self, step: Step, tile: usize) -> StepMemory {
        let Self { network, size, workers, .. } = self;
        let (network, size, workers) = (network, *size, *workers);
        let mut kept = 0;
        let scratch = match step {
            Step::Stem => stem::scratch::<A>(network, size, workers, tile),
            Step::Fusion { module, branch } => fusion::scratch::<A>(network, size, (module, branch), workers, tile),
            Step::PatchEmbed { module, branch } => patch_embed::scratch::<A>(network, size, (module, branch), workers, tile),
            Step::Attention { module, branch, .. } => {
                if self.kept(module, branch) == KeptHalf::Scratch {
                    kept = padded_bytes::<A::Code>(attention::kept_len(network, size, branch.into()));
                }
                attention::scratch::<A>(network, size, branch.into(), workers, tile)
            }
            Step::MixCfn { branch, .. } => mix_cfn::scratch::<A>(network, size, branch.into(), workers, tile),
            Step::StageNorm { .. } => 0,
            // The label map is made while the logits are, in their memory.
            Step::Logits | Step::LabelMap => segformer::scratch::<A>(network, size, workers, tile),
            Step::Increase { .. } | Step::Classify => classifier::scratch::<A>(network, size),
        };
        let branches = self.live_branches(step);
        let mut maps = self.regions.iter().take(branches).sum::<usize>();
        let mut scratch = scratch;
        if step.in_head() {
            // The head begins with the stage norms and one row in hand, and goes on with the narrowed maps and its own scratch.
            let narrowed = narrow::maps::<A>(network, size);
            scratch = (narrowed + scratch).max(maps + narrow::scratch::<A>(network, size)) - narrowed;
            maps = narrowed;
        }
        StepMemory { step, tile, branches, maps, kept, scratch }
    }

    /// Which bytes of the arena hold what during `step`.
    pub fn regions_during(&self, step: Step) -> Regions {
        let moment = self.moment(step);
        let mut regions = Regions::new();
        let mut offset = 0;
        let mut add = |holds, bytes| {
            if bytes > 0 {
                // At most one part each: weights, four maps, kept, scratch.
                let added = regions.push(Region { holds, offset, bytes });
                debug_assert!(added.is_ok(), "a step has more regions than there can be");
                offset += bytes;
            }
        };
        add(RegionKind::Weights, self.weight_buffer);
        if step.in_head() {
            add(RegionKind::Narrowed, moment.maps);
        } else {
            for (branch, bytes) in (0u8..).zip(self.regions).take(moment.branches) {
                add(content(step, branch), bytes);
            }
        }
        add(RegionKind::Kept, moment.kept);
        add(RegionKind::Scratch, moment.scratch);
        if let Step::Attention { module, branch, .. } = step
            && self.kept(module, branch) != KeptHalf::Scratch
        {
            let mut before: usize = self.regions.iter().take(usize::from(branch) + 1).sum();
            let mut bytes = attention::kept_len(&self.network, self.size, branch.into());
            if self.kept(module, branch) == KeptHalf::OwnRegion {
                before -= self.regions.get(usize::from(branch)).copied().unwrap_or(0) / 2;
                bytes *= self.code_bytes(step);
            }
            let added = regions.push(Region { holds: RegionKind::Kept, offset: self.weight_buffer + before, bytes });
            debug_assert!(added.is_ok(), "a step has more regions than there can be");
        }
        regions
    }

    /// Bytes of what operators hand to each other inside the step.
    fn code_bytes(&self, step: Step) -> usize {
        if self.half.contains(&self.network, step) { 2 } else { 1 }
    }

    /// Bytes that the same network takes when every tensor is stored whole: per step its input, its output and all that lies between, beside the maps of the
    /// other branches.
    pub fn untiled_bytes(&self) -> usize {
        let spec = &self.network.spec;
        let elements = |branch: usize| spec.map_len(self.size, branch);
        let whole = |step: Step| -> usize {
            let streams: usize = (0..self.live_branches(step)).map(|branch| 2 * elements(branch)).sum();
            let code = self.code_bytes(step);
            let fused: usize = (0..self.live_branches(step)).map(|branch| code * elements(branch)).sum();
            let between = match step {
                Step::Stem => {
                    code * (self.size.pixels() * 3 + self.size.pixels() / 4 * usize::from(spec.stem) / 2 + self.size.tokens(0) * usize::from(spec.stem))
                }
                Step::Fusion { module, branch } => {
                    self.size.tokens(branch.into()) * 4 * usize::from(spec.channels(branch.into())) * spec.fusion_inputs(module.into())
                }
                Step::PatchEmbed { branch, .. } => (code + 2) * elements(branch.into()),
                // norm, q, v, result; attention and parallel path of 16 bits, two sums of 32 bits
                Step::Attention { branch, .. } => (4 * code + 12) * elements(branch.into()),
                Step::MixCfn { branch, .. } => {
                    code * elements(branch.into()) + 2 * code * self.size.tokens(branch.into()) * usize::from(spec.hidden(branch.into()))
                }
                Step::StageNorm { .. } => 0,
                Step::Logits | Step::LabelMap => {
                    let width = usize::from(spec.head_width);
                    let terms: usize = (0..BRANCHES).map(|branch| 2 * self.size.tokens(branch) * width).sum();
                    let logits = 2 * usize::from(self.network.classes) * (self.size.tokens(0) + self.size.pixels());
                    terms + (4 + code) * self.size.tokens(0) * width + logits
                }
                Step::Increase { branch } => code * self.size.tokens(branch.into()) * 1024,
                Step::Classify => code * self.size.tokens(BRANCHES - 1) * 2048,
            };
            streams + fused + between
        };
        self.network.steps().map(whole).max().unwrap_or(0)
    }
}

/// What the region of a live `branch` holds during a step of the backbone.
fn content(step: Step, branch: u8) -> RegionKind {
    match step {
        Step::Fusion { branch: output, .. } if branch > output => RegionKind::StageNorm(branch),
        Step::Fusion { .. } => RegionKind::Fused(branch),
        Step::PatchEmbed { branch: at, .. } | Step::Attention { branch: at, .. } | Step::MixCfn { branch: at, .. } | Step::StageNorm { branch: at, .. } => {
            match branch.cmp(&at) {
                core::cmp::Ordering::Less => RegionKind::StageNorm(branch),
                core::cmp::Ordering::Equal => RegionKind::Stream(branch),
                core::cmp::Ordering::Greater => RegionKind::Fused(branch),
            }
        }
        _ => RegionKind::Stream(branch),
    }
}
