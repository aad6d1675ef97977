//! One entry for every step. Blocks of a stage share an entry: they have the same shape.

use hrvit_format::{BRANCHES, Step, spec::MAX_MODULES};

/// Entries of one kind of step: a row per module, a column per branch.
const STAGES: usize = MAX_MODULES * BRANCHES;
/// Entries in all: four kinds with stages, the classifier's branches, stem, logits, labels,
/// classes.
const SLOTS: usize = 4 * STAGES + BRANCHES + 4;

/// One entry for every step of the largest network.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct StepTable<T> {
    entries: [T; SLOTS],
    /// Entry of stage norms, which no plan chooses anything for.
    other: T,
}

/// Place of a step's entry; `None` where it has none of its own.
fn slot(step: Step) -> Option<usize> {
    let branch = |first: usize, branch: u8| (usize::from(branch) < BRANCHES).then_some(first + usize::from(branch));
    let stage = |kind: usize, module: u8, at: u8| branch(kind * STAGES + usize::from(module) * BRANCHES, at).filter(|_| usize::from(module) < MAX_MODULES);
    match step {
        Step::Fusion { module, branch } => stage(0, module, branch),
        Step::PatchEmbed { module, branch } => stage(1, module, branch),
        Step::Attention { module, branch, .. } => stage(2, module, branch),
        Step::MixCfn { module, branch, .. } => stage(3, module, branch),
        Step::Increase { branch: at } => branch(4 * STAGES, at),
        Step::Stem => Some(SLOTS - 4),
        Step::Logits => Some(SLOTS - 3),
        Step::LabelMap => Some(SLOTS - 2),
        Step::Classify => Some(SLOTS - 1),
        Step::StageNorm { .. } => None,
    }
}

impl<T: Copy> StepTable<T> {
    /// The same entry for all.
    pub fn new(entry: T) -> Self {
        Self { entries: [entry; SLOTS], other: entry }
    }

    /// The entry of `step`.
    pub fn of(&self, step: Step) -> T {
        slot(step).and_then(|slot| self.entries.get(slot)).copied().unwrap_or(self.other)
    }

    /// Changes the entry of `step`, if it has one of its own.
    pub fn set(&mut self, step: Step, entry: T) {
        if let Some(place) = slot(step).and_then(|slot| self.entries.get_mut(slot)) {
            *place = entry;
        }
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Network, Spec, VARIANTS};

    use super::*;

    #[test]
    fn steps_share_an_entry_only_as_blocks_of_a_stage() {
        for (name, head) in VARIANTS.iter().flat_map(|name| Head::ALL.map(|head| (name, head))) {
            let network = Network { spec: Spec::variant(name).unwrap(), head, classes: 19 };
            let mut seen = [None; SLOTS];
            for step in network.steps() {
                let first = match step {
                    Step::Attention { module, branch, .. } => Step::Attention { module, branch, block: 0 },
                    Step::MixCfn { module, branch, .. } => Step::MixCfn { module, branch, block: 0 },
                    Step::StageNorm { .. } => continue,
                    step => step,
                };
                let place = &mut seen[slot(step).unwrap()];
                assert!(place.is_none_or(|other| other == first), "{name}: {step} beside {place:?}");
                *place = Some(first);
            }
        }
    }

    #[test]
    fn steps_that_no_network_has_have_no_entry() {
        for (module, branch) in [(0, 4), (8, 0), (255, 255)] {
            assert_eq!(slot(Step::Fusion { module, branch }), None);
        }
        assert_eq!(slot(Step::Increase { branch: 4 }), None);
    }
}
