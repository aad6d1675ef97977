//! One entry for every step. Blocks of a stage share theirs: they have the same shape.

use hrvit_format::{BRANCHES, Step, spec::MAX_MODULES};

/// One row per module, one column per branch.
type Stages<T> = [[T; BRANCHES]; MAX_MODULES];

/// One entry for every step of the largest network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepTable<T> {
    stem: T,
    fusion: Stages<T>,
    patch_embed: Stages<T>,
    attention: Stages<T>,
    mix_cfn: Stages<T>,
    logits: T,
    labels: T,
    increase: [T; BRANCHES],
    classify: T,
    /// Of stage norms, which no plan chooses anything for.
    other: T,
}

impl<T: Copy> StepTable<T> {
    /// The same entry for all.
    pub fn new(entry: T) -> Self {
        let stages = [[entry; BRANCHES]; MAX_MODULES];
        Self {
            stem: entry,
            fusion: stages,
            patch_embed: stages,
            attention: stages,
            mix_cfn: stages,
            logits: entry,
            labels: entry,
            increase: [entry; BRANCHES],
            classify: entry,
            other: entry,
        }
    }

    /// The entry of `step`.
    pub fn of(&self, step: Step) -> T {
        let at = |stages: &Stages<T>, module: u8, branch: u8| stages.get(usize::from(module)).and_then(|row| row.get(usize::from(branch))).copied();
        let entry = match step {
            Step::Stem => Some(self.stem),
            Step::Fusion { module, branch } => at(&self.fusion, module, branch),
            Step::PatchEmbed { module, branch } => at(&self.patch_embed, module, branch),
            Step::Attention { module, branch, .. } => at(&self.attention, module, branch),
            Step::MixCfn { module, branch, .. } => at(&self.mix_cfn, module, branch),
            Step::Logits => Some(self.logits),
            Step::LabelMap => Some(self.labels),
            Step::Increase { branch } => self.increase.get(usize::from(branch)).copied(),
            Step::Classify => Some(self.classify),
            Step::StageNorm { .. } => None,
        };
        entry.unwrap_or(self.other)
    }

    /// Changes the entry of `step`, if it has one of its own.
    pub fn set(&mut self, step: Step, entry: T) {
        fn at<T>(stages: &mut Stages<T>, module: u8, branch: u8) -> Option<&mut T> {
            stages.get_mut(usize::from(module)).and_then(|row| row.get_mut(usize::from(branch)))
        }
        let place = match step {
            Step::Stem => Some(&mut self.stem),
            Step::Fusion { module, branch } => at(&mut self.fusion, module, branch),
            Step::PatchEmbed { module, branch } => at(&mut self.patch_embed, module, branch),
            Step::Attention { module, branch, .. } => at(&mut self.attention, module, branch),
            Step::MixCfn { module, branch, .. } => at(&mut self.mix_cfn, module, branch),
            Step::Logits => Some(&mut self.logits),
            Step::LabelMap => Some(&mut self.labels),
            Step::Increase { branch } => self.increase.get_mut(usize::from(branch)),
            Step::Classify => Some(&mut self.classify),
            Step::StageNorm { .. } => None,
        };
        if let Some(place) = place {
            *place = entry;
        }
    }
}
