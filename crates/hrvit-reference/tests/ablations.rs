//! Networks without some of the paper's techniques: the forward pass against the PyTorch definition
//! (`tools/train/tests/ablation_vectors.py`), and the exact rewrites against the forward pass.

use hrvit_format::{Ablation, Head, Network, Size, Spec};
use hrvit_reference::{Checkpoint, Folded, Frame, Model, NoTap};
use safetensors::SafeTensors;

const NONE: Ablation = Ablation::NONE;
/// Largest difference to the PyTorch definition, as a part of the largest magnitude.
const TOLERANCE: f32 = 1e-4;
/// Largest difference of both forward passes, which round in different places.
const FOLDING: f32 = 1e-5;

/// Names that `tests/data/ablations.safetensors` has for the ablations, in their order.
const NAMES: [&str; 10] = [
    "no_des",
    "no_parallel_path",
    "sparse_fusion",
    "between_3x3",
    "between_5x5",
    "between_nothing",
    "no_extra_norm",
    "own_keys",
    "dense_embedding",
    "together",
];

fn cases() -> impl Iterator<Item = (&'static str, Ablation)> {
    NAMES.into_iter().zip(Ablation::EACH_AND_ALL)
}

fn network(variant: &str, head: Head, ablation: Ablation) -> Network {
    let network = Network { spec: Spec { ablation, ..Spec::variant(variant).unwrap() }, head, classes: 5 };
    network.validate().unwrap();
    network
}

fn frame() -> Frame {
    Frame::new(Size::new(64, 96).unwrap(), (0..64 * 96 * 3).map(|i| (i * 37 % 251) as u8).collect()).unwrap()
}

fn worst<'v>(found: &[f32], expected: impl Iterator<Item = &'v f32> + Clone) -> f32 {
    let largest = expected.clone().fold(0.0f32, |most, x| most.max(x.abs()));
    assert_eq!(found.len(), expected.clone().count());
    found.iter().zip(expected).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest
}

#[test]
fn logits_are_those_of_the_pytorch_definition() {
    let bytes = std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/data/ablations.safetensors")).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(file.len(), NAMES.len());
    for (case, ablation) in cases() {
        let logits = Model::new(Checkpoint::synthetic(&network("nano", Head::Segformer, ablation), 1).unwrap()).forward(&frame(), &mut |_, _| {});
        let view = file.tensor(case).unwrap();
        assert_eq!(view.shape(), [1, logits.channels, logits.rows, logits.columns]);
        let planes: Vec<f32> = view.data().as_chunks().0.iter().map(|&value| f32::from_le_bytes(value)).collect();
        let tokens = logits.tokens();
        let expected: Vec<f32> = (0..planes.len()).map(|at| planes[at % logits.channels * tokens + at / logits.channels]).collect();
        let worst = worst(&logits.data, expected.iter());
        println!("{case}: {worst:.2e}");
        assert!(worst <= TOLERANCE, "{case} differs by {worst:.2e} of its largest magnitude");
    }
}

#[test]
fn folding_changes_nothing() {
    for (case, ablation) in cases() {
        for (variant, head) in [("nano", Head::Segformer), ("nano", Head::Classifier), ("b1", Head::Segformer)] {
            let checkpoint = Checkpoint::synthetic(&network(variant, head, ablation), 7).unwrap();
            let folded = Folded::new(&checkpoint).forward(frame(), &mut NoTap);
            let written = Model::new(checkpoint).forward(&frame(), &mut |_, _| {});
            let worst = worst(&folded.data, written.data.iter());
            println!("{case} {variant} {head:?}: {worst:.2e}");
            assert!(worst <= FOLDING, "{case} {variant} {head:?}: {worst:.2e}");
        }
    }
}

#[test]
fn every_technique_changes_the_logits() {
    let logits = |ablation| Model::new(Checkpoint::synthetic(&network("nano", Head::Segformer, ablation), 1).unwrap()).forward(&frame(), &mut |_, _| {}).data;
    let whole = logits(NONE);
    for (case, ablation) in cases() {
        assert!(worst(&logits(ablation), whole.iter()) > 1e-3, "{case}");
    }
}
