//! A good model asked for the wrong thing: arenas, plans, frames, buffers and weight sources that
//! do not fit.

use hrvit_core::{
    Engine, Kernels, Logit, Model, ModelHead, ModelSource, NoObserver, Plan, PlanError, RunError, Segmentation, Serial, SetupError, Size, StepId,
    WeightPlacement,
};
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::{Head, Network, Records, SpecError};
use hrvit_tests::random_image::edited_image;
use hrvit_tests::run::{plan_of, scalar_engine, with_engine};
use hrvit_tests::specs::{size, spec, tiny};

use crate::seal::{FRAME, classifier, segmentor};

#[test]
fn arena_one_byte_short_says_what_is_needed() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let plan = plan_of(&model, WeightPlacement::Mapped);
    let needed = plan.arena_bytes();
    let mut arena = AlignedBytes::zeroed(needed);
    let error = scalar_engine(&model, &plan, &mut arena[..needed - 1]).err().unwrap();
    assert_eq!(error, SetupError::ArenaTooSmall { needed, found: needed - 1 });
    assert!(error.to_string().contains(&needed.to_string()), "{error}");
    assert!(scalar_engine(&model, &plan, &mut arena).is_ok());
}

#[test]
fn arena_of_no_bytes() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let plan = plan_of(&model, WeightPlacement::Mapped);
    let mut arena = AlignedBytes::zeroed(64);
    let error = scalar_engine(&model, &plan, &mut arena[..0]).err();
    assert_eq!(error, Some(SetupError::ArenaTooSmall { needed: plan.arena_bytes(), found: 0 }));
}

#[test]
fn arena_not_at_a_multiple_of_64_bytes() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let plan = plan_of(&model, WeightPlacement::Mapped);
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes() + 64);
    for shift in [1, 2, 16, 63] {
        assert_eq!(scalar_engine(&model, &plan, &mut arena[shift..]).err(), Some(SetupError::ArenaMisaligned), "{shift} bytes off");
    }
}

#[test]
fn frame_of_another_size() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    with_engine(&model, |engine| {
        let mut labels = [0; 32 * 32];
        for found in [0, 1, FRAME - 1, FRAME + 1, 2 * FRAME] {
            let error = engine.segment(&vec![0; found], &mut labels, &NoObserver);
            assert_eq!(error, Err(RunError::FrameSize { needed: FRAME, found }));
        }
        assert_eq!(engine.segment(&[0; FRAME], &mut labels, &NoObserver), Ok(()));
    });
}

#[test]
fn label_buffer_of_another_size() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    with_engine(&model, |engine| {
        for found in [0, 32 * 32 - 1, 32 * 32 + 1] {
            let error = engine.segment(&[0; FRAME], &mut vec![0; found], &NoObserver);
            assert_eq!(error, Err(RunError::OutputSize { needed: 32 * 32, found }));
        }
    });
}

#[test]
fn logits_buffer_of_another_size() {
    for (image, needed) in [(segmentor(), 8 * 8 * 5), (classifier(), 5)] {
        let model = Model::load(&image).unwrap();
        with_engine(&model, |engine| {
            assert_eq!(engine.logits_len(), needed);
            for found in [0, needed - 1, needed + 1] {
                let error = engine.logits(&[0; FRAME], &mut vec![Logit::default(); found], &NoObserver);
                assert_eq!(error, Err(RunError::OutputSize { needed, found }));
            }
        });
    }
}

#[test]
fn no_class_or_more_than_there_are() {
    let image = classifier();
    let model = Model::load(&image).unwrap();
    with_engine(&model, |engine| {
        for found in [0, 6] {
            let error = engine.classify(&[0; FRAME], &mut vec![Default::default(); found], &NoObserver);
            assert_eq!(error, Err(RunError::OutputSize { needed: 5, found }));
        }
    });
}

#[test]
fn labels_from_a_classifier_and_classes_from_a_segmentor() {
    let image = classifier();
    let model = Model::load(&image).unwrap();
    let error = RunError::WrongHead { needed: Head::Segformer, found: Head::Classifier };
    with_engine(&model, |engine| assert_eq!(engine.segment(&[0; FRAME], &mut [0; 32 * 32], &NoObserver), Err(error)));
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let error = RunError::WrongHead { needed: Head::Classifier, found: Head::Segformer };
    with_engine(&model, |engine| assert_eq!(engine.classify(&[0; FRAME], &mut [Default::default()], &NoObserver), Err(error)));
}

#[test]
fn plan_for_another_network() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let network = tiny(Head::Segformer);
    let mut wider = network.clone();
    wider.spec.head_width += 1;
    for other in [tiny(Head::Classifier), Network { classes: 6, ..network.clone() }, wider] {
        let plan = Plan::builder(&other, size(32, 32)).build().unwrap();
        let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
        assert_eq!(scalar_engine(&model, &plan, &mut arena).err(), Some(SetupError::OtherNetwork));
    }
}

#[test]
fn a_plan_that_cannot_be_made() {
    let network = tiny(Head::Segformer);
    let at = |network: &Network, size, workers| Plan::builder(network, size).workers(workers).build().err();
    let none = Network { classes: 0, ..network.clone() };
    assert_eq!(at(&none, size(32, 32), 1), Some(PlanError::Spec(SpecError::Classes(0))));
    assert_eq!(at(&network, Size { height: 33, width: 32 }, 1), Some(PlanError::Spec(SpecError::Size { height: 33, width: 32 })));
    assert_eq!(at(&network, size(32, 32), 0), Some(PlanError::Workers(0)));
    assert_eq!(at(&network, size(32, 32), 1000), Some(PlanError::Workers(1000)));
}

#[test]
fn margins_and_logits_of_another_size() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    with_engine(&model, |engine| {
        let (mut labels, mut margins, mut logits) = ([0; 32 * 32], [0; 32 * 32 + 1], [Logit::default(); 8 * 8 * 5 + 1]);
        let wrong = Segmentation::new(&mut labels).margins(&mut margins, 6);
        assert_eq!(engine.segment_into(&[0; FRAME], wrong, &NoObserver), Err(RunError::OutputSize { needed: 32 * 32, found: 32 * 32 + 1 }));
        let wrong = Segmentation::new(&mut labels).logits(&mut logits);
        assert_eq!(engine.segment_into(&[0; FRAME], wrong, &NoObserver), Err(RunError::OutputSize { needed: 8 * 8 * 5, found: 8 * 8 * 5 + 1 }));
    });
}

#[test]
fn a_size_with_more_keys_in_a_strip_than_codes_of_15_bits_allow() {
    // Windows of 200 rows: at 32x32 a strip has 64 keys, at 96x96 it has 576.
    let wide = Network { spec: spec(4, [8, 8, 8, 8], &[&[1], &[0, 0], &[0, 0, 0], &[0, 0, 0, 0]], 4, [200; 4], [1; 4], 8), head: Head::Segformer, classes: 2 };
    let image = edited_image(&wide, size(32, 32), 1, None, |_, ops| {
        ops.iter_mut().filter(|op| op.code_bits != 0).for_each(|op| op.code_bits = 15);
    });
    let model = Model::load(&image).unwrap();
    let plan = Plan::builder(&wide, size(96, 96)).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let refused = SetupError::Keys { step: StepId(1), keys: 576, most: 518 };
    assert_eq!(plan.check_model(&model), Err(refused));
    assert_eq!(scalar_engine(&model, &plan, &mut arena).err(), Some(refused));
    assert_eq!(Plan::for_model(&model).build().unwrap().check_model(&model), Ok(()));
}

/// A weight source that asks for a buffer and fails or cheats.
struct Source<'a> {
    model: &'a Model<'a>,
    buffer: usize,
    /// From this step on there are no weights.
    breaks_at: u16,
    /// Bytes missing at the end of every group.
    short: usize,
}

impl ModelSource for Source<'_> {
    type Error = &'static str;

    fn head(&self) -> ModelHead<'_> {
        self.model.head().clone()
    }

    fn records(&self) -> Records<'_> {
        self.model.records()
    }

    fn buffer_bytes(&self) -> usize {
        self.buffer
    }

    fn fetch(&mut self, id: StepId, _buffer: &mut [u8]) -> Result<(), Self::Error> {
        if id.0 < self.breaks_at { Ok(()) } else { Err("the flash does not answer") }
    }

    fn group<'b>(&'b self, id: StepId, _buffer: &'b [u8]) -> Option<&'b [u8]> {
        let group = self.model.group(id)?;
        group.get(..group.len().saturating_sub(self.short))
    }
}

#[test]
fn plan_without_a_buffer_for_streamed_weights() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let largest_group = model.largest_group();
    for (placement, found) in [(WeightPlacement::Mapped, 0), (WeightPlacement::Streamed { largest_group: 64 }, 64)] {
        let plan = plan_of(&model, placement);
        let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
        let source = Source { model: &model, buffer: largest_group, breaks_at: u16::MAX, short: 0 };
        let error = Engine::with_kernels(source, plan, Serial, &mut arena, Kernels::SCALAR).err();
        assert_eq!(error, Some(SetupError::WeightBuffer { needed: largest_group, found }));
    }
}

#[test]
fn weights_that_stop_arriving() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let plan = plan_of(&model, WeightPlacement::Mapped);
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let source = Source { model: &model, buffer: 0, breaks_at: 7, short: 0 };
    let mut engine = Engine::with_kernels(source, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
    let error = engine.segment(&[0; FRAME], &mut [0; 32 * 32], &NoObserver).unwrap_err();
    assert_eq!(error, RunError::Weights(StepId(7), "the flash does not answer"));
    assert_eq!(error.to_string(), "weights of step 7: the flash does not answer");
}

#[test]
fn weights_that_arrive_cut() {
    let image = segmentor();
    let model = Model::load(&image).unwrap();
    let plan = plan_of(&model, WeightPlacement::Mapped);
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let source = Source { model: &model, buffer: 0, breaks_at: u16::MAX, short: 1 };
    let mut engine = Engine::with_kernels(source, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
    assert_eq!(engine.segment(&[0; FRAME], &mut [0; 32 * 32], &NoObserver), Err(RunError::Internal(StepId(0))));
}
