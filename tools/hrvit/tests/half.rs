//! Half precision against the float network: whole networks with synthetic weights, on every instruction set of this processor.

use hrvit_core::{Engine, Mapped, Model, NoObserver, Threads, Tiling, WeightPlacement, plan_mixed};
use hrvit_format::{Head, Network, Size, Spec, aligned::AlignedBytes};
use hrvit_kernels::{Isa, Kernels};
use hrvit_reference::{Checkpoint, Folded, Frame, NoTap};
use hrvit_tool::{
    int8::Packed,
    quantize::{Options, halve},
};

/// Largest difference of logits allowed, as a part of their largest magnitude. Rounding weights alone to f16 in the float network moves these logits by up to
/// 2.8e-3, rounding activations and residual streams alone by up to 2.5e-3 (docs/accuracy.md).
const TOLERANCE: f32 = 5e-3;

fn network(variant: &str, head: Head) -> Network {
    Network { spec: Spec::variant(variant).unwrap(), head, classes: 19 }
}

/// Frames of one colour have no contrast, noise has nothing else; the last has edges.
fn frames(size: Size) -> [(&'static str, Vec<u8>); 4] {
    let width = usize::from(size.width);
    let noise = |i: usize| ((i as u64 + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 37) as u8;
    let edges = |i: usize| {
        let (row, column, c) = (i / 3 / width, i / 3 % width, i % 3);
        if (row / 9 + column / 13) % 3 == c { 255 } else { ((row * 5) ^ (column * 3) ^ (c * 77)) as u8 }
    };
    let made = |pixel: &dyn Fn(usize) -> u8| (0..3 * size.pixels()).map(pixel).collect();
    [("black", made(&|_| 0)), ("white", made(&|_| 255)), ("noise", made(&noise)), ("edges", made(&edges))]
}

fn follows_the_float_network(variant: &str, head: Head, height: u16, width: u16) {
    let size = Size { height, width };
    let checkpoint = Checkpoint::synthetic(&network(variant, head), 7).unwrap();
    let image = halve(&checkpoint, size, &Options::default()).unwrap().image;
    let folded = Folded::new(&checkpoint);
    for (name, frame) in frames(size) {
        let float = folded.forward(Frame::new(size, frame.clone()).unwrap(), &mut NoTap);
        let largest = float.data.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for isa in Isa::available() {
            let packed = Packed::new(image.clone(), Kernels::new(isa).unwrap()).unwrap();
            let engine = packed.load().unwrap();
            let bits = engine.logit_codes(&frame, &NoObserver).unwrap();
            let logits: Vec<f32> = engine.model().logits(&bits).collect();
            assert!(logits.iter().all(|logit| logit.is_finite()), "{variant} {head:?} {name} {isa}: a logit is no number");
            let worst = logits.iter().zip(&float.data).fold(0.0f32, |most, (a, b)| most.max((a - b).abs())) / largest;
            println!("{variant} {head:?} {height}x{width} {name} {isa}: {worst:.2e}");
            assert!(worst <= TOLERANCE, "{variant} {head:?} {height}x{width} {name} {isa}: {worst:.2e} of the largest logit");
        }
    }
}

#[test]
fn b1_segmentor() {
    follows_the_float_network("b1", Head::Segformer, 64, 96);
}

#[test]
fn b1_classifier() {
    follows_the_float_network("b1", Head::Classifier, 96, 64);
}

#[test]
fn b2_whose_heads_are_24_wide() {
    follows_the_float_network("b2", Head::Segformer, 64, 64);
}

#[test]
fn b2_classifier() {
    follows_the_float_network("b2", Head::Classifier, 64, 64);
}

#[test]
fn b3_segmentor() {
    follows_the_float_network("b3", Head::Segformer, 64, 64);
}

#[test]
fn b3_with_strips_of_9() {
    follows_the_float_network("b3w9", Head::Classifier, 64, 96);
}

#[test]
fn nano_whose_smallest_heads_are_8_wide() {
    follows_the_float_network("nano", Head::Segformer, 96, 64);
}

/// The label map and the logits of `frame` on one plan.
fn run(image: &[u8], kernels: Kernels, (workers, tiling): (usize, Tiling), frame: &[u8]) -> (Vec<u8>, Vec<i16>) {
    let image = AlignedBytes::from(image);
    let model = Model::load(&image).unwrap();
    let (network, size) = ((&model.meta().network, model.half_parts()), model.meta().size);
    let plan = plan_mixed(network, size, workers, WeightPlacement::Mapped, tiling).unwrap();
    let mut arena = AlignedBytes::from(vec![0xa5; plan.arena_bytes()].as_slice());
    let executor = Threads::new(workers).unwrap();
    let mut engine = Engine::with_kernels(&model, &plan, kernels, Mapped::new(&model), executor, &mut arena).unwrap();
    let (mut labels, mut logits) = (vec![0; size.pixels()], vec![0; engine.logits_len()]);
    engine.segment(frame, &mut labels, &NoObserver).unwrap();
    engine.logits(frame, &mut logits, &NoObserver).unwrap();
    (labels, logits)
}

#[test]
fn no_tile_and_no_number_of_workers_changes_a_bit_on_one_instruction_set() {
    let size = Size { height: 96, width: 64 };
    let checkpoint = Checkpoint::synthetic(&network("nano", Head::Segformer), 7).unwrap();
    let image = halve(&checkpoint, size, &Options::default()).unwrap().image;
    let [_, _, _, (_, frame)] = frames(size);
    for isa in [Isa::Scalar, Isa::detect()] {
        let kernels = Kernels::new(isa).unwrap();
        let packed = Packed::new(image.clone(), kernels).unwrap();
        let plans = [(1, Tiling::Rows(1)), (1, Tiling::Rows(4)), (2, Tiling::Smallest), (3, Tiling::Within(16 << 20))];
        let [first, others @ ..] = plans.map(|plan| run(packed.image(), kernels, plan, &frame));
        assert!(others.iter().all(|other| *other == first), "{isa}");
    }
}
