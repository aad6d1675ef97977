//! Content of the arena, region by region.

use hrvit_format::{BRANCHES, Step};

use super::memory::{KeptHalf, Plan};
use crate::blocks::attention;

/// Content of a part of the arena during a step. The enum is exhaustive: a program that draws the
/// arena must know every kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegionKind {
    /// Weights of the step, if they are streamed.
    Weights,
    /// Residual stream of a branch, 16 bits.
    Stream(u8),
    /// Stage norm of a branch, 16 bits.
    StageNorm(u8),
    /// Stage norm of a branch as fusions read it, and fusion output of the branch: both in s8, or
    /// both in 16 bits.
    Fused(u8),
    /// The vertical half of an attention block's result, s8 or 16 bits.
    Kept,
    /// Stage norms as the head reads them, s8 or 16 bits.
    Narrowed,
    /// Row buffers, strips and sums of all workers.
    Scratch,
}

/// A part of the arena during a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its content.
    pub holds: RegionKind,
    /// First byte, from the start of the arena.
    pub offset: usize,
    /// Bytes.
    pub bytes: usize,
}

/// Parts of the arena during one step, in order of their offsets. The kept half, which may lie
/// inside another part, is last.
pub type Regions = heapless::Vec<Region, { BRANCHES + 4 }>;

impl Plan {
    /// The parts of the arena during `step`.
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
            let mut bytes = attention::kept_len(&self.geometry(1), branch.into());
            if self.kept(module, branch) == KeptHalf::OwnRegion {
                before -= self.regions.get(usize::from(branch)).copied().unwrap_or(0) / 2;
                bytes *= self.code_bytes(step);
            }
            let added = regions.push(Region { holds: RegionKind::Kept, offset: self.weight_buffer + before, bytes });
            debug_assert!(added.is_ok(), "a step has more regions than there can be");
        }
        regions
    }
}

/// Content of the region of `branch`, which is in use, during a step of the backbone.
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
