//! The whole engine on the smallest network and frame, small enough for Miri. No memory is read
//! before it was written. No reference outlives its right. Workers never race. On the scalar
//! kernels, which Miri understands. (`cargo xtask miri`; the results themselves are judged by the
//! workspace's end-to-end tests.)

#[expect(dead_code, reason = "images that name their classes are for other tests")]
#[path = "../../../tests/src/random_image.rs"]
mod random_image;
#[path = "../../../tests/src/rng.rs"]
mod rng;
#[expect(dead_code, reason = "shared with the end-to-end tests, which use all of it")]
#[path = "../../../tests/src/specs.rs"]
mod specs;

use std::sync::atomic::{AtomicU32, Ordering};

use hrvit_core::{Engine, Executor, Kernels, Model, Plan, Ranked, Serial, StepCrcs};
use hrvit_format::{Head, Network, aligned::AlignedBytes};

/// Weights with which the labels are not all the same.
const SEED: u64 = 2;

/// A network of one block per module and the fewest channels: every kind of step, as little to
/// multiply as can be.
fn smallest(head: Head) -> Network {
    let spec = specs::spec(2, [8, 8, 8, 8], &[&[1], &[1, 0], &[0, 1, 0], &[0, 0, 1, 1]], 2, [1, 2, 7, 7], [1, 1, 1, 1], 8);
    Network { spec, head, classes: 5 }
}

/// Workers on threads that live for one call.
struct Scoped(usize);

impl Executor for Scoped {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        std::thread::scope(|scope| {
            for worker in 0..self.0 {
                scope.spawn(move || (worker..jobs).step_by(self.0).for_each(|job| work(job, worker)));
            }
        });
    }
}

/// A random model of the smallest network. Making one takes an interpreter minutes: with
/// `HRVIT_TEST_IMAGE` set, Miri reads the file of that name, which a test that the processor runs
/// has written. (The variable names the segmentor's; the classifier's has `.classifier` appended.)
fn image(head: Head) -> AlignedBytes {
    let file = std::env::var("HRVIT_TEST_IMAGE").ok().map(|name| if head == Head::Classifier { name + ".classifier" } else { name });
    if let (true, Some(file)) = (cfg!(miri), &file) {
        return AlignedBytes::from(std::fs::read(file).unwrap().as_slice());
    }
    let image = random_image::random_image(&smallest(head), specs::size(32, 32), SEED);
    if let Some(file) = file {
        std::fs::write(file, &*image).unwrap();
    }
    image
}

/// Result of a frame and the CRC of every step: labels of a segmentor, the best three classes of a
/// classifier.
fn run(model: &Model<'_>, executor: impl Executor) -> (Vec<u8>, Vec<Ranked>, Vec<u32>) {
    let (network, size) = (&model.meta().network, model.meta().size);
    let frame = random_image::random_frame(size, 9);
    let plan = Plan::for_model(model).workers(executor.workers()).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let crcs: Vec<AtomicU32> = model.steps().iter().map(|_| AtomicU32::new(0)).collect();
    let mut engine = Engine::with_kernels(model, plan, executor, &mut arena, Kernels::SCALAR).unwrap();
    let (mut labels, mut top) = (Vec::new(), Vec::new());
    match network.head {
        Head::Segformer => {
            labels.resize(size.pixels(), 0xff);
            engine.segment(&frame, &mut labels, &StepCrcs(&crcs)).unwrap();
        }
        Head::Classifier => {
            top.resize(3, Ranked::default());
            engine.classify(&frame, &mut top, &StepCrcs(&crcs)).unwrap();
        }
    }
    (labels, top, crcs.into_iter().map(|crc| crc.load(Ordering::Relaxed)).collect())
}

#[test]
fn a_frame_is_segmented_by_one_worker_and_by_two_alike() {
    let image = image(Head::Segformer);
    let model = Model::load(&image).unwrap();
    let alone = run(&model, Serial);
    assert!(alone.0.iter().all(|&label| label < 5) && alone.0.iter().any(|&label| label != alone.0[0]), "labels of five classes, not all the same");
    assert_eq!(run(&model, Scoped(2)), alone);
}

/// The classification head has the same width in every network, 20 million multiplications.
#[test]
#[cfg_attr(miri, ignore = "an interpreter takes half an hour; cargo xtask miri --all")]
fn a_frame_is_classified_by_one_worker_and_by_two_alike() {
    let image = image(Head::Classifier);
    let model = Model::load(&image).unwrap();
    let alone = run(&model, Serial);
    assert!(alone.1.is_sorted_by(|a, b| a.logit.bits() >= b.logit.bits()), "best first: {:?}", alone.1);
    assert_eq!(run(&model, Scoped(2)), alone);
}
