//! Networks without some of the paper's techniques: the engine equals the simulator byte for byte,
//! alone and together, in every integer precision and on every instruction set; weights stream; an
//! image says what it goes without.

use hrvit_core::{Isa, Kernels, Logit, Model, NoObserver, Plan, Serial, Streamed, Threads, Tiling, WeightPlacement, packing_for, read_head};
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::record::{Precision, VERSION, VERSION_ABLATED};
use hrvit_format::writer::repack;
use hrvit_format::{Ablation, Head, LoadError, Network, OpKind};
use hrvit_tests::flash::Flash;
use hrvit_tests::mixed_image::mixed_image;
use hrvit_tests::random_image::{random_frame, random_image};
use hrvit_tests::run::{every_tensor, every_tensor_on, plan_of};
use hrvit_tests::simulator::simulate;
use hrvit_tests::specs::{size, tiny, variant};

const NONE: Ablation = Ablation::NONE;

/// Each technique that an engine leaves out, alone, and all of them together.
const ABLATIONS: [Ablation; 10] = Ablation::EACH_AND_ALL;

fn without(ablation: Ablation, mut network: Network) -> Network {
    network.spec.ablation = ablation;
    network.validate().unwrap_or_else(|error| panic!("{ablation:?}: {error}"));
    network
}

/// The tensors of every step, from the simulator.
fn simulated(model: &Model<'_>, frame: &[u8]) -> Vec<Vec<i32>> {
    simulate(model, model.meta().size, frame).into_iter().map(|step| step.tensor.values).collect()
}

#[test]
fn the_engine_equals_the_simulator() {
    for (number, ablation) in (0..).zip(ABLATIONS) {
        for (network, size) in
            [(tiny(Head::Segformer), size(96, 64)), (tiny(Head::Classifier), size(64, 96)), (variant("nano", Head::Segformer, 11), size(64, 96))]
        {
            let network = without(ablation, network);
            for precision in [Precision::Int8, Precision::Int16x8] {
                let image = mixed_image(&network, size, number, |_| precision);
                let model = Model::load(&image).unwrap();
                let frame = random_frame(size, number);
                let expected = simulated(&model, &frame);
                let found = every_tensor(&model, &plan_of(&model, WeightPlacement::Mapped), &Serial, &frame);
                for ((step, found), expected) in network.steps().zip(&found).zip(&expected) {
                    assert!(found == expected, "{ablation:?} {precision:?} {size}: {step} differs");
                }
                assert_eq!(found.len(), expected.len());
            }
        }
    }
}

#[test]
fn a_step_has_no_operator_that_the_network_goes_without() {
    let kinds = |ablation: Ablation| -> Vec<OpKind> {
        let network = without(ablation, variant("b1", Head::Segformer, 19));
        network.steps().flat_map(|step| network.ops(step)).map(|op| op.kind).collect()
    };
    let whole = kinds(NONE).len();
    let gone = [
        (ABLATIONS[0], vec![OpKind::DesRight, OpKind::DesLeft]),
        (ABLATIONS[1], vec![OpKind::ParallelAct, OpKind::ParallelDepthwise]),
        (ABLATIONS[3], vec![OpKind::FfnDepthwise5]),
        (ABLATIONS[4], vec![OpKind::FfnDepthwise3]),
        (ABLATIONS[5], vec![OpKind::FfnDepthwise3, OpKind::FfnDepthwise5]),
    ];
    assert!(kinds(ABLATIONS[6]).contains(&OpKind::AttnNarrow) && !kinds(ABLATIONS[6]).contains(&OpKind::AttnAct));
    for (ablation, gone) in gone {
        let left = kinds(ablation);
        // b1 has 35 blocks.
        assert_eq!((left.len() + 35 * gone.len(), left.iter().any(|kind| gone.contains(kind))), (whole, false), "{ablation:?}");
    }
    assert!(kinds(ABLATIONS[2]).len() < whole);
}

#[test]
fn every_instruction_set_packing_tile_and_worker_computes_the_same() {
    for ablation in ABLATIONS {
        let (network, size) = (without(ablation, variant("nano", Head::Segformer, 11)), size(96, 128));
        let rows = random_image(&network, size, 41);
        let frame = random_frame(size, 42);
        let single = Plan::builder(&network, size).tiling(Tiling::Rows(1)).build().unwrap();
        let expected = every_tensor(&Model::load(&rows).unwrap(), &single, &Serial, &frame);
        for isa in Isa::available() {
            let kernels = Kernels::new(isa).unwrap();
            let packed = repack(&Model::load(&rows).unwrap(), packing_for(kernels)).unwrap();
            let model = Model::load(&packed).unwrap();
            let tall = Plan::builder(&network, size).workers(2).tiling(Tiling::Within(64 << 20)).build().unwrap();
            assert!(every_tensor_on(kernels, &model, &tall, &Threads::new(2).unwrap(), &frame) == expected, "{ablation:?} {isa}");
        }
    }
}

#[test]
fn streamed_weights_give_the_results_of_weights_in_memory() {
    for ablation in ABLATIONS {
        let (network, size) = (without(ablation, tiny(Head::Segformer)), size(32, 64));
        let (image, frame) = (random_image(&network, size, 4), random_frame(size, 5));
        let whole = Model::load(&image).unwrap();
        let expected = simulated(&whole, &frame);
        let mut flash = Flash::new(&image);
        let mut head = AlignedBytes::zeroed(64 << 10);
        let model = read_head(&mut flash, &mut head).unwrap();
        assert_eq!(model.meta().network, network);
        let plan = Plan::for_model(&model).weights(WeightPlacement::streamed(&model)).build().unwrap();
        let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
        let weights = Streamed::open(model, flash, &mut arena).unwrap();
        let mut engine = hrvit_core::Engine::with_kernels(weights, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
        let mut logits = vec![Logit::default(); engine.logits_len()];
        engine.logits(&frame, &mut logits, &NoObserver).unwrap();
        let logits: Vec<i32> = logits.iter().map(|logit| logit.bits().into()).collect();
        assert!(logits == expected[expected.len() - 2], "{ablation:?}");
    }
}

#[test]
fn an_image_says_what_its_network_goes_without() {
    let version = |image: &[u8]| u16::from_le_bytes([image[8], image[9]]);
    for ablation in ABLATIONS {
        let network = without(ablation, tiny(Head::Segformer));
        let image = random_image(&network, size(32, 32), 1);
        assert_eq!((version(&image), u16::from_le_bytes([image[14], image[15]])), (VERSION_ABLATED, ablation.bits()));
        assert_eq!(Model::load(&image).unwrap().meta().network, network);
    }
    let whole = random_image(&tiny(Head::Segformer), size(32, 32), 1);
    assert_eq!((version(&whole), &whole[14..16]), (VERSION, &[0, 0][..]));
}

/// An image that was written before networks could go without anything.
#[test]
fn an_image_of_a_whole_network_is_written_as_before() {
    let old = AlignedBytes::from(&include_bytes!("../../crates/hrvit-core/tests/data/tiny.hrvit")[..]);
    let model = Model::load(&old).unwrap();
    assert!(model.meta().network.spec.ablation.is_none());
    assert!(repack(&model, model.packing()).unwrap()[..] == old[..]);
}

/// An image whose prologue names `ablations`, with a matching CRC of its first bytes.
fn named(image: &[u8], ablations: u16) -> AlignedBytes {
    let mut image = AlignedBytes::from(image);
    image[14..16].copy_from_slice(&ablations.to_le_bytes());
    let sections = usize::from(u16::from_le_bytes([image[12], image[13]]));
    let crc = hrvit_format::crc32(&[&image[..60], &image[64..64 + 16 * sections]].concat());
    image[60..64].copy_from_slice(&crc.to_le_bytes());
    let body = image.len() - 4;
    let crc = hrvit_format::crc32(&image[..body]);
    image[body..].copy_from_slice(&crc.to_le_bytes());
    image
}

#[test]
fn ablations_that_an_image_cannot_have_are_refused() {
    let image = random_image(&without(ABLATIONS[0], tiny(Head::Segformer)), size(32, 32), 1);
    let refused = |ablations| Model::load(&named(&image, ablations)).expect_err("such an image loads");
    assert_eq!(refused(1 << 8), LoadError::UnsupportedAblations(1 << 8));
    assert!(refused(1 << 8).to_string().contains("feature ablations"));
    // Steps of another network.
    assert!(matches!(refused(Ablation { no_parallel_path: true, ..NONE }.bits()), LoadError::Step(_) | LoadError::Op(..)));
    assert_eq!(refused(0), LoadError::UnsupportedVersion(VERSION_ABLATED));
    let whole = random_image(&tiny(Head::Segformer), size(32, 32), 1);
    assert_eq!(Model::load(&named(&whole, ABLATIONS[0].bits())).err(), Some(LoadError::Reserved));
}
