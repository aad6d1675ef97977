//! The whole quantiser on tiny networks with synthetic weights and frames.

use anyhow::{Result, bail};
use hrvit_format::{Ablation, Activation, Head, Model, Network, OpKind, Size, Spec, Step, WideParts, record::Precision, writer::StepData};
use hrvit_kernels::Kernels;
use hrvit_reference::{Checkpoint, Folded};

use super::{Derived, Frames, Options, Quantised, Refusal, Silent, quantize, sample::SplitMix, try_fp16, try_quantize};
use crate::precision::{self, Fitting, Limits, Measure, Offer};

/// SQNR that the logits of tiny random networks must reach: LayerNorms over eight random channels
/// amplify noise that trained, wider ones do not.
const LEAST_DB: f64 = 20.0;
/// The same of a classifier, where only what differs between eight frames is signal.
const LEAST_CLASSIFIER_DB: f64 = 10.0;

/// Smooth coloured noise: a coarse random grid, interpolated, plus a little fine noise.
struct Textures {
    size: Size,
    count: usize,
}

impl Frames for Textures {
    fn len(&self) -> usize {
        self.count
    }

    fn rgb(&self, i: usize) -> Result<Vec<u8>> {
        let mut random = SplitMix(i as u64 + 1);
        let (height, width) = (usize::from(self.size.height), usize::from(self.size.width));
        let coarse: Vec<f32> = (0..9 * 9 * 3).map(|_| (random.next_u64() % 256) as f32).collect();
        let knot = |y: usize, x: usize, c: usize| coarse[(y * 9 + x) * 3 + c];
        let mut rgb = Vec::with_capacity(height * width * 3);
        for y in 0..height {
            for x in 0..width {
                let (fy, fx) = (8.0 * y as f32 / height as f32, 8.0 * x as f32 / width as f32);
                let (y0, x0, dy, dx) = (fy as usize, fx as usize, fy.fract(), fx.fract());
                for c in 0..3 {
                    let top = knot(y0, x0, c) * (1.0 - dx) + knot(y0, x0 + 1, c) * dx;
                    let bottom = knot(y0 + 1, x0, c) * (1.0 - dx) + knot(y0 + 1, x0 + 1, c) * dx;
                    rgb.push((top * (1.0 - dy) + bottom * dy + (random.next_u64() % 16) as f32).min(255.0) as u8);
                }
            }
        }
        Ok(rgb)
    }
}

fn tiny(head: Head, des_activation: Activation) -> Network {
    let nano = Spec::variant("nano").unwrap();
    let mut blocks = nano.blocks.clone();
    for module in &mut blocks {
        module.iter_mut().for_each(|count| *count = 1);
    }
    // One module per number of branches.
    let blocks = [0, 1, 2, 4].iter().map(|&module| blocks[module].clone()).collect();
    let spec = Spec {
        stem: 8,
        channels: [8, 8, 16, 16],
        blocks,
        head_dim: 4,
        head_width: 12,
        windows: [1, 2, 7, 7],
        ratios: [2, 3, 2, 2],
        des_activation,
        ablation: Ablation::NONE,
    };
    Network { spec, head, classes: 5 }
}

fn run(network: &Network, count: usize, threads: usize) -> Quantised {
    run_in(Precision::Int8, network, count, threads)
}

fn run_in(precision: Precision, network: &Network, count: usize, threads: usize) -> Quantised {
    let size = Size { height: 64, width: 64 };
    let checkpoint = Checkpoint::synthetic(network, 3).unwrap();
    let options = Options { class_names: ["a", "b", "c", "d", "e"].map(String::from).to_vec(), provenance: "test".into(), precision, ..Options::default() };
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    pool.install(|| quantize(&checkpoint, size, &Textures { size, count }, &options, &Silent)).unwrap()
}

/// The steps in one precision, for a search.
fn derived(precision: Precision, network: &Network) -> Derived {
    let size = Size { height: 64, width: 64 };
    let (checkpoint, options) = (Checkpoint::synthetic(network, 3).unwrap(), Options { precision, ..Options::default() });
    match precision {
        Precision::Fp16 => try_fp16(&checkpoint, size, &options).unwrap(),
        _ => try_quantize(&checkpoint, size, &Textures { size, count: 8 }, &options, &Silent).unwrap(),
    }
}

#[test]
fn a_segmentor_becomes_an_image_that_loads() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let quantised = run(&network, 8, 2);
    let model = Model::load(&quantised.image).unwrap();
    assert_eq!(model.meta().class_name(2), Some("c"));
    assert_eq!(quantised.steps.len(), network.steps().count());
    assert!(quantised.steps.iter().all(|step| matches!(step, StepData::Int8 { scale, .. } if *scale > 0.0)));
    assert!(quantised.report.logits_db.unwrap() > LEAST_DB, "{:?} dB\n{}", quantised.report.logits_db, quantised.report.table());
    assert!(serde_json::to_string(&quantised.report).unwrap().contains("to_qkv"));
}

#[test]
fn a_classifier_with_a_hardswish_shortcut_becomes_an_image_that_loads() {
    let quantised = run(&tiny(Head::Classifier, Activation::Hardswish), 8, 2);
    Model::load(&quantised.image).unwrap();
    assert!(quantised.report.logits_db.unwrap() > LEAST_CLASSIFIER_DB, "{:?} dB\n{}", quantised.report.logits_db, quantised.report.table());
}

#[test]
fn codes_of_16_bits_leave_little_but_the_noise_of_the_weights() {
    for (head, activation) in [(Head::Segformer, Activation::Gelu), (Head::Classifier, Activation::Hardswish)] {
        let network = tiny(head, activation);
        let wide = run_in(Precision::Int16x8, &network, 8, 2);
        let model = Model::load(&wide.image).unwrap();
        assert!(model.step_ids().all(|(id, _)| model.precision(id) == Precision::Int16x8));
        let (wide_db, narrow_db) = (wide.report.logits_db.unwrap(), run(&network, 8, 2).report.logits_db.unwrap());
        assert!(wide_db > narrow_db + 5.0, "{wide_db:.1} dB in 16 bits, {narrow_db:.1} in 8\n{}", wide.report.table());
        // Streams are in the same scale, so that steps of both can follow one another.
        let scales = |quantised: &Quantised| -> Vec<f32> {
            let step = |data: &StepData| match data {
                StepData::Int8 { scale, .. } | StepData::Int16x8 { scale, .. } => *scale,
                StepData::Fp16(_) => panic!("integers"),
            };
            let steps = network.steps().zip(&quantised.steps).filter(|(step, _)| !matches!(step, Step::Fusion { .. } | Step::Increase { .. }));
            steps.map(|(_, data)| step(data)).collect()
        };
        assert_eq!(scales(&wide), scales(&run(&network, 8, 2)));
    }
}

#[test]
fn the_engine_computes_what_the_quantiser_expects_of_16_bits() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let (wide, size) = (run_in(Precision::Int16x8, &network, 8, 2), Size { height: 64, width: 64 });
    let checkpoint = Checkpoint::synthetic(&network, 3).unwrap();
    let measure = Measure::new(&checkpoint, (&Textures { size, count: 8 }, 8), size, None, Kernels::detect(), &Silent).unwrap();
    let (found, expected) = (measure.noise(wide.image.clone(), usize::MAX).unwrap().db, wide.report.logits_db.unwrap());
    assert!((found - expected).abs() < 1.0, "engine {found:.2} dB, quantiser {expected:.2} dB");
}

#[test]
fn networks_without_a_technique_become_images_in_every_precision() {
    for ablation in Ablation::EACH_AND_ALL {
        let mut network = tiny(Head::Segformer, Activation::Gelu);
        network.spec.ablation = ablation;
        let (checkpoint, size) = (Checkpoint::synthetic(&network, 3).unwrap(), Size { height: 64, width: 64 });
        let measure = Measure::new(&checkpoint, (&Textures { size, count: 8 }, 8), size, None, Kernels::detect(), &Silent).unwrap();
        let engine = |image| measure.noise(image, usize::MAX).unwrap().db;
        // The expectation counts noise in real numbers: rounding sums of codes of 8 bits moves it more.
        for (precision, near) in [(Precision::Int8, 2.0), (Precision::Int16x8, 1.0)] {
            let quantised = run_in(precision, &network, 8, 2);
            let (found, expected) = (engine(quantised.image.clone()), quantised.report.logits_db.unwrap());
            println!("{ablation:?} {precision:?}: {found:.1} dB");
            assert!(expected > LEAST_DB, "{ablation:?} {precision:?}: {expected:.1} dB\n{}", quantised.report.table());
            assert!((found - expected).abs() < near, "{ablation:?} {precision:?}: engine {found:.2} dB, quantiser {expected:.2} dB");
        }
        let half = engine(derived(Precision::Fp16, &network).whole().unwrap().image);
        assert!(half > 45.0, "{ablation:?} in half precision: {half:.1} dB");
    }
}

#[test]
fn the_image_does_not_depend_on_the_number_of_threads() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let one = run(&network, 3, 1);
    [2, 3].into_iter().for_each(|threads| assert!(one.image[..] == run(&network, 3, threads).image[..], "{threads} threads"));
}

#[test]
fn no_frame_and_a_frame_of_the_wrong_size_are_errors_that_say_so() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let checkpoint = Checkpoint::synthetic(&network, 3).unwrap();
    let size = Size { height: 64, width: 64 };
    let fail = |frames: &dyn Frames, options: &Options| format!("{:#}", quantize(&checkpoint, size, frames, options, &Silent).err().expect("it must fail"));
    assert!(fail(&Textures { size, count: 0 }, &Options::default()).contains("at least one calibration frame"));
    let small = Textures { size: Size { height: 32, width: 64 }, count: 1 };
    let message = fail(&small, &Options::default());
    assert!(message.contains("calibration frame 0") && message.contains("12288"), "{message}");
    struct Broken;
    impl Frames for Broken {
        fn len(&self) -> usize {
            1
        }
        fn rgb(&self, _: usize) -> Result<Vec<u8>> {
            bail!("torn cable")
        }
    }
    assert!(fail(&Broken, &Options::default()).contains("torn cable"));
    let names = Options { class_names: vec!["only one".into()], ..Options::default() };
    assert!(fail(&Textures { size, count: 1 }, &names).contains("1 class names for a network of 5 classes"));
}

#[test]
fn parts_take_16_bits_or_half_precision_whichever_is_worth_more() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let checkpoint = Checkpoint::synthetic(&network, 3).unwrap();
    let size = Size { height: 64, width: 64 };
    let [int8, wide, half] = [Precision::Int8, Precision::Int16x8, Precision::Fp16].map(|precision| derived(precision, &network));
    let frames = Textures { size, count: 3 };
    let measure = Measure::new(&checkpoint, (&frames, 3), size, None, Kernels::detect(), &Silent).unwrap();
    let offers = [Offer { precision: Precision::Int16x8, steps: &wide.steps }, Offer { precision: Precision::Fp16, steps: &half.steps }];
    let limits = |beyond| Limits { drift: -1.0, arena_bytes: None, beyond };
    let best = precision::search(&int8, &offers, &measure, &limits(vec![]), &Silent).unwrap();
    assert!(best.path.windows(2).all(|pair| pair[1].clear_flips < pair[0].clear_flips + 16), "no part that is added flips clear decisions: {:?}", best.path);
    let bought = |name| best.path.iter().filter(|step| step.precision == Some(name)).count();
    assert!(bought("int16x8") > 0 && bought("fp16") > 0, "both precisions are bought: {:?}", best.path);

    let steps: Vec<Step> = network.steps().collect();
    let integers = precision::search(&int8, &offers, &measure, &limits(steps), &Silent).unwrap();
    assert!(integers.path.iter().all(|step| step.precision != Some("fp16")), "what is beyond half precision never takes it");
    assert!(integers.path.last().unwrap().logits_db > integers.path[0].logits_db + 3.0);
}

#[test]
fn parts_become_half_precision_until_the_drift_is_small_enough() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let checkpoint = Checkpoint::synthetic(&network, 3).unwrap();
    let size = Size { height: 64, width: 64 };
    let [int8, half] = [Precision::Int8, Precision::Fp16].map(|precision| derived(precision, &network));
    let frames = Textures { size, count: 3 };
    let measure = Measure::new(&checkpoint, (&frames, 3), size, None, Kernels::detect(), &Silent).unwrap();
    let choose = |drift, arena_bytes, beyond| {
        let offers = [Offer { precision: Precision::Fp16, steps: &half.steps }];
        precision::search(&int8, &offers, &measure, &Limits { drift, arena_bytes, beyond }, &Silent).unwrap()
    };

    let content = choose(100.0, None, vec![]);
    assert!(content.reached && content.path.len() == 1, "8 bits suffice where any drift will do");
    assert!(content.image[..] == derived(Precision::Int8, &network).whole().unwrap().image[..]);

    let best = choose(-1.0, None, vec![]);
    assert!(!best.reached, "no drift is below zero");
    let (first, last) = (best.path.first().unwrap(), best.path.last().unwrap());
    assert!(best.path.windows(2).all(|pair| pair[1].clear_flips < pair[0].clear_flips + 16), "no part that is added flips clear decisions: {:?}", best.path);
    assert!(last.logits_db > first.logits_db + 10.0, "{:.1} to {:.1} dB", first.logits_db, last.logits_db);
    assert!(last.wide_macs > first.wide_macs && last.arena_bytes > first.arena_bytes);
    assert_ne!(Model::load(&best.image).unwrap().wide_parts(), WideParts::NONE);

    let small = choose(-1.0, Some(first.arena_bytes), vec![Step::Stem]);
    assert!(small.path.iter().all(|step| step.arena_bytes <= first.arena_bytes));
    assert!(small.path.iter().all(|step| step.part.as_deref() != Some("stem")), "what does not fit half precision stays in 8 bits");
}

/// `derived` with a step that refuses.
fn refusing(mut derived: Derived, at: usize) -> Derived {
    let step = derived.network().steps().nth(at).unwrap();
    derived.steps[at] = Err(Refusal { step, why: format!("{step}: made to refuse") });
    derived
}

#[test]
fn a_part_that_refuses_8_bits_takes_16_or_half_precision_and_is_named() {
    let network = tiny(Head::Segformer, Activation::Gelu);
    let fusion = network.steps().position(|step| matches!(step, Step::Fusion { .. })).unwrap();
    let [wide, half] = [Precision::Int16x8, Precision::Fp16].map(|precision| derived(precision, &network));
    let int8 = refusing(derived(Precision::Int8, &network), fusion);
    let complete = |wide: &Derived, beyond: &[Step]| {
        let offers = [Offer { precision: Precision::Fp16, steps: &half.steps }, Offer { precision: Precision::Int16x8, steps: &wide.steps }];
        let fitting = Fitting::new(&int8, &offers, beyond);
        fitting.complete(&mut vec![None; fitting.parts.len()])
    };
    let (image, forced) = complete(&wide, &[]).unwrap();
    assert_eq!((forced.len(), forced[0].part.as_str(), forced[0].precision), (1, "m2.entry", "int16x8"));
    assert!(forced[0].to_string().contains("m2.entry does not fit 8 bits and has int16x8 instead: m2.fusion.0: made to refuse"), "{}", forced[0]);
    let model = Model::load(&image).unwrap();
    let wide_steps = model.step_ids().filter(|(id, _)| model.precision(*id) == Precision::Int16x8).count();
    assert_eq!(wide_steps, Fitting::new(&int8, &[], &[]).parts.iter().find(|part| part.name == "m2.entry").unwrap().steps.len());

    let wide = refusing(wide, fusion);
    let (_, forced) = complete(&wide, &[]).unwrap();
    assert_eq!(forced[0].precision, "fp16");
    let beyond: Vec<Step> = network.steps().collect();
    let error = complete(&wide, &beyond).err().unwrap().to_string();
    assert!(
        error.contains("m2.entry fits no precision on offer: int8: m2.fusion.0: made to refuse; int16x8:") && error.contains("fp16: values beyond"),
        "{error}"
    );
    let strict = format!("{:#}", refusing(derived(Precision::Int8, &network), fusion).whole().err().unwrap());
    assert_eq!(strict, "m2.fusion.0: made to refuse", "8 bits alone fail");
}

#[test]
fn a_step_that_fails_to_encode_is_refused_and_the_others_go_on() {
    // Constants that cancel between the terms of a stream, far beyond 32 bits of its codes.
    let network = tiny(Head::Segformer, Activation::Gelu);
    let size = Size { height: 64, width: 64 };
    let refusing = Step::Attention { module: 1, branch: 1, block: 0 };
    let mut folded = Folded::new(&Checkpoint::synthetic(&network, 3).unwrap());
    for (at, op) in network.ops(refusing).iter().enumerate() {
        match op.kind {
            OpKind::ToOut => folded.weights_mut(refusing, at).unwrap().bias.fill(1e20),
            OpKind::DesLeft => folded.weights_mut(refusing, at).unwrap().bias.fill(-1e20),
            _ => {}
        }
    }
    let (frames, options) = (Textures { size, count: 2 }, Options::default());
    let mut session = super::session::Session::new(&network, folded, size, &frames, &options, &Silent).unwrap();
    let mut refused = Vec::new();
    for step in network.steps() {
        if let Err(why) = session.step(step).unwrap().data {
            refused.push((step, format!("{why:#}")));
        }
    }
    assert!(refused.len() == 1 && refused[0].0 == refusing && refused[0].1.starts_with("m2.branch.1.0.attn: "), "the other steps go on: {refused:?}");
}
