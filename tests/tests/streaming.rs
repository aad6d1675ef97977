//! Weights that are paged in from a device: the same results as from memory, and where the device
//! fails, an error instead of a result.

use hrvit_core::{Engine, Kernels, Logit, Model, ModelHead, NoObserver, Plan, RunError, Serial, StreamError, Streamed, WeightPlacement, read_head};
use hrvit_format::START_BYTES;
use hrvit_format::aligned::AlignedBytes;
use hrvit_format::{Golden, Head, LoadError};
use hrvit_tests::flash::{Fault, Flash};
use hrvit_tests::random_image::{edited_image, random_frame, random_image};
use hrvit_tests::run::with_engine;
use hrvit_tests::specs::{size, tiny, variant};

const HEAD_BYTES: usize = 64 << 10;

fn with_golden() -> AlignedBytes {
    let network = tiny(Head::Segformer);
    let crcs: Vec<u32> = (0..network.steps().count() as u32).collect();
    edited_image(&network, size(32, 64), 3, Some(Golden { crcs: &crcs, frame: &random_frame(size(32, 64), 3), result: None }), |_, _| ())
}

/// Opens the device, runs a frame and returns the logits.
fn stream(flash: &mut Flash<'_>, frame: &[u8]) -> Result<Vec<Logit>, String> {
    let mut head = AlignedBytes::zeroed(HEAD_BYTES);
    let model = read_head(flash, &mut head).map_err(|error| error.to_string())?;
    let plan = Plan::for_model(&model).weights(WeightPlacement::streamed(&model)).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let weights = Streamed::open(model, flash, &mut arena).map_err(|error| error.to_string())?;
    let mut engine = Engine::with_kernels(weights, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
    let mut logits = vec![Logit::default(); engine.logits_len()];
    match engine.logits(frame, &mut logits, &NoObserver) {
        Ok(()) => Ok(logits),
        Err(error @ RunError::Weights(..)) => Err(error.to_string()),
        Err(error) => panic!("{error}"),
    }
}

fn mapped(image: &[u8], frame: &[u8]) -> Vec<Logit> {
    let model = Model::load(image).unwrap();
    with_engine(&model, |engine| {
        let mut logits = vec![Logit::default(); engine.logits_len()];
        engine.logits(frame, &mut logits, &NoObserver).unwrap();
        logits
    })
}

#[test]
fn streamed_results_are_those_from_memory() {
    for head in [Head::Segformer, Head::Classifier] {
        for network in [tiny(head), variant("nano", head, 11)] {
            let (image, frame) = (random_image(&network, size(32, 64), 4), random_frame(size(32, 64), 5));
            assert_eq!(stream(&mut Flash::new(&image), &frame), Ok(mapped(&image, &frame)), "{head:?}");
        }
    }
}

#[test]
fn a_golden_frame_is_checked_too() {
    let (image, frame) = (with_golden(), random_frame(size(32, 64), 5));
    assert_eq!(stream(&mut Flash::new(&image), &frame), Ok(mapped(&image, &frame)));
    let model = Model::load(&image).unwrap();
    let ranges = model.golden_ranges().unwrap().unwrap();
    let golden = model.golden().unwrap();
    assert_eq!(&image[ranges.frame], golden.frame);
    assert_eq!(&image[ranges.crcs], bytemuck::cast_slice::<u32, u8>(golden.crcs));
}

#[test]
fn a_fault_at_any_read_is_an_error_and_never_another_result() {
    let (image, frame) = (with_golden(), random_frame(size(32, 64), 5));
    let expected = mapped(&image, &frame);
    let mut flash = Flash::new(&image);
    assert_eq!(stream(&mut flash, &frame).as_ref(), Ok(&expected));
    let reads = flash.reads;
    assert!(reads > 2 * Model::load(&image).unwrap().steps().len() - 4, "every group is read twice");
    for fault in [Fault::Error, Fault::Short, Fault::Flip] {
        for read in 0..reads {
            let mut flash = Flash { fault: Some((read, fault)), ..Flash::new(&image) };
            match (fault, stream(&mut flash, &frame)) {
                // Bytes left by the read before may happen to be the same.
                (Fault::Short, Ok(logits)) => assert!(logits == expected, "read {read}: short"),
                (_, Ok(_)) => panic!("read {read}: {fault:?} went unnoticed"),
                (Fault::Error, Err(error)) => assert!(error.contains("the device failed"), "read {read}: {error}"),
                (_, Err(error)) => assert!(error.contains("model image"), "read {read}: {error}"),
            }
        }
    }
}

#[test]
fn after_a_fault_the_next_frame_is_right_again() {
    let (image, frame) = (random_image(&tiny(Head::Segformer), size(32, 64), 4), random_frame(size(32, 64), 5));
    let mut flash = Flash::new(&image);
    let mut head = AlignedBytes::zeroed(HEAD_BYTES);
    let model = read_head(&mut flash, &mut head).unwrap();
    let plan = Plan::for_model(&model).weights(WeightPlacement::streamed(&model)).build().unwrap();
    let mut arena = AlignedBytes::zeroed(plan.arena_bytes());
    let mut counted = flash.clone();
    Streamed::open(model.clone(), &mut counted, &mut arena).unwrap();
    flash.fault = Some((counted.reads + 2, Fault::Flip));
    let weights = Streamed::open(model, flash, &mut arena).unwrap();
    let mut engine = Engine::with_kernels(weights, plan, Serial, &mut arena, Kernels::SCALAR).unwrap();
    let mut logits = vec![Logit::default(); engine.logits_len()];
    let error = engine.logits(&frame, &mut logits, &NoObserver).unwrap_err();
    assert!(matches!(error, RunError::Weights(id, StreamError::Image(LoadError::StepCrc(step))) if id == step), "{error}");
    engine.logits(&frame, &mut logits, &NoObserver).unwrap();
    assert_eq!(logits, mapped(&image, &frame));
}

#[test]
fn a_head_says_what_the_whole_image_says() {
    let image = with_golden();
    let len = ModelHead::head_len(&image[..START_BYTES]).unwrap();
    let head = AlignedBytes::from(&image[..len]);
    let model = ModelHead::load(&head).unwrap();
    let whole = Model::load(&image).unwrap();
    assert_eq!((model.meta(), model.sequence(), model.total_len()), (whole.meta(), whole.sequence(), image.len()));
    assert_eq!((model.steps(), model.ops(), model.exp_table()), (whole.steps(), whole.ops(), whole.exp_table()));
    assert_eq!((model.weights_range(), model.largest_group()), (whole.weights_range(), whole.largest_group()));
    assert!(model.step_ids().all(|(id, _)| &image[model.group_range(id).unwrap()] == whole.group(id).unwrap()));
}

#[test]
fn a_head_cut_anywhere_is_refused() {
    let image = with_golden();
    let len = ModelHead::head_len(&image).unwrap();
    for cut in (0..len).step_by(64) {
        let error = ModelHead::load(&AlignedBytes::from(&image[..cut])).expect_err("a cut head loads");
        // The last section before the weights ends less than 64 bytes before the cut.
        assert!(matches!(error, LoadError::Truncated { .. }), "{cut} bytes: {error}");
    }
}

#[test]
fn a_flipped_bit_anywhere_in_the_head_is_noticed() {
    let (image, frame) = (with_golden(), random_frame(size(32, 64), 5));
    let len = ModelHead::head_len(&image).unwrap();
    for at in (0..len).step_by(7) {
        let mut damaged = AlignedBytes::from(&image[..]);
        damaged[at] ^= 1 << (at % 8);
        assert!(stream(&mut Flash::new(&damaged), &frame).is_err(), "byte {at}");
    }
}

#[test]
fn buffers_that_are_too_small_are_named_with_what_they_need() {
    let image = with_golden();
    let len = ModelHead::head_len(&image).unwrap();
    let mut small = AlignedBytes::zeroed(len - 1);
    let error = read_head(&mut Flash::new(&image), &mut small).unwrap_err();
    assert_eq!(error, StreamError::Buffer { needed: len, found: len - 1 });
    let mut head = AlignedBytes::zeroed(len);
    let model = read_head(&mut Flash::new(&image), &mut head).unwrap();
    let largest = model.largest_group();
    let mut buffer = AlignedBytes::zeroed(largest - 64);
    let error = Streamed::open(model, Flash::new(&image), &mut buffer).unwrap_err();
    assert_eq!(error, StreamError::Buffer { needed: largest, found: largest - 64 });
}
