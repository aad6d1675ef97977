//! Parts of a network that have one precision.

use anyhow::{Result, ensure};
use hrvit_core::step_macs;
use hrvit_format::{Network, Op, Parts, Size, Step, fp16::weight_len};

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// Its name: the block, or the steps that hand tensors to each other.
    pub name: String,
    /// Positions of its steps in canonical order.
    pub steps: Vec<usize>,
    /// Multiply-accumulates of one frame.
    pub macs: u64,
    /// Weights.
    pub weights: u64,
}

/// All parts of `network` in the order of their first steps. They are the stem, the entry of every
/// module (the stage norms before it, fusions, patch embeddings), each attention, each MixCFN
/// block, and the head with the stage norms before it.
pub fn parts(network: &Network, size: Size) -> Vec<Part> {
    let mut parts: Vec<(Key, Part)> = Vec::new();
    for (at, step) in network.steps().enumerate() {
        let key = Key::of(network, step);
        let macs = step_macs(network, size, step);
        let weights = network.ops(step).iter().map(weights_of).sum::<u64>();
        match parts.iter_mut().find(|(other, _)| *other == key) {
            Some((_, part)) => {
                part.steps.push(at);
                part.macs += macs;
                part.weights += weights;
            }
            None => parts.push((key, Part { name: name(network, step), steps: vec![at], macs, weights })),
        }
    }
    parts.into_iter().map(|(_, part)| part).collect()
}

/// Positions in canonical order of the steps of the parts in `names`. A name may be the beginning
/// of several (`m3` for all of module 3).
///
/// # Errors
/// If a name names no part; says which there are.
pub fn steps_named(network: &Network, size: Size, names: &[String]) -> Result<Vec<usize>> {
    let parts = parts(network, size);
    let mut steps = Vec::new();
    for name in names {
        let begins = |part: &&Part| part.name.strip_prefix(name.as_str()).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'));
        let before = steps.len();
        steps.extend(parts.iter().filter(begins).flat_map(|part| part.steps.iter().copied()));
        ensure!(
            steps.len() > before,
            "no part of this network is called {name}: there are {}",
            parts.iter().map(|part| part.name.as_str()).collect::<Vec<_>>().join(", ")
        );
    }
    steps.sort_unstable();
    steps.dedup();
    Ok(steps)
}

fn weights_of(op: &Op) -> u64 {
    weight_len(op) as u64
}

/// Steps with equal keys are one part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Block(Step),
    Shared(Parts),
}

impl Key {
    fn of(network: &Network, step: Step) -> Self {
        if matches!(step, Step::Attention { .. } | Step::MixCfn { .. }) {
            return Self::Block(step);
        }
        Self::Shared(Parts::of(network, step))
    }
}

/// The name of the part that `step` is in.
fn name(network: &Network, step: Step) -> String {
    match step {
        Step::Fusion { module, .. } | Step::PatchEmbed { module, .. } => format!("m{}.entry", module + 1),
        Step::StageNorm { module, .. } if usize::from(module) + 1 < network.spec.modules() => format!("m{}.entry", module + 2),
        Step::StageNorm { .. } | Step::Logits | Step::LabelMap | Step::Increase { .. } | Step::Classify => "head".to_owned(),
        step => step.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::{Head, Spec};

    use super::*;

    #[test]
    fn the_beginning_of_a_name_stands_for_all_parts_below_it() {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
        let size = Size { height: 64, width: 96 };
        let named = |names: &[&str]| steps_named(&network, size, &names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>());
        let steps: Vec<String> = network.steps().map(|step| step.to_string()).collect();
        let branch = named(&["m2.branch.1", "m2.branch.1.0.ffn"]).unwrap();
        assert!(!branch.is_empty() && branch.iter().all(|&at| steps[at].starts_with("m2.branch.1.")), "{branch:?}");
        assert_eq!(named(&["stem"]).unwrap(), [0]);
        let all: Vec<&str> = ["stem", "m1", "m2", "m3", "m4", "m5", "m6", "head"].into_iter().filter(|name| named(&[name]).is_ok()).collect();
        assert_eq!(named(&all).unwrap(), (0..steps.len()).collect::<Vec<_>>());
        let error = named(&["m"]).unwrap_err().to_string();
        assert!(error.starts_with("no part of this network is called m:") && error.contains("m2.entry"), "{error}");
    }

    #[test]
    fn every_step_is_in_one_part_and_all_work_is_counted() {
        let size = Size { height: 64, width: 96 };
        for head in [Head::Segformer, Head::Classifier] {
            let network = Network { spec: Spec::variant("b1").unwrap(), head, classes: 19 };
            let parts = parts(&network, size);
            let mut steps: Vec<usize> = parts.iter().flat_map(|part| part.steps.clone()).collect();
            steps.sort_unstable();
            assert!(steps.iter().copied().eq(0..network.steps().count()));
            assert_eq!(parts.iter().map(|part| part.macs).sum::<u64>(), network.steps().map(|step| step_macs(&network, size, step)).sum::<u64>());
            let blocks: usize = network.spec.blocks.iter().flatten().map(|&count| usize::from(count)).sum();
            assert_eq!(parts.len(), 2 * blocks + 5 + 2, "two of every block, five entries, stem and head");
            let names: std::collections::BTreeSet<_> = parts.iter().map(|part| &part.name).collect();
            assert_eq!(names.len(), parts.len());
        }
    }
}
