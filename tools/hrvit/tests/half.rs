//! Half precision against the float network: whole networks with synthetic weights, on every
//! instruction set of this processor.

use hrvit_core::{Engine, Model, NoObserver, Plan, ReadImage, Segmentation, Serial, StreamError, Streamed, Threads, Tiling, WeightPlacement, read_head};
use hrvit_format::{
    Golden, GoldenResult, Head, LoadError, Logit, Network, Size, Spec,
    aligned::AlignedBytes,
    record::Packing,
    writer::{repack, with_golden},
};
use hrvit_kernels::{Isa, Kernels};
use hrvit_reference::{Checkpoint, Folded, Frame, NoTap};
use hrvit_tool::{
    fit::Placement,
    golden::{self, Checked},
    host_engine::PackedImage,
    logits::Logits,
    quantize::{Frames as QuantiserFrames, Options, to_fp16},
};

/// Largest difference of logits allowed, as a part of their largest magnitude. Rounding weights
/// alone to f16 in the float network moves these logits by up to 3.3e-3. Rounding activations and
/// residual streams alone moves them by up to 3.8e-3, PyTorch's half precision by up to 5.9e-3
/// (docs/accuracy.md).
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
    let image = to_fp16(&checkpoint, size, &Options::default()).unwrap().image;
    let folded = Folded::new(&checkpoint);
    for (name, frame) in frames(size) {
        let float = folded.forward(Frame::new(size, frame.clone()).unwrap(), &mut NoTap);
        let largest = float.data.iter().fold(0.0f32, |most, x| most.max(x.abs()));
        for isa in Isa::available() {
            let packed = PackedImage::new(image.clone(), Kernels::new(isa).unwrap()).unwrap();
            let engine = packed.load().unwrap();
            let raw = engine.raw_logits(&frame, &NoObserver).unwrap();
            let logits: Vec<f32> = engine.model().logits_format().values(&raw).collect();
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
fn run(image: &[u8], kernels: Kernels, (workers, tiling): (usize, Tiling), frame: &[u8]) -> (Vec<u8>, Vec<Logit>) {
    let image = AlignedBytes::from(image);
    let model = Model::load(&image).unwrap();
    let (plan, size) = (Plan::for_model(&model).workers(workers).tiling(tiling).build().unwrap(), model.meta().size);
    let mut arena = AlignedBytes::from(vec![0xa5; plan.arena_bytes()].as_slice());
    let executor = Threads::new(workers).unwrap();
    let mut engine = Engine::with_kernels(&model, plan, executor, &mut arena, kernels).unwrap();
    let (mut labels, mut logits) = (vec![0; size.pixels()], vec![Logit::default(); engine.logits_len()]);
    engine.segment_into(frame, Segmentation::new(&mut labels).logits(&mut logits), &NoObserver).unwrap();
    (labels, logits)
}

#[test]
fn margins_are_those_of_the_enlarged_logits_on_every_instruction_set() {
    let image = with_frame(Head::Segformer);
    let model = Model::load(&image).unwrap();
    let (format, network, size) = (model.logits_format(), &model.meta().network, model.meta().size);
    let frame = model.golden().unwrap().frame;
    for isa in Isa::available() {
        let plan = Plan::for_model(&model).build().unwrap();
        let arena = AlignedBytes::zeroed(plan.arena_bytes());
        let mut engine = Engine::with_kernels(&model, plan, Serial, arena, Kernels::new(isa).unwrap()).unwrap();
        let (mut labels, mut margins, mut logits) = (vec![0; size.pixels()], vec![0; size.pixels()], vec![Logit::default(); engine.logits_len()]);
        for shift in [2, 6] {
            let results = Segmentation::new(&mut labels).margins(&mut margins, shift).logits(&mut logits);
            engine.segment_into(frame, results, &NoObserver).unwrap();
            let (rows, columns) = size.map(0);
            let real = Logits::new(rows, columns, network.classes.into(), format.values(&logits).collect()).unwrap();
            let (_, expected) = real.labels_and_margins_at(&Placement::WHOLE, size.height.into(), size.width.into());
            let unit = format.margin_unit(shift);
            let far = margins.iter().zip(expected).filter(|(code, margin)| ((*margin / unit).min(255.0) - f32::from(**code)).abs() > 1.01);
            assert_eq!(far.count(), 0, "{isa}, shift {shift}");
            assert!(margins.iter().any(|&code| code > 0), "{isa}, shift {shift}: margins are not all 0");
        }
    }
}

#[test]
fn no_tile_and_no_number_of_workers_changes_a_bit_on_one_instruction_set() {
    let size = Size { height: 96, width: 64 };
    let checkpoint = Checkpoint::synthetic(&network("nano", Head::Segformer), 7).unwrap();
    let image = to_fp16(&checkpoint, size, &Options::default()).unwrap().image;
    let [_, _, _, (_, frame)] = frames(size);
    for isa in [Isa::Scalar, Isa::detect()] {
        let kernels = Kernels::new(isa).unwrap();
        let packed = PackedImage::new(image.clone(), kernels).unwrap();
        let plans = [(1, Tiling::Rows(1)), (1, Tiling::Rows(4)), (2, Tiling::Smallest), (3, Tiling::Within(16 << 20))];
        let [first, others @ ..] = plans.map(|plan| run(packed.image(), kernels, plan, &frame));
        assert!(others.iter().all(|other| *other == first), "{isa}");
    }
}

/// One frame.
struct One(Vec<u8>);

impl QuantiserFrames for One {
    fn len(&self) -> usize {
        1
    }

    fn rgb(&self, _: usize) -> anyhow::Result<Vec<u8>> {
        Ok(self.0.clone())
    }
}

/// An image in half precision with a golden frame.
fn with_frame(head: Head) -> AlignedBytes {
    let size = Size { height: 64, width: 64 };
    let checkpoint = Checkpoint::synthetic(&network("nano", head), 7).unwrap();
    let image = to_fp16(&checkpoint, size, &Options::default()).unwrap().image;
    let [_, _, _, (_, frame)] = frames(size);
    golden::with_golden(&image, &One(frame)).unwrap()
}

fn checked(image: &AlignedBytes, isa: Isa) -> Checked {
    golden::check(&PackedImage::new(image.clone(), Kernels::new(isa).unwrap()).unwrap().load().unwrap()).unwrap()
}

#[test]
fn a_golden_frame_holds_the_definitions_result_and_others_are_near() {
    for (head, labels) in [(Head::Segformer, 64 * 64), (Head::Classifier, 0)] {
        let image = with_frame(head);
        for isa in Isa::available() {
            let Checked::Drift(found) = checked(&image, isa) else { panic!("{head:?} {isa}: nothing was compared") };
            println!("{head:?} {isa}: {found}");
            let drift = found.drift;
            assert!(found.is_within_bound() && drift.labels == labels, "{head:?} {isa}: {found}");
            assert!(isa != Isa::Scalar || (drift.logits.unwrap().of_largest, drift.differ) == (0.0, 0), "{head:?}: {found}");
        }
    }
}

/// `image` with another result.
fn tampered(image: &AlignedBytes, change: impl Fn(&mut Vec<Logit>, &mut Vec<u8>)) -> Result<AlignedBytes, LoadError> {
    let model = Model::load(image).unwrap();
    let golden = model.golden().unwrap();
    let result = golden.result.unwrap();
    let (mut logits, mut labels) = (result.logits.to_vec(), result.labels.to_vec());
    change(&mut logits, &mut labels);
    with_golden(&model, Golden { result: Some(GoldenResult { logits: &logits, labels: &labels, ..result }), ..golden })
}

#[test]
fn one_logit_far_away_and_one_label_more_than_may_differ_are_beyond_the_bounds() {
    let image = with_frame(Head::Segformer);
    let bound = Model::load(&image).unwrap().golden().unwrap().result.unwrap().bound;
    let most = bound.labels as usize;
    assert!((5..400).contains(&most) && bound.logits < 0.1, "{bound:?}");
    let verdict = |change: &dyn Fn(&mut Vec<Logit>, &mut Vec<u8>)| match checked(&tampered(&image, change).unwrap(), Isa::Scalar) {
        Checked::Drift(found) => found.is_within_bound(),
        other => panic!("{other:?}"),
    };
    assert!(verdict(&|_, _| ()));
    // The largest exponent bit: every logit but 0 goes far.
    assert!(!verdict(&|logits, _| {
        let last = logits.last_mut().unwrap();
        *last = Logit::from_bits(last.bits() ^ 0x4000);
    }));
    assert!(verdict(&|_, labels| labels[..most].iter_mut().for_each(|label| *label ^= 1)));
    assert!(!verdict(&|_, labels| labels[..most + 1].iter_mut().for_each(|label| *label ^= 1)));
}

#[test]
fn a_golden_frame_without_its_result_or_with_half_of_it_is_refused() {
    let image = with_frame(Head::Segformer);
    let model = Model::load(&image).unwrap();
    let none = Golden { result: None, ..model.golden().unwrap() };
    assert_eq!(with_golden(&model, none).err(), Some(LoadError::Golden));
    assert_eq!(tampered(&image, |logits, _| _ = logits.pop()).err(), Some(LoadError::Golden));
    assert_eq!(tampered(&image, |_, labels| labels.push(0)).err(), Some(LoadError::Golden));
}

#[test]
fn another_packing_keeps_the_result_and_its_ranges_find_it() {
    let image = with_frame(Head::Segformer);
    let packed = repack(&Model::load(&image).unwrap(), Packing::K8).unwrap();
    let (model, before) = (Model::load(&packed).unwrap(), Model::load(&image).unwrap());
    let (after, before) = (model.golden().unwrap().result.unwrap(), before.golden().unwrap().result.unwrap());
    assert_eq!((after.logits, after.labels), (before.logits, before.labels));
    let ranges = model.golden_ranges().unwrap().unwrap();
    assert_eq!(&packed[ranges.labels], after.labels);
    let logits = packed[ranges.logits].as_chunks().0.iter().map(|bits| Logit::from_bits(i16::from_le_bytes(*bits)));
    assert!(logits.eq(after.logits.iter().copied()));
}

/// An image on a flash.
struct Flash<'a>(&'a [u8]);

impl ReadImage for Flash<'_> {
    type Error = usize;

    fn read(&mut self, offset: usize, into: &mut [u8]) -> Result<(), usize> {
        into.copy_from_slice(self.0.get(offset..offset + into.len()).ok_or(offset)?);
        Ok(())
    }
}

#[test]
fn streamed_weights_make_the_golden_labels_and_a_flipped_bit_of_those_is_found() {
    let image = with_frame(Head::Segformer);
    let mut head = AlignedBytes::zeroed(1 << 20);
    let model = read_head(&mut Flash(&image), &mut head).unwrap();
    let plan = Plan::for_model(&model).weights(WeightPlacement::streamed(&model)).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let weights = Streamed::open(model.clone(), Flash(&image), &mut arena).unwrap();
    let whole = Model::load(&image).unwrap();
    let golden = whole.golden().unwrap();
    let mut labels = vec![0; plan.size().pixels()];
    let mut engine = Engine::with_kernels(weights, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
    engine.segment(golden.frame, &mut labels, &NoObserver).unwrap();
    assert_eq!(labels, golden.result.unwrap().labels);

    let mut flipped = image.to_vec();
    let at = model.golden_ranges().unwrap().unwrap().labels.start;
    flipped[at] ^= 1;
    let error = Streamed::open(model, Flash(&flipped), &mut arena).err();
    assert!(matches!(error, Some(StreamError::Image(LoadError::SectionCrc(_)))), "{error:?}");
}
