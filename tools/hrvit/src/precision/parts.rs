//! Parts of a network that have one precision.

use hrvit_core::step_macs;
use hrvit_format::{HalfParts, Network, Op, Size, Step, half::weight_len};

/// One part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// What it is called: the block, or what hands tensors to each other.
    pub name: String,
    /// Positions of its steps in canonical order.
    pub steps: Vec<usize>,
    /// Multiply-accumulates of one frame.
    pub macs: u64,
    /// Weights.
    pub weights: u64,
}

/// All parts of `network` in the order of their first steps: the stem, the entry of every module (the stage norms before it, fusions, patch embeddings), each
/// attention and each MixCFN block, the head with the stage norms before it.
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

fn weights_of(op: &Op) -> u64 {
    weight_len(op) as u64
}

/// Steps with equal keys are one part.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Key {
    Block(Step),
    Shared(HalfParts),
}

impl Key {
    fn of(network: &Network, step: Step) -> Self {
        if matches!(step, Step::Attention { .. } | Step::MixCfn { .. }) {
            return Self::Block(step);
        }
        let mut parts = HalfParts::NONE;
        parts.insert(network, step);
        Self::Shared(parts)
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
