//! The memory that the network would take without tiles, for comparison.

use hrvit_format::{BRANCHES, Step};

use super::memory::Plan;

impl Plan {
    /// Bytes that the same network takes with every tensor stored whole. A step takes its input,
    /// its output and all tensors between, beside the maps of the other branches. `usize::MAX` if
    /// the sum is larger.
    pub fn untiled_bytes(&self) -> usize {
        usize::try_from(self.network.steps().map(|step| self.untiled_bytes_of(step)).max().unwrap_or(0)).unwrap_or(usize::MAX)
    }

    /// Sums of at most 16 products, each below 2^42 (2^24 pixels, 2^13 channels, 2^16 classes,
    /// factors up to 16): nothing here leaves 64 bits.
    fn untiled_bytes_of(&self, step: Step) -> u64 {
        let spec = &self.network.spec;
        let elements = |branch: usize| spec.map_len(self.size, branch) as u64;
        let tokens = |branch: usize| self.size.tokens(branch) as u64;
        let pixels = self.size.pixels() as u64;
        let code = self.code_bytes(step) as u64;
        let streams: u64 = (0..self.live_branches(step)).map(|branch| 2 * elements(branch)).sum();
        let fused: u64 = (0..self.live_branches(step)).map(|branch| code * elements(branch)).sum();
        let between = match step {
            Step::Stem => code * (pixels * 3 + pixels / 4 * u64::from(spec.stem) / 2 + tokens(0) * u64::from(spec.stem)),
            Step::Fusion { module, branch } => {
                tokens(branch.into()) * 4 * u64::from(spec.channels(branch.into())) * spec.fusion_sources(module.into(), branch.into()).count() as u64
            }
            Step::PatchEmbed { branch, .. } => (code + 2) * elements(branch.into()),
            // norm, q, v (and k), result; attention and parallel path of 16 bits, two sums of 32
            // bits
            Step::Attention { branch, .. } => ((4 + u64::from(spec.ablation().own_keys)) * code + 12) * elements(branch.into()),
            Step::MixCfn { branch, .. } => code * elements(branch.into()) + 2 * code * tokens(branch.into()) * u64::from(spec.hidden(branch.into())),
            Step::StageNorm { .. } => 0,
            Step::Logits | Step::LabelMap => {
                let width = u64::from(spec.head_width);
                let terms: u64 = (0..BRANCHES).map(|branch| 2 * tokens(branch) * width).sum();
                let logits = 2 * u64::from(self.network.classes) * (tokens(0) + pixels);
                terms + (4 + code) * tokens(0) * width + logits
            }
            Step::Increase { branch } => code * tokens(branch.into()) * 1024,
            Step::Classify => code * tokens(BRANCHES - 1) * 2048,
        };
        streams + fused + between
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Network, Size, Spec};

    use super::*;

    #[test]
    fn the_largest_size_is_counted_in_full_or_more_than_any_address() {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 255 };
        let plan = Plan::builder(&network, Size { height: 4096, width: 4096 }).build().unwrap();
        // In units of 2^20, the tokens of branch 0. Every map takes three bytes, each branch's term
        // two, their sum five, the logits two before and two after scaling.
        let (maps, terms, sum, logits) = (3 * (16 + 8 + 4 + 2), 2 * (64 + 16 + 4 + 1), 5 * 64, 2 * 255 * (1 + 16));
        let bytes = (maps + terms + sum + logits) << 20_u64;
        assert!(bytes > u64::from(u32::MAX));
        assert_eq!(plan.untiled_bytes(), usize::try_from(bytes).unwrap_or(usize::MAX));
    }
}
