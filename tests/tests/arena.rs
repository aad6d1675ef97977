//! The arena: its planned bytes are enough and exact, nothing is read before it was written,
//! nothing beyond is touched.

use hrvit_core::{Engine, Kernels, Logit, Model, ModelHead, ModelSource, Plan, RunError, Serial, StepId, WeightPlacement};
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::{Head, Network, Records, Size};
use hrvit_tests::random_image::{random_frame, random_image};
use hrvit_tests::rng::Rng;
use hrvit_tests::run::{Guarded, StepTensors, plan_of, scalar_engine};
use hrvit_tests::specs::{size, tiny, variant};

/// Copies every group into the engine's buffer, as a reader of a flash would.
struct Copying<'a> {
    model: &'a Model<'a>,
    buffer: usize,
}

impl<'a> Copying<'a> {
    fn new(model: &'a Model<'a>) -> Self {
        Self { model, buffer: model.largest_group() }
    }
}

impl ModelSource for Copying<'_> {
    type Error = StepId;

    fn head(&self) -> ModelHead<'_> {
        self.model.head().clone()
    }

    fn records(&self) -> Records<'_> {
        self.model.records()
    }

    fn buffer_bytes(&self) -> usize {
        self.buffer
    }

    fn fetch(&mut self, id: StepId, buffer: &mut [u8]) -> Result<(), StepId> {
        let group = self.model.group(id).ok_or(id)?;
        // No step needs bytes that an earlier frame left.
        buffer.fill(0x55);
        buffer.get_mut(..group.len()).ok_or(id)?.copy_from_slice(group);
        Ok(())
    }

    fn group<'b>(&'b self, id: StepId, buffer: &'b [u8]) -> Option<&'b [u8]> {
        buffer.get(..self.model.group(id)?.len())
    }
}

/// Every step's tensor and the result, as integers.
type Everything = (Vec<Vec<i32>>, Vec<i16>);

fn run<M: ModelSource>(engine: &mut Engine<M, &mut [u8]>, head: Head, size: Size, frame: &[u8]) -> Result<Everything, RunError<M::Error>> {
    let observer = StepTensors::default();
    let mut logits = vec![Logit::default(); engine.logits_len()];
    engine.logits(frame, &mut logits, &observer)?;
    let mut result: Vec<i16> = logits.iter().map(|logit| logit.bits()).collect();
    if head == Head::Segformer {
        let mut labels = vec![0; size.pixels()];
        engine.segment(frame, &mut labels, &hrvit_core::NoObserver)?;
        result.extend(labels.iter().map(|&label| i16::from(label)));
    }
    Ok((observer.into_inner(), result))
}

/// Runs a frame in an arena of exactly the planned bytes, filled by `paint` beforehand, with guard
/// bytes of the same paint behind it.
fn painted(model: &Model<'_>, paint: impl FnMut() -> u8, streamed: bool) -> Everything {
    let meta = model.meta();
    let (head, size, frame) = (meta.network.head, meta.size, random_frame(meta.size, 5));
    let source = Copying::new(model);
    let plan = plan_of(model, if streamed { WeightPlacement::Streamed { largest_group: source.buffer } } else { WeightPlacement::Mapped });
    let mut memory = Guarded::painted(&plan, paint);
    if streamed {
        let mut engine = Engine::with_kernels(source, plan, Serial, memory.arena(), Kernels::SCALAR).unwrap();
        run(&mut engine, head, size, &frame).unwrap()
    } else {
        let mut engine = scalar_engine(model, &plan, memory.arena()).unwrap();
        run(&mut engine, head, size, &frame).unwrap()
    }
}

fn cases() -> Vec<(Network, Size)> {
    let mut cases = Vec::new();
    for head in [Head::Segformer, Head::Classifier] {
        cases.extend([
            (tiny(head), size(32, 32)),
            (tiny(head), size(64, 96)),
            (variant("nano", head, 11), size(96, 64)),
            (variant("b1", head, 19), size(32, 64)),
        ]);
    }
    cases
}

#[test]
fn results_do_not_depend_on_what_the_arena_held() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 8);
        let model = Model::load(&image).unwrap();
        let expected = painted(&model, || 0, false);
        let mut rng = Rng::new(1);
        assert!(painted(&model, || 0xff, false) == expected, "{size}: painted with ones");
        assert!(painted(&model, || 0x80, false) == expected, "{size}: painted with the lowest code");
        assert!(painted(&model, || rng.bits() as u8, false) == expected, "{size}: painted at random");
    }
}

#[test]
fn streamed_weights_give_the_same_results() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 8);
        let model = Model::load(&image).unwrap();
        assert!(painted(&model, || 0xaa, true) == painted(&model, || 0, false), "{size}");
    }
}

#[test]
fn a_frame_leaves_nothing_behind_for_the_next() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 8);
        let model = Model::load(&image).unwrap();
        let plan = plan_of(&model, WeightPlacement::Mapped);
        let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
        let mut engine = scalar_engine(&model, &plan, &mut arena).unwrap();
        let [first, other] = [1, 2].map(|seed| random_frame(size, seed));
        let expected = run(&mut engine, network.head, size, &first).unwrap();
        assert!(run(&mut engine, network.head, size, &first).unwrap() == expected, "{size}: the same frame again");
        assert!(run(&mut engine, network.head, size, &other).unwrap() != expected, "{size}: another frame");
        assert!(run(&mut engine, network.head, size, &first).unwrap() == expected, "{size}: the first frame after another");
    }
}

/// The plan's promise is exact, not only sufficient: of the last 64 bytes, at least one is written.
#[test]
fn the_last_bytes_of_the_arena_are_used() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 8);
        let model = Model::load(&image).unwrap();
        let plan = plan_of(&model, WeightPlacement::Mapped);
        let frame = random_frame(size, 5);
        let used = [0x00, 0xff].map(|paint| {
            let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
            arena.fill(paint);
            let mut engine = scalar_engine(&model, &plan, &mut arena).unwrap();
            run(&mut engine, network.head, size, &frame).unwrap();
            arena.iter().rposition(|&byte| byte != paint).map_or(0, |last| last + 1)
        });
        let high_water = used.into_iter().max().unwrap();
        println!("{} {:?}: {high_water} of {} bytes", size, network.head, plan.arena_bytes());
        assert!(high_water + 64 > plan.arena_bytes(), "{size} {:?}: {high_water} of {} bytes", network.head, plan.arena_bytes());
    }
}

/// These figures choose a microcontroller's memory: an arena that grows must be a decision.
#[test]
fn arenas_stay_within_their_budgets() {
    let budgets = [
        ("b1", Head::Segformer, 19, (512, 512), 2_250_000),
        ("b1", Head::Segformer, 19, (224, 224), 450_000),
        ("b3", Head::Segformer, 19, (512, 512), 4_500_000),
        ("nano", Head::Segformer, 11, (192, 256), 220_000),
        ("b1", Head::Classifier, 1000, (224, 224), 450_000),
    ];
    for (name, head, classes, (height, width), budget) in budgets {
        let plan = Plan::builder(&variant(name, head, classes), size(height, width)).build().unwrap();
        assert!(plan.arena_bytes() <= budget, "{name} {head:?} {height}x{width}: {} bytes", plan.arena_bytes());
        assert_eq!(hrvit_core::recomputed_macs(&plan), 0, "{name} {head:?}: one worker does nothing twice");
    }
}
