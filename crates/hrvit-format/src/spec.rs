//! The network as data: widths, depths, windows, ratios and head.
//!
//! A [`Spec`] describes an HRViT backbone (arXiv 2111.01236, table 2) and the width of its
//! SegFormer head. A [`Network`](crate::Network) adds the kind of head and the number of classes.
//! Every shape in the project follows from a `Network` and an input size.

use heapless::Vec;
use serde::{Deserialize, Serialize};

use crate::ablation::Ablation;
use crate::size::Size;
pub use crate::spec_error::{BRANCHES, MAX_MODULES, SpecError};

/// Width of the classification head's bottlenecks per branch, before their fourfold expansion
/// (HRNetV2).
pub const CLASSIFIER_WIDTHS: [u16; BRANCHES] = [32, 64, 128, 256];
/// Expansion of the classification head's bottlenecks.
pub const BOTTLENECK_EXPANSION: u16 = 4;
/// Channels of the classification head's last convolution.
pub const CLASSIFIER_FINAL: u16 = 2048;

/// Non-linearity inside the diversity-enhancing shortcut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Activation {
    /// Exact (erf) GELU, as in the public reference code and therefore in its checkpoints.
    Gelu,
    /// `x * clamp(x + 3, 0, 6) / 6`, as in the paper's text.
    Hardswish,
}

/// An HRViT backbone and the width of its SegFormer head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spec {
    /// Channels after the stem's second convolution; even.
    pub stem: u16,
    /// Channels of branches 0 to 3.
    pub channels: [u16; BRANCHES],
    /// Number of transformer blocks: `blocks[module][branch]`. The first module has one branch.
    /// Each further module has as many branches as the one before, or one more. The last module has
    /// four.
    pub blocks: Vec<Vec<u8, BRANCHES>, MAX_MODULES>,
    /// Requested head dimension of the attention. [`Spec::attention_dim`] is the one used.
    pub head_dim: u16,
    /// Height of the horizontal (width of the vertical) attention strips per branch, in tokens.
    pub windows: [u8; BRANCHES],
    /// MixCFN expansion per branch: hidden channels over channels.
    pub ratios: [u8; BRANCHES],
    /// Width of the SegFormer head.
    pub head_width: u16,
    /// Non-linearity of the diversity-enhancing shortcut.
    #[serde(default = "gelu")]
    pub des_activation: Activation,
    /// Techniques that are taken out of the network. Code that builds the network calls
    /// [`Spec::ablation`].
    #[serde(default, skip_serializing_if = "Ablation::is_none")]
    pub ablation: Ablation,
}

const fn gelu() -> Activation {
    Activation::Gelu
}

/// A `blocks` table from slices. `None` if there are too many modules or branches.
fn module_table(modules: &[&[u8]]) -> Option<Vec<Vec<u8, BRANCHES>, MAX_MODULES>> {
    let mut table = Vec::new();
    for module in modules {
        table.push(Vec::from_slice(module).ok()?).ok()?;
    }
    Some(table)
}

/// Names of the built-in variants, in order of size.
pub const VARIANTS: [&str; 5] = ["nano", "b1", "b2", "b3", "b3w9"];

impl Spec {
    /// A built-in variant by name (see [`VARIANTS`]). `b1`, `b2` and `b3` are the paper's, `b3w9`
    /// is the paper's b3 for Cityscapes with windows 1 2 9 9. `nano` is this project's variant for
    /// microcontrollers.
    pub fn variant(name: &str) -> Option<Self> {
        let six = |stage5: &[u8], stage6: &[u8], middle: u8| module_table(&[&[1], &[1, 1], &[1, 1, middle], &[1, 1, middle], stage5, stage6]);
        let windows = [1, 2, 7, 7];
        let (des_activation, ablation) = (Activation::Gelu, Ablation::NONE);
        Some(match name {
            "b1" => Self {
                stem: 64,
                channels: [32, 64, 128, 256],
                blocks: six(&[1, 1, 6, 2], &[1, 1, 2, 2], 6)?,
                head_dim: 32,
                windows,
                ratios: [4; 4],
                head_width: 256,
                des_activation,
                ablation,
            },
            "b2" => Self {
                stem: 64,
                channels: [48, 96, 240, 384],
                blocks: six(&[1, 1, 6, 2], &[1, 1, 6, 2], 6)?,
                head_dim: 24,
                windows,
                ratios: [2, 3, 3, 3],
                head_width: 256,
                des_activation,
                ablation,
            },
            "b3" | "b3w9" => Self {
                stem: 64,
                channels: [64, 128, 256, 512],
                blocks: six(&[1, 1, 6, 3], &[1, 1, 6, 3], 6)?,
                head_dim: 32,
                windows: if name == "b3" { windows } else { [1, 2, 9, 9] },
                ratios: [2; 4],
                head_width: 768,
                des_activation,
                ablation,
            },
            "nano" => Self {
                stem: 32,
                channels: [16, 32, 64, 128],
                blocks: six(&[1, 1, 3, 2], &[1, 1, 1, 2], 3)?,
                head_dim: 16,
                windows,
                ratios: [4; 4],
                head_width: 64,
                des_activation,
                ablation,
            },
            _ => return None,
        })
    }

    /// Checks every field against the others.
    ///
    /// # Errors
    /// The first field that is out of its bounds or contradicts another field.
    pub fn validate(&self) -> Result<(), SpecError> {
        if !(2..=1024).contains(&self.stem) || !self.stem.is_multiple_of(2) {
            return Err(SpecError::Stem(self.stem));
        }
        let mut branches = 1;
        for (module, counts) in self.blocks.iter().enumerate() {
            let grows = counts.len() == branches || (module > 0 && counts.len() == branches + 1);
            if !grows {
                return Err(SpecError::Modules);
            }
            branches = counts.len();
        }
        if self.blocks.is_empty() || branches != BRANCHES {
            return Err(SpecError::Modules);
        }
        if self.head_dim == 0 {
            return Err(SpecError::HeadDim);
        }
        for ((branch, &channels), (&window, &ratio)) in (0u8..).zip(&self.channels).zip(self.windows.iter().zip(&self.ratios)) {
            if !(8..=1024).contains(&channels) || !channels.is_multiple_of(4) {
                return Err(SpecError::Channels(branch));
            }
            if window == 0 {
                return Err(SpecError::Window(branch));
            }
            if !(1..=8).contains(&ratio) {
                return Err(SpecError::Ratio(branch));
            }
            if !(channels / 2).is_multiple_of(self.attention_dim(usize::from(branch))) {
                return Err(SpecError::Heads(branch));
            }
        }
        if !(1..=4096).contains(&self.head_width) {
            return Err(SpecError::HeadWidth(self.head_width));
        }
        Ok(())
    }

    /// Techniques that are taken out of the network. Always none in a build with neither feature
    /// `ablations` nor feature `std`.
    pub fn ablation(&self) -> Ablation {
        if cfg!(any(feature = "ablations", feature = "std")) { self.ablation } else { Ablation::NONE }
    }

    /// Number of modules (fusion + stage).
    pub fn modules(&self) -> usize {
        self.blocks.len()
    }

    /// Number of branches of `module`. 0 past the last module.
    pub fn branches(&self, module: usize) -> usize {
        self.blocks.get(module).map_or(0, |counts| counts.len())
    }

    /// Number of transformer blocks on `branch` of `module`. 0 if there is no such branch.
    pub fn block_count(&self, module: usize, branch: usize) -> usize {
        self.blocks.get(module).and_then(|counts| counts.get(branch)).map_or(0, |&n| usize::from(n))
    }

    /// Channels of `branch`. 0 past the last branch.
    pub fn channels(&self, branch: usize) -> u16 {
        self.channels.get(branch).copied().unwrap_or(0)
    }

    /// Elements of the map of `branch` at `size`: tokens times channels.
    pub fn map_len(&self, size: Size, branch: usize) -> usize {
        size.tokens(branch) * usize::from(self.channels(branch))
    }

    /// Channels on `branch` between the fusion and the patch embedding of `module`. A branch that
    /// enters the fusion keeps its input's width. A new branch has its final width.
    pub fn fused_channels(&self, module: usize, branch: usize) -> u16 {
        if module == 0 { self.stem } else { self.channels(branch) }
    }

    /// Number of branches that enter the fusion of `module`. The stem's output counts as branch 0.
    pub fn fusion_inputs(&self, module: usize) -> usize {
        if module == 0 { 1 } else { self.branches(module - 1) }
    }

    /// Branches that the output `branch` of the fusion of `module` sums, in order. These are all
    /// branches that enter, or with [`Ablation::sparse_fusion`] only the branch and its neighbours.
    pub fn fusion_sources(&self, module: usize, branch: usize) -> impl Iterator<Item = usize> + use<> {
        let sparse = self.ablation().sparse_fusion;
        (0..self.fusion_inputs(module)).filter(move |&source| !sparse || source.abs_diff(branch) <= 1)
    }

    /// Head dimension of `branch`: `min(C / (C / head_dim), C / 2)`, integer divisions.
    pub fn attention_dim(&self, branch: usize) -> u16 {
        let channels = self.channels(branch);
        let heads = (channels / self.head_dim.max(1)).max(1);
        (channels / heads).min(channels / 2).max(1)
    }

    /// Number of attention heads of `branch`. The first half of them attends in horizontal strips,
    /// the second half in vertical strips.
    pub fn attention_heads(&self, branch: usize) -> u16 {
        self.channels(branch) / self.attention_dim(branch)
    }

    /// Height of the horizontal (width of the vertical) strips of `branch` in tokens.
    pub fn window(&self, branch: usize) -> usize {
        self.windows.get(branch).map_or(1, |&w| usize::from(w))
    }

    /// Hidden channels of the MixCFN on `branch`.
    pub fn hidden(&self, branch: usize) -> u16 {
        self.channels(branch) * self.ratios.get(branch).map_or(1, |&r| u16::from(r))
    }

    /// `(k, p)` of the diversity-enhancing shortcut, which views the channels of a token as a
    /// matrix `[k, p]`. `p = 2^ceil(e / 2)` with `e = floor(log2 C)`, and `k = C / p`.
    pub fn des_shape(&self, branch: usize) -> (u16, u16) {
        let channels = self.channels(branch).max(1);
        let exponent = channels.ilog2();
        let p = 1u16 << exponent.div_ceil(2);
        (channels / p, p)
    }
}
