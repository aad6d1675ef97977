//! Results of one forward pass besides labels, and the fate of a stopped frame.

use std::{
    ops::ControlFlow,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hrvit_core::{Engine, Isa, Kernels, Logit, Model, ModelBuf, NoObserver, Observer, Plan, Precision, RunError, Segmentation, Serial, StepId, StepInfo};
use hrvit_format::{Head, Network, aligned::AlignedBytes};
use hrvit_tests::{
    mixed_image::mixed_image,
    random_image::{random_frame, random_image},
    run::with_engine,
    specs::{size, tiny, variant},
};

/// Labels and exact margins of logits that are enlarged four times, in units of 1/64 of a code.
fn enlarged(logits: &[Logit], rows: usize, columns: usize, classes: usize, shift: u8) -> (Vec<u8>, Vec<u8>) {
    // Eight times the position: between `low` and `low + 1` by eighths.
    let between = |at: usize, len: usize| {
        let eighths = (2 * at as i64 + 1 - 4).max(0);
        let low = (eighths / 8).min(len as i64 - 1);
        (low as usize, (low as usize + 1).min(len - 1), eighths - 8 * low)
    };
    let at = |y: usize, x: usize, class: usize| i64::from(logits[(y * columns + x) * classes + class].bits());
    let (mut labels, mut margins) = (Vec::new(), Vec::new());
    for y in 0..4 * rows {
        let (top, bottom, down) = between(y, rows);
        for x in 0..4 * columns {
            let (left, right, along) = between(x, columns);
            let mut values: Vec<(i64, usize)> = (0..classes)
                .map(|class| {
                    let row = |y| at(y, left, class) * (8 - along) + at(y, right, class) * along;
                    (row(top) * (8 - down) + row(bottom) * down, class)
                })
                .collect();
            values.sort_by_key(|&(value, class)| (-value, class));
            labels.push(values[0].1 as u8);
            margins.push(values.get(1).map_or(255, |second| ((values[0].0 - second.0) >> shift).min(255) as u8));
        }
    }
    (labels, margins)
}

/// One pass on `kernels`: labels, margins, logits.
fn all_results(model: &Model<'_>, kernels: Kernels, frame: &[u8], shift: u8) -> (Vec<u8>, Vec<u8>, Vec<Logit>) {
    let plan = Plan::for_model(model).build().unwrap();
    let arena = AlignedBytes::zeroed(plan.arena_bytes());
    let pixels = plan.size().pixels();
    let mut engine = Engine::with_kernels(model, plan, Serial, arena, kernels).unwrap();
    let (mut labels, mut margins, mut logits) = (vec![0; pixels], vec![0; pixels], vec![Logit::default(); engine.logits_len()]);
    engine.segment_into(frame, Segmentation::new(&mut labels).margins(&mut margins, shift).logits(&mut logits), &NoObserver).unwrap();
    let mut alone = vec![0; pixels];
    engine.segment(frame, &mut alone, &NoObserver).unwrap();
    assert_eq!(alone, labels, "labels do not depend on what else is asked for");
    (labels, margins, logits)
}

#[test]
fn margins_are_those_of_the_exactly_enlarged_logits_on_every_instruction_set() {
    for precision in [Precision::Int8, Precision::Int16x8] {
        for classes in [1, 2, 5] {
            let network = Network { classes, ..tiny(Head::Segformer) };
            let (size, frame) = (size(64, 96), random_frame(size(64, 96), 9));
            let image = mixed_image(&network, size, 7, |_| precision);
            let model = Model::load(&image).unwrap();
            for shift in [0, 6, 9, 31, 200] {
                let (rows, columns) = size.map(0);
                let (labels, margins, logits) = all_results(&model, Kernels::SCALAR, &frame, shift);
                let expected = enlarged(&logits, rows, columns, classes.into(), shift.min(31));
                assert!((&labels, &margins) == (&expected.0, &expected.1), "{precision:?}, {classes} classes, shift {shift}");
                for isa in Isa::available() {
                    let packed = hrvit_format::writer::repack(&model, hrvit_core::packing_for(Kernels::new(isa).unwrap())).unwrap();
                    let found = all_results(&Model::load(&packed).unwrap(), Kernels::new(isa).unwrap(), &frame, shift);
                    assert!(found == (labels.clone(), margins.clone(), logits.clone()), "{isa}: {precision:?}, {classes} classes, shift {shift}");
                }
            }
        }
    }
}

/// Stops a frame before one step, and counts steps that began and that ended.
struct StopBefore {
    step: StepId,
    entered: AtomicUsize,
    left: AtomicUsize,
}

impl Observer for StopBefore {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        if step.id == self.step {
            return ControlFlow::Break(());
        }
        self.entered.fetch_add(1, Ordering::Relaxed);
        ControlFlow::Continue(())
    }

    fn leave(&self, _: StepInfo) {
        self.left.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_frame_can_be_stopped_before_any_step_and_the_next_is_right() {
    for head in [Head::Segformer, Head::Classifier] {
        let network = tiny(head);
        let (image, frame) = (random_image(&network, size(32, 64), 3), random_frame(size(32, 64), 4));
        let model = Model::load(&image).unwrap();
        with_engine(&model, |engine| {
            let mut results = vec![Logit::default(); engine.logits_len()];
            engine.logits(&frame, &mut results, &NoObserver).unwrap();
            for (id, step) in network.step_ids() {
                let observer = StopBefore { step: id, entered: AtomicUsize::new(0), left: AtomicUsize::new(0) };
                let (mut labels, mut top) = (vec![0; 32 * 64], [Default::default()]);
                let stopped = match head {
                    Head::Segformer => engine.segment(&frame, &mut labels, &observer),
                    Head::Classifier => engine.classify(&frame, &mut top, &observer),
                };
                assert_eq!(stopped, Err(RunError::Stopped(id)), "{step}");
                let (entered, left) = (observer.entered.into_inner(), observer.left.into_inner());
                assert!(entered == usize::from(id.0) && left <= entered, "{step}: {entered} steps began, {left} ended");
                let mut again = vec![Logit::default(); results.len()];
                engine.logits(&frame, &mut again, &NoObserver).unwrap();
                assert!(again == results, "the frame after one that was stopped before {step}");
            }
        });
    }
}

/// As an application would hold it: nothing borrowed, moved at will.
struct Application {
    engine: Engine<Arc<ModelBuf>, AlignedBytes>,
    labels: Vec<u8>,
}

#[test]
fn an_application_owns_its_engine_and_moves_it_to_a_thread() {
    let (network, size) = (variant("nano", Head::Segformer, 11), size(64, 64));
    let (image, frame) = (random_image(&network, size, 3), random_frame(size, 4));
    let expected = with_engine(&Model::load(&image).unwrap(), |engine| {
        let mut labels = vec![0; size.pixels()];
        engine.segment(&frame, &mut labels, &NoObserver).map(|()| labels)
    });
    let image = Arc::new(ModelBuf::from_bytes(&image).unwrap());
    let new = || {
        let plan = Plan::for_model(&image.model()).build().unwrap();
        let arena = AlignedBytes::zeroed(plan.arena_bytes());
        let engine = Engine::with_kernels(Arc::clone(&image), plan, Serial, arena, Kernels::SCALAR).unwrap();
        Application { engine, labels: vec![0; size.pixels()] }
    };
    let applications = [new(), new()];
    std::thread::scope(|scope| {
        for mut application in applications {
            let (frame, expected) = (&frame, expected.as_ref().unwrap());
            scope.spawn(move || {
                for _ in 0..2 {
                    application.engine.segment(frame, &mut application.labels, &NoObserver).unwrap();
                    assert_eq!(&application.labels, expected);
                }
                let (_, arena) = application.engine.into_parts();
                assert_eq!(arena.len() % 64, 0);
            });
        }
    });
}

#[test]
fn an_arena_that_was_moved_out_of_place_is_refused() {
    /// Lends its bytes from another address every second time.
    struct Wandering(AlignedBytes, bool);
    impl AsMut<[u8]> for Wandering {
        fn as_mut(&mut self) -> &mut [u8] {
            self.1 = !self.1;
            if self.1 { &mut self.0 } else { &mut self.0[1..] }
        }
    }
    let (image, frame) = (random_image(&tiny(Head::Segformer), size(32, 32), 3), random_frame(size(32, 32), 4));
    let model = Model::load(&image).unwrap();
    let plan = Plan::for_model(&model).build().unwrap();
    let arena = Wandering(AlignedBytes::zeroed(plan.arena_bytes() + 64), false);
    let mut engine = Engine::with_kernels(&model, plan, Serial, arena, Kernels::SCALAR).unwrap();
    let mut labels = [0; 32 * 32];
    assert_eq!(engine.segment(&frame, &mut labels, &NoObserver), Err(RunError::ArenaMoved));
    assert_eq!(engine.segment(&frame, &mut labels, &NoObserver), Ok(()));
}

/// The image that the examples of `hrvit-core`'s documentation load. `HRVIT_BLESS=1` writes it.
#[test]
fn the_image_of_the_documentation_is_of_this_format() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../crates/hrvit-core/tests/data/tiny.hrvit");
    let image = random_image(&tiny(Head::Segformer), size(32, 32), 1);
    if std::env::var_os("HRVIT_BLESS").is_some() {
        std::fs::write(&path, &*image).unwrap();
    }
    let found = std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    assert!(found == *image, "{}: made by another writer; run this test with HRVIT_BLESS=1", path.display());
}
