//! How much memory a network needs at a size, and where in the arena each map lies. Pure, without allocation: also for build scripts.

use hrvit_format::{BRANCHES, Head, Network, Size, Step};

use crate::{
    arena::region,
    blocks::{attention, fusion, mix_cfn, patch_embed, stem},
    error::PlanError,
    heads::{classifier, segformer},
};

/// The most workers that a plan can serve.
pub const MAX_WORKERS: usize = 1;

/// Where the engine reads weights from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WeightPlacement {
    /// The image can be addressed: no buffer.
    Mapped,
    /// Groups are paged through a buffer in the arena.
    Streamed {
        /// Bytes of the largest group (`model.steps()` has their lengths).
        largest_group: usize,
    },
}

/// The memory of one engine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    pub(crate) network: Network,
    size: Size,
    workers: usize,
    weight_buffer: usize,
    streams: usize,
    fused: usize,
    work: usize,
    head_maps: usize,
    head_work: usize,
}

/// Plans the arena for `network` at `size`.
pub fn plan(network: &Network, size: Size, workers: usize, weights: WeightPlacement) -> Result<Plan, PlanError> {
    network.validate().map_err(PlanError::Spec)?;
    let size = Size::new(size.height, size.width).map_err(PlanError::Spec)?;
    if !(1..=MAX_WORKERS).contains(&workers) {
        return Err(PlanError::Workers(workers));
    }
    let weight_buffer = match weights {
        WeightPlacement::Mapped => 0,
        WeightPlacement::Streamed { largest_group } => region::<u8>(largest_group),
    };
    let spec = &network.spec;
    let elements = |branch: usize| size.tokens(branch) * usize::from(spec.channels(branch));
    let streams = (0..BRANCHES).map(|branch| region::<i16>(elements(branch))).sum();
    let fused = (0..BRANCHES).map(|branch| region::<i8>(elements(branch))).sum();
    let backbone = |step: Step| match step {
        Step::Stem => stem::scratch(network, size),
        Step::Fusion { module, branch } => fusion::scratch(network, size, module, branch),
        Step::PatchEmbed { branch, .. } => patch_embed::scratch(network, size, usize::from(branch)),
        Step::Attention { branch, .. } => attention::scratch(network, size, usize::from(branch)),
        Step::MixCfn { branch, .. } => mix_cfn::scratch(network, size, usize::from(branch)),
        _ => 0,
    };
    let work = network.steps().map(backbone).max().unwrap_or(0);
    let (head_maps, head_work) = match network.head {
        Head::Segformer => (0, segformer::scratch(network, size)),
        Head::Classifier => (classifier::maps(size), classifier::scratch(network, size)),
    };
    let plan = Plan { network: network.clone(), size, workers, weight_buffer, streams, fused, work, head_maps, head_work };
    if isize::try_from(plan.arena_bytes()).is_err() { Err(PlanError::TooLarge) } else { Ok(plan) }
}

impl Plan {
    /// Bytes of the arena that the engine needs, exactly.
    pub fn arena_bytes(&self) -> usize {
        self.weight_buffer + self.streams + (self.fused + self.work).max(self.head_maps + self.head_work)
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

    /// Bytes of the residual streams, 16 bits an element, alive throughout.
    pub fn stream_bytes(&self) -> usize {
        self.streams
    }

    /// Bytes of the fusion outputs, 8 bits an element.
    pub fn fused_bytes(&self) -> usize {
        self.fused
    }

    /// Bytes of line buffers and scratch of the hungriest step of the backbone.
    pub fn work_bytes(&self) -> usize {
        self.work
    }

    /// Bytes of the head's maps and scratch; they take the place of fusion outputs and backbone scratch.
    pub fn head_bytes(&self) -> usize {
        self.head_maps + self.head_work
    }
}
