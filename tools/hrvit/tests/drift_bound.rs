//! Bounds of half precision that follow from an image: healthy machines are within them, a damaged
//! weight is beyond them.

use std::path::PathBuf;
use std::sync::OnceLock;

use hrvit_core::{Kernels, Model};
use hrvit_format::{Golden, GoldenResult, Head, LoadError, Network, Size, Spec, aligned::AlignedBytes, writer};
use hrvit_kernels::{Isa, Order};
use hrvit_reference::Checkpoint;
use hrvit_tool::{
    calibration::CalibrationSet,
    drift_bound::{self, FACTOR},
    golden::{self, Checked, Found},
    host_engine::PackedImage,
    precision::parts::steps_named,
    quantize::{Derived, Options, Quantised, Silent, to_fp16, try_quantize},
};

const SIZE: Size = Size { height: 64, width: 96 };

fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// The bundled network in 8 bits and in half precision, and calibration frames.
struct Nano {
    network: Network,
    int8: Derived,
    half: Quantised,
    frames: CalibrationSet,
}

fn nano() -> &'static Nano {
    static NANO: OnceLock<Nano> = OnceLock::new();
    NANO.get_or_init(|| {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 11 };
        let checkpoint = Checkpoint::read(&root().join("models/nano_camvid11.safetensors"), &network).unwrap();
        let (all, _) = CalibrationSet::open(&root().join("data/calib"), SIZE, hrvit_tool::fit::Fitting::Stretch).unwrap();
        let frames = all.draw(16, 1).unwrap();
        let int8 = try_quantize(&checkpoint, SIZE, &frames, &Options::default(), &Silent).unwrap();
        let half = to_fp16(&checkpoint, SIZE, &Options::default()).unwrap();
        Nano { network, int8, half, frames }
    })
}

/// Positions of the steps in parts of these names; everything for none.
fn named(half: &[&str]) -> Vec<usize> {
    if half.is_empty() {
        return (0..nano().half.steps.len()).collect();
    }
    steps_named(&nano().network, SIZE, &half.iter().map(|&name| name.to_owned()).collect::<Vec<_>>()).unwrap()
}

/// The image with the steps at `positions` as in `half`.
fn mixed(half: &[writer::StepData], positions: &[usize]) -> AlignedBytes {
    let int8 = &nano().int8;
    let steps = int8.steps.iter().enumerate().map(|(at, step)| if positions.contains(&at) { half[at].clone() } else { step.clone().unwrap() });
    int8.with_steps(&steps.collect::<Vec<_>>()).unwrap()
}

/// The image with these parts in half precision, and a golden frame.
fn image(half: &[&str]) -> AlignedBytes {
    golden::with_golden(&mixed(&nano().half.steps, &named(half)), &nano().frames).unwrap()
}

fn found(image: &AlignedBytes, kernels: Kernels) -> Found {
    match golden::check(&PackedImage::new(image.clone(), kernels).unwrap().load().unwrap()).unwrap() {
        Checked::Drift(found) => found,
        other => panic!("{other:?}"),
    }
}

/// The parts that one after the other are in half precision here: integers follow the first two.
const MIXES: [&[&str]; 3] = [&["stem"], &["m3"], &[]];

#[test]
fn every_instruction_set_here_and_every_order_elsewhere_is_within_the_bounds_by_their_factor() {
    for half in MIXES {
        let image = image(half);
        let kernels = Order::ALL.map(Kernels::in_order).into_iter().chain(Isa::available().map(|isa| Kernels::new(isa).unwrap()));
        for (at, kernels) in kernels.enumerate() {
            let Found { drift, bound, .. } = found(&image, kernels);
            let logits = drift.logits.unwrap().of_largest;
            println!("{half:?} {at} {}: {drift:?} {bound:?}", kernels.isa());
            assert!(
                FACTOR * logits <= 1.0001 * bound.logits && 4 * drift.differ <= bound.labels as usize && drift.step.is_none(),
                "{half:?} {at}: {drift:?} {bound:?}"
            );
        }
    }
}

#[test]
fn what_integers_make_of_half_precision_is_more_than_half_precision_alone() {
    let spread = |half| drift_bound::spread(&image(half), &nano().frames).unwrap();
    let (stem, all) = (spread(MIXES[0]), spread(MIXES[2]));
    assert!((stem.frames, all.frames) == (8, 8) && stem.logits > 4.0 * all.logits, "{stem:?} {all:?}");
}

#[test]
fn one_exponent_bit_of_a_weight_is_beyond_the_bounds() {
    /// The highest bit of the exponent: a weight below 1 becomes 65536 times as large.
    const BIT: u16 = 0x4000;
    for half in MIXES {
        let good = image(half);
        let model = Model::load(&good).unwrap();
        let mut sites = 0;
        let steps = named(half);
        // Some steps from the first to the last of these parts, and weights of the largest operator
        // of each.
        for &at in steps.iter().step_by(steps.len().div_ceil(8)) {
            let writer::StepData::Fp16(ops) = &nano().half.steps[at] else { unreachable!("half precision") };
            let (op, weights) = ops.iter().map(|op| &op.weights).enumerate().max_by_key(|(_, weights)| weights.len()).unwrap();
            // Below 1, and not about 0.
            let below = |i: &usize| (0x2000..0x3c00).contains(&(weights[*i] & 0x7fff));
            let len = weights.len();
            for weight in [len / 5, len / 2].into_iter().filter_map(|from| (from..len).find(below)) {
                let mut damaged = nano().half.steps.clone();
                let writer::StepData::Fp16(ops) = &mut damaged[at] else { unreachable!("half precision") };
                ops[op].weights[weight] ^= BIT;
                let image = mixed(&damaged, &steps);
                let image = writer::with_golden(&Model::load(&image).unwrap(), model.golden().unwrap()).unwrap();
                for kernels in [Kernels::SCALAR, Kernels::detect()] {
                    let found = found(&image, kernels);
                    println!("{half:?} step {at} weight {weight} of {len}: {found}");
                    assert!(!found.is_within_bound(), "{half:?} step {at} weight {weight} of {len}: {found}");
                    assert!(found.first.is_some() && found.to_string().contains("; first "), "{found}");
                }
                sites += 1;
            }
        }
        assert!(sites >= if steps.len() == 1 { 2 } else { 10 }, "{half:?}: {sites} sites");
    }
}

/// `image` with other bounds.
fn with_bound(image: &AlignedBytes, logits: f32, labels: u32) -> Result<AlignedBytes, LoadError> {
    let model = Model::load(image).unwrap();
    let golden = model.golden().unwrap();
    let result = golden.result.map(|result| GoldenResult { bound: hrvit_format::DriftBound { logits, labels }, ..result });
    writer::with_golden(&model, Golden { result, ..golden })
}

#[test]
fn the_images_bounds_decide_and_bounds_that_are_none_are_refused() {
    let image = image(&["stem"]);
    let fused = Kernels::in_order(Order::Neon);
    assert!(found(&image, fused).is_within_bound());
    let narrow = found(&with_bound(&image, 1e-6, 0).unwrap(), fused);
    assert!(
        !narrow.is_within_bound()
            && narrow.to_string().contains("(bound 1.0e-6), ")
            && narrow.to_string().contains(" of 6144 labels differ (bound 0)")
            && narrow.to_string().contains("; first the logit of class "),
        "{narrow}"
    );
    let labels = found(&with_bound(&image, 1.0, 0).unwrap(), fused);
    assert!(!labels.is_within_bound() && labels.to_string().contains("; first the label at row "), "{labels}");
    for bad in [f32::NAN, f32::INFINITY, -0.1] {
        assert_eq!(with_bound(&image, bad, 9).err(), Some(LoadError::Golden));
    }
}
