//! How the work is shared out changes no byte: any number of workers, jobs in any order, rows of
//! the frame pulled one by one.

use hrvit_core::{Executor, NoObserver, Plan, RunError, Segmentation, Serial, Threads};
use hrvit_format::{Head, Model, Network, Size, aligned::AlignedBytes};
use hrvit_tests::{
    random_image::{random_frame, random_image},
    run::{every_tensor, scalar_engine},
    specs::{size, tiny, variant},
};

/// Runs the jobs of a step last to first.
struct Backwards(usize);

impl Executor for Backwards {
    fn workers(&self) -> usize {
        self.0
    }

    fn run(&self, jobs: usize, work: &(dyn Fn(usize, usize) + Sync)) {
        (0..jobs).rev().for_each(|job| work(job, job % self.0));
    }
}

fn cases() -> Vec<(Network, Size)> {
    vec![
        (tiny(Head::Segformer), size(64, 96)),
        (tiny(Head::Classifier), size(96, 64)),
        (variant("nano", Head::Segformer, 11), size(160, 96)),
        (variant("b1", Head::Segformer, 19), size(128, 96)),
        (variant("b2", Head::Segformer, 5), size(64, 96)),
        (variant("b3w9", Head::Segformer, 19), size(96, 160)),
        (variant("b1", Head::Classifier, 10), size(64, 64)),
    ]
}

#[test]
fn any_number_of_workers_and_any_order_of_jobs_give_the_same_bytes() {
    for (network, size) in cases() {
        let image = random_image(&network, size, 21);
        let model = Model::load(&image).unwrap();
        let frame = random_frame(size, 22);
        let everything = |executor: &dyn Executor| {
            let plan = Plan::builder(&network, size).workers(executor.workers()).build().unwrap();
            every_tensor(&model, &plan, executor, &frame)
        };
        let alone = everything(&Serial);
        for workers in [2, 3, 8] {
            assert!(everything(&Threads::new(workers).unwrap()) == alone, "{size}: {workers} threads");
            assert!(everything(&Backwards(workers)) == alone, "{size}: {workers} workers, jobs backwards");
        }
    }
}

#[test]
fn rows_pulled_one_by_one_give_the_same_labels() {
    let (network, size) = (variant("nano", Head::Segformer, 11), size(96, 64));
    let image = random_image(&network, size, 3);
    let model = Model::load(&image).unwrap();
    let frame = random_frame(size, 4);
    let plan = Plan::builder(&network, size).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut engine = scalar_engine(&model, &plan, &mut arena).unwrap();
    let mut whole = vec![0; size.pixels()];
    engine.segment(&frame, &mut whole, &NoObserver).unwrap();

    let row_len = 3 * usize::from(size.width);
    let mut asked = Vec::new();
    let mut pulled = vec![0; size.pixels()];
    let mut row = |y: usize, pixels: &mut [u8]| {
        asked.push(y);
        pixels.copy_from_slice(&frame[y * row_len..][..row_len]);
        Ok::<_, ()>(())
    };
    engine.segment_rows(&mut row, Segmentation::new(&mut pulled), &NoObserver).unwrap_or_else(|error| panic!("{error:?}"));
    assert_eq!(pulled, whole);
    assert_eq!(asked, (0..usize::from(size.height)).collect::<Vec<_>>(), "each row once, in order");

    let mut camera = |y: usize, _: &mut [u8]| if y == 7 { Err("camera unplugged") } else { Ok(()) };
    let missing = engine.segment_rows(&mut camera, Segmentation::new(&mut pulled), &NoObserver);
    assert_eq!(missing, Err(RunError::Row { y: 7, error: "camera unplugged" }));
    assert_eq!(missing.unwrap_err().to_string(), "row 7 of the frame: camera unplugged");
    engine.segment(&frame, &mut pulled, &NoObserver).unwrap();
    assert_eq!(pulled, whole, "the next frame is right again");
}
