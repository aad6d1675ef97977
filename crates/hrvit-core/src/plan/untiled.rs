//! The memory that no tiling would take, to compare with.

use hrvit_format::{BRANCHES, Step};

use super::memory::Plan;

impl Plan {
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
