//! Edits keep in float what they claim to keep.

use hrvit_format::Head;
use hrvit_reference::{Checkpoint, Frame, Map, Model};
use hrvit_stress::edits::{Case, Family, Kind, draw};
use hrvit_stress::judge;
use hrvit_tests::rng::Rng;
use hrvit_tests::specs::{size, tiny};

/// Root mean square of the differences, as a part of the logits' deviation.
const TOLERANCE: f64 = 1e-5;

fn frame(height: u16, width: u16) -> Frame {
    let mut rng = Rng::new(5);
    let pixel = |i: usize| ((i / 3 * 5) ^ (i / 291 * 3)) as i64 + rng.int(0, 60);
    let size = size(height, width);
    Frame::new(size, (0..size.pixels() * 3).map(pixel).map(|value| value as u8).collect()).unwrap()
}

fn logits(checkpoint: Checkpoint, frame: &Frame) -> Map {
    Model::new(checkpoint).forward(frame, &mut |_, _| {})
}

/// Root mean square of the differences, as a part of the deviation of `exact`.
fn difference(exact: &Map, found: &Map) -> f64 {
    let count = exact.data.len() as f64;
    let mean = exact.data.iter().map(|&value| f64::from(value)).sum::<f64>() / count;
    let deviation = exact.data.iter().map(|&value| (f64::from(value) - mean).powi(2)).sum::<f64>();
    let noise = exact.data.iter().zip(&found.data).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>();
    (noise / deviation).sqrt()
}

/// Every exact kind at `seeds` seeds each, at two in a debug build. At least one edit per seed must
/// be held to the bits.
fn exact_edits_keep_the_logits(checkpoint: &Checkpoint, frame: &Frame, seeds: u64) {
    let seeds = if cfg!(debug_assertions) { 2 } else { seeds };
    let unedited = logits(checkpoint.clone(), frame);
    let (mut worst, mut bits) = (0.0f64, 0u64);
    for (kind, seed) in Kind::EXACT.into_iter().flat_map(|kind| (0..seeds).map(move |seed| (kind, seed))) {
        let case = Case::edited(checkpoint, kind, seed, &[]).unwrap_or_else(|| panic!("{kind:?}: no site"));
        let own = case.rebased.then(|| logits(case.base_checkpoint().unwrap(), frame));
        let base = own.as_ref().unwrap_or(&unedited);
        let edited = case.checkpoint().unwrap();
        let edits = edited.iter().zip(case.base_checkpoint().unwrap().iter()).filter(|(a, b)| a != b).count();
        assert!(edits > 0, "{}: nothing was edited", case.name());
        let found = logits(edited, frame);
        if case.bits {
            assert_eq!(base.data, found.data, "{}: not the same bits", case.name());
            bits += 1;
        }
        let difference = difference(base, &found);
        assert!(difference <= TOLERANCE, "{}: logits differ by {difference:.1e} of their deviation", case.name());
        worst = worst.max(difference);
    }
    println!("worst difference {worst:.1e}, {bits} edits the same bits");
    assert!(bits >= seeds, "only {bits} edits are held to the bits");
}

#[test]
fn exact_edits_keep_the_logits_of_a_tiny_segmentor() {
    let checkpoint = Checkpoint::synthetic(&tiny(Head::Segformer), 3).unwrap();
    exact_edits_keep_the_logits(&checkpoint, &frame(32, 64), 20);
}

#[test]
fn exact_edits_keep_the_logits_of_a_tiny_classifier() {
    let checkpoint = Checkpoint::synthetic(&tiny(Head::Classifier), 3).unwrap();
    exact_edits_keep_the_logits(&checkpoint, &frame(64, 64), 20);
}

#[test]
fn exact_edits_keep_the_logits_of_the_bundled_network() {
    exact_edits_keep_the_logits(&judge::trained("nano").unwrap(), &frame(64, 96), 6);
}

#[test]
fn decisions_are_kept() {
    let checkpoint = judge::trained("nano").unwrap();
    let frame = frame(64, 96);
    let argmax = |map: &Map| -> Vec<usize> {
        let best = |token: &[f32]| hrvit_tool::logits::argmax(token.iter().copied());
        map.data.chunks_exact(map.channels).map(best).collect()
    };
    let first = argmax(&logits(checkpoint.clone(), &frame));
    let unpicked: Vec<usize> = (0..11).filter(|class| !first.contains(class)).collect();
    assert!(!unpicked.is_empty(), "a frame of noise shows every class");
    for (kind, seed) in Kind::DECISION.into_iter().flat_map(|kind| (0..8).map(move |seed| (kind, seed))) {
        // Without classes that are never picked, the network that the edit is compared with has
        // some.
        let case = Case::edited(&checkpoint, kind, seed, if seed < 4 { &unpicked } else { &[] }).unwrap();
        let unedited = argmax(&logits(case.base_checkpoint().unwrap(), &frame));
        let edited = argmax(&logits(case.checkpoint().unwrap(), &frame));
        // 1e4 on all logits rounds them to 1e-3: two that are as close may change places.
        let same = unedited.iter().zip(&edited).filter(|(a, b)| a == b).count();
        assert!(same + 1 >= unedited.len(), "{}: {same} of {} decisions", case.name(), unedited.len());
    }
}

#[test]
fn stress_edits_change_the_network_and_stay_finite() {
    for head in [Head::Segformer, Head::Classifier] {
        let checkpoint = Checkpoint::synthetic(&tiny(head), 3).unwrap();
        let frame = frame(32, 64);
        for (kind, seed) in Kind::STRESS.into_iter().flat_map(|kind| (0..6).map(move |seed| (kind, seed))) {
            let case = Case::edited(&checkpoint, kind, seed, &[]).unwrap_or_else(|| panic!("{kind:?}: no site"));
            assert_eq!(case.family(), Family::Stress);
            let found = logits(case.checkpoint().unwrap(), &frame);
            assert!(found.data.iter().all(|value| value.is_finite()), "{}", case.name());
        }
    }
}

#[test]
fn seeds_repeat_and_differ() {
    let checkpoint = Checkpoint::synthetic(&tiny(Head::Segformer), 3).unwrap();
    let name = |seed| Case::of(&checkpoint, &draw(&Kind::EXACT, 3, seed), &[]).name();
    assert_eq!(name(1), name(1));
    assert_ne!(name(1), name(2));
}
