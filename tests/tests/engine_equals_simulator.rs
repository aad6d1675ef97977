//! The engine against a second implementation of the integer contract: every step's tensor, label
//! map, logits and classes of random models.

use std::sync::atomic::{AtomicU32, Ordering};

use hrvit_core::{Logit, Model, NoObserver, StepCrcs};
use hrvit_format::record::Precision;
use hrvit_format::spec::BRANCHES;
use hrvit_format::{Head, Network, OpKind, Size, Spec, Step, crc32};
use hrvit_tests::mixed_image::{mixed_image, random_precisions};
use hrvit_tests::random_image::{edited_image, random_frame, random_image};
use hrvit_tests::rng::Rng;
use hrvit_tests::run::{StepTensors, with_engine};
use hrvit_tests::simulator::{StepTensor, simulate};
use hrvit_tests::specs::{size, spec, tiny, variant};
use proptest::prelude::*;

/// Whole tensors, the first difference shown with its place.
fn assert_same(what: &str, engine: &[i32], simulated: &StepTensor) {
    let expected = &simulated.tensor;
    let step = simulated.step;
    assert_eq!(engine.len(), expected.values.len(), "{what}: {step}: elements");
    let Some(at) = engine.iter().zip(&expected.values).position(|(a, b)| a != b) else { return };
    let different = engine.iter().zip(&expected.values).filter(|(a, b)| a != b).count();
    let (token, c) = (at / expected.channels, at % expected.channels);
    let (y, x) = (token / expected.columns, token % expected.columns);
    let (found, wanted) = (engine[at], expected.values[at]);
    panic!("{what}: {step}: {different} of {} elements differ; first at row {y}, column {x}, channel {c}: engine {found}, simulator {wanted}", engine.len());
}

/// Runs one random model and frame through both and compares everything that can be seen.
fn check(network: &Network, size: Size, seed: u64) {
    check_image(&random_image(network, size, seed), size, seed);
}

fn check_image(image: &[u8], size: Size, seed: u64) {
    let model = Model::load(image).unwrap();
    let network = &model.meta().network;
    let what = format!("{:?} {size} seed {seed}", network.head);
    let frame = random_frame(size, seed);
    let simulated = simulate(&model, size, &frame);
    let observer = StepTensors::default();
    let crcs: Vec<AtomicU32> = simulated.iter().map(|_| AtomicU32::new(0)).collect();
    with_engine(&model, |engine| match network.head {
        Head::Segformer => {
            let mut labels = vec![0; size.pixels()];
            engine.segment(&frame, &mut labels, &observer).unwrap();
            let last: Vec<i32> = labels.iter().map(|&label| label.into()).collect();
            assert_same(&what, &last, simulated.last().unwrap());
            let mut logits = vec![Logit::default(); engine.logits_len()];
            engine.logits(&frame, &mut logits, &NoObserver).unwrap();
            let logits: Vec<i32> = logits.iter().map(|logit| logit.bits().into()).collect();
            assert_same(&what, &logits, &simulated[simulated.len() - 2]);
            engine.segment(&frame, &mut labels, &StepCrcs(&crcs)).unwrap();
        }
        Head::Classifier => {
            let mut logits = vec![Logit::default(); engine.logits_len()];
            engine.logits(&frame, &mut logits, &observer).unwrap();
            let codes: Vec<i32> = logits.iter().map(|logit| logit.bits().into()).collect();
            assert_same(&what, &codes, simulated.last().unwrap());
            let mut ranked: Vec<(i16, u16)> = logits.iter().map(|logit| logit.bits()).zip(0u16..).collect();
            ranked.sort_by_key(|&(logit, class)| (-i32::from(logit), class));
            for count in [1, logits.len().min(5), logits.len()] {
                let mut top = vec![Default::default(); count];
                engine.classify(&frame, &mut top, &StepCrcs(&crcs)).unwrap();
                let top: Vec<(i16, u16)> = top.iter().map(|ranked| (ranked.logit.bits(), ranked.class)).collect();
                assert_eq!(top, ranked[..count], "{what}: best {count}");
            }
        }
    });
    let tensors = observer.into_inner();
    assert_eq!(tensors.len(), simulated.len(), "{what}: steps");
    for (tensor, simulated) in tensors.iter().zip(&simulated) {
        assert_same(&what, tensor, simulated);
    }
    for (crc, simulated) in crcs.iter().zip(&simulated) {
        assert_eq!(crc.load(Ordering::Relaxed), crc32(&simulated.bytes()), "{what}: CRC of {}", simulated.step);
    }
}

macro_rules! cases {
    ($($name:ident: $variant:expr, $head:ident, $classes:expr, $height:expr, $width:expr;)*) => {
        $(#[test]
        fn $name() {
            let network = variant($variant, Head::$head, $classes);
            check(&network, size($height, $width), 1000 * $height + $width);
        })*
    };
}

cases! {
    // The smallest input: branch 3 has one token, every window is larger than its map.
    nano_segments_one_token_on_branch_3: "nano", Segformer, 11, 32, 32;
    // Two rows and one row on the coarse branches.
    nano_segments_one_row_maps: "nano", Segformer, 11, 32, 96;
    nano_segments_one_column_maps: "nano", Segformer, 19, 96, 32;
    // Windows of 7 and of 2 that leave a partial strip in both directions.
    nano_segments_partial_windows: "nano", Segformer, 19, 160, 96;
    nano_classifies: "nano", Classifier, 10, 64, 32;
    nano_classifies_partial_windows: "nano", Classifier, 1000, 96, 160;
    b1_segments: "b1", Segformer, 19, 96, 64;
    b1_segments_partial_windows: "b1", Segformer, 19, 160, 96;
    b1_classifies: "b1", Classifier, 1000, 64, 96;
    b2_segments: "b2", Segformer, 150, 64, 32;
    b2_classifies: "b2", Classifier, 1000, 32, 96;
    b3_segments: "b3", Segformer, 19, 64, 64;
    b3_classifies: "b3", Classifier, 1000, 32, 32;
    b3w9_segments: "b3w9", Segformer, 19, 32, 96;
    b3w9_segments_a_window_of_nine_on_ten_rows: "b3w9", Segformer, 2, 160, 32;
}

macro_rules! int16x8_cases {
    ($($name:ident: $variant:expr, $head:ident, $classes:expr, $height:expr, $width:expr;)*) => {
        $(#[test]
        fn $name() {
            let (network, size, seed) = (variant($variant, Head::$head, $classes), size($height, $width), 1000 * $height + $width);
            check_image(&mixed_image(&network, size, seed, |_| Precision::Int16x8), size, seed);
        })*
    };
}

int16x8_cases! {
    nano_in_16_bits_one_token_on_branch_3: "nano", Segformer, 11, 32, 32;
    nano_in_16_bits_partial_windows: "nano", Segformer, 19, 160, 96;
    nano_in_16_bits_classifies: "nano", Classifier, 1000, 96, 160;
    b1_in_16_bits_segments: "b1", Segformer, 19, 96, 64;
    b2_in_16_bits_classifies: "b2", Classifier, 100, 32, 96;
    b3w9_in_16_bits_a_window_of_nine_on_ten_rows: "b3w9", Segformer, 2, 160, 32;
}

#[test]
fn parts_of_8_and_16_bits_share_streams_without_a_conversion() {
    for seed in 0..10 {
        let (head, size) = if seed % 2 == 0 { (Head::Segformer, size(96, 64)) } else { (Head::Classifier, size(64, 96)) };
        let network = if seed < 8 { tiny(head) } else { variant("nano", head, 7) };
        check_image(&mixed_image(&network, size, seed, random_precisions(&network, seed)), size, seed);
    }
}

#[test]
fn every_number_of_classes_at_the_edges() {
    for classes in [1, 2, 256] {
        check(&Network { classes, ..tiny(Head::Segformer) }, size(32, 32), classes.into());
    }
    for classes in [1, 2, 1001] {
        check(&Network { classes, ..tiny(Head::Classifier) }, size(32, 32), classes.into());
    }
}

#[test]
fn labels_of_a_tie_are_the_lowest_class() {
    // Without weights and with equal biases all classes tie everywhere.
    let network = tiny(Head::Segformer);
    let image = edited_image(&network, size(32, 32), 9, None, |step, ops| {
        if step == Step::Logits {
            let classifier = ops.last_mut().unwrap();
            classifier.weights.fill(0);
            classifier.bias.fill(7);
            (classifier.mult, classifier.shift) = (vec![1 << 30; classifier.mult.len()], vec![32; classifier.shift.len()]);
        }
    });
    let model = Model::load(&image).unwrap();
    let mut labels = vec![9; 32 * 32];
    with_engine(&model, |engine| engine.segment(&random_frame(size(32, 32), 1), &mut labels, &NoObserver).unwrap());
    assert_eq!(labels, vec![0; 32 * 32]);
}

/// Multipliers up to 16 times too large, padding that is no zero point, clamps of any kind:
/// whatever loads is computed alike, saturated or not.
#[test]
fn saturating_models_with_any_padding_and_any_limits() {
    for seed in 0..8 {
        let head = if seed < 6 { Head::Segformer } else { Head::Classifier };
        let (network, size) = (tiny(head), size(64, 96));
        let mut rng = Rng::new(seed);
        let image = edited_image(&network, size, seed, None, |step, ops| {
            // The sums of fusions and of the classification head have headroom for their own
            // multipliers only.
            let sums = matches!(step, Step::Fusion { .. } | Step::Increase { .. });
            for (op, shape) in ops.iter_mut().zip(network.ops(step)) {
                op.pad = rng.int(-128, 127) as i16;
                if !sums {
                    op.shift.iter_mut().for_each(|shift| *shift = (*shift - rng.int(0, 4) as u8).max(32));
                }
                // Zero points of s8 results; those of a ReLU are its limit too. A fusion's
                // narrowing must stay the same for all its outputs.
                if shape.kind != OpKind::FusionNarrow && (op.lo, op.hi) == (-128, 127) && op.norm_shift == 0 && op.zero != op.lo {
                    (op.lo, op.hi) = (rng.int(-128, 0) as i16, rng.int(0, 127) as i16);
                    op.zero = rng.int(op.lo.into(), op.hi.into()) as i16;
                }
            }
        });
        check_image(&image, size, seed);
    }
}

/// Every draw is a valid image, also at the far ends of its random numbers.
#[test]
fn random_images_load() {
    for seed in 0..400 {
        let network = if seed % 20 == 0 { variant("b1", Head::Segformer, 11) } else { tiny(Head::Segformer) };
        random_image(&network, size(32, 32), seed);
        mixed_image(&network, size(32, 32), seed, |_| Precision::Int16x8);
    }
}

/// Random images must exercise the arithmetic: tensors that are all zero or all saturated would
/// equal each other whatever the engine does.
#[test]
fn random_images_are_alive() {
    for (network, size) in [(variant("nano", Head::Segformer, 11), size(64, 64)), (variant("nano", Head::Classifier, 10), size(64, 64))] {
        alive(&random_image(&network, size, 4), size);
        alive(&mixed_image(&network, size, 4, |_| Precision::Int16x8), size);
    }
}

fn alive(image: &[u8], size: Size) {
    let model = Model::load(image).unwrap();
    for StepTensor { step, tensor, .. } in simulate(&model, size, &random_frame(size, 4)) {
        let n = tensor.values.len() as f64;
        let (lowest, highest) = (*tensor.values.iter().min().unwrap(), *tensor.values.iter().max().unwrap());
        let at = |value: i32| tensor.values.iter().filter(|&&v| v == value).count() as f64 / n;
        assert!(lowest < highest, "{step}: constant");
        if step != Step::LabelMap && n > 100.0 {
            assert!(at(highest) < 0.3 && (at(lowest) < 0.3 || matches!(step, Step::Increase { .. })), "{step}: saturated ({lowest}, {highest})");
            assert!(at(lowest) < 0.95, "{step}: dead");
        }
    }
}

/// A spec that uses the freedom that [`Spec::validate`] leaves: odd widths, empty branches, any
/// window.
fn specs() -> impl Strategy<Value = Spec> {
    let width = (2u16..=10).prop_map(|quarter| 4 * quarter);
    let shape = (proptest::array::uniform4(width), 1u16..=64, proptest::array::uniform4(1u8..=9), proptest::array::uniform4(1u8..=4));
    (1u16..=8, shape, 1u16..=40, module_tables()).prop_filter_map("no such spec", |(stem, (channels, head_dim, windows, ratios), head_width, modules)| {
        let modules: Vec<&[u8]> = modules.iter().map(Vec::as_slice).collect();
        let spec = spec(2 * stem, channels, &modules, head_dim, windows, ratios, head_width);
        let network = Network { spec, head: Head::Segformer, classes: 2 };
        network.validate().is_ok().then_some(network.spec)
    })
}

/// Four to six modules with no, one or two blocks a branch; a branch more in a module or not, four
/// in the last.
fn module_tables() -> impl Strategy<Value = Vec<Vec<u8>>> {
    let counts = proptest::collection::vec(proptest::array::uniform4(0u8..=2), 4..=6);
    (counts, any::<u8>()).prop_map(|(counts, wait)| {
        // If there is room, some modules add no branch.
        let spare = counts.len() - BRANCHES;
        let branches = |module: usize| (module + 1 - spare.min(module.min(usize::from(wait) % (spare + 1)))).min(BRANCHES);
        let tables = counts.iter().enumerate().map(|(module, counts)| counts[..branches(module)].to_vec());
        tables.collect()
    })
}

fn sizes() -> impl Strategy<Value = Size> {
    (1u16..=3, 1u16..=3).prop_map(|(rows, columns)| size(32 * rows, 32 * columns))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn any_segmentor(spec in specs(), size in sizes(), classes in 1u16..=20, seed: u64) {
        check(&Network { spec, head: Head::Segformer, classes }, size, seed);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 6, ..ProptestConfig::default() })]

    #[test]
    fn any_classifier(spec in specs(), size in sizes(), classes in 1u16..=20, seed: u64) {
        check(&Network { spec, head: Head::Classifier, classes }, size, seed);
    }
}
