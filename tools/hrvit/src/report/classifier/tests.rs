//! Classifiers' metrics on a few frames of which everything is known.

use std::path::PathBuf;

use super::*;
use crate::quantize::report::Noise;

const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 50, seed: 3 };

fn frame(number: usize, class: Option<usize>) -> Classified {
    Classified { name: format!("frame {number}"), frame: PathBuf::new(), class }
}

fn outcome(logits: &[f32], error: f64) -> Outcome {
    Outcome { ranking: Ranking::of(logits), noise: Noise { signal: 1.0, error } }
}

/// Six classes; class 0, 1, 2 is first, the margin is 1, 0.1 and 4.
fn float() -> Vec<Ranking> {
    [[2.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.9, 0.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0, 0.0, 0.0]].map(|logits| Ranking::of(&logits)).to_vec()
}

/// The second frame flips to class 2, and the third to class 5, its class 2 not even among the
/// first five.
fn int8() -> Vec<Outcome> {
    vec![outcome(&[2.1, 1.0, 0.0, 0.0, 0.0, 0.0], 0.01), outcome(&[0.0, 0.9, 1.0, 0.0, 0.0, 0.0], 0.001), outcome(&[1.0, 1.0, 0.0, 1.0, 1.0, 2.0], 0.1)]
}

#[test]
fn accuracy_counts_labelled_frames_only() {
    let set = [frame(0, Some(0)), frame(1, Some(2)), frame(2, None)];
    let set: Vec<&Classified> = set.iter().collect();
    let (float, int8) = (float(), int8());
    let quality = quality("float", &set, |i| &float[i], BOOTSTRAP);
    assert_eq!((quality.top1.unwrap().value, quality.top5.unwrap().value), (0.5, 1.0));
    let delta = delta(&set, &float, &int8, BOOTSTRAP);
    assert_eq!((delta.top1_points.unwrap().value, delta.top5_points.unwrap().value), (50.0, 0.0));
}

#[test]
fn frames_without_labels_have_no_accuracy_but_agree_or_not() {
    let set = [0, 1, 2].map(|number| frame(number, None));
    let set: Vec<&Classified> = set.iter().collect();
    let (float, int8) = (float(), int8());
    let quality = quality("float", &set, |i| &float[i], BOOTSTRAP);
    assert_eq!((quality.top1, quality.top5), (None, None));
    let agreement = agreement(&float, &int8, 2.0);
    assert_eq!((agreement.top1, agreement.top5), (Some(1.0 / 3.0), Some(2.0 / 3.0)));
    // Margins of 0.5, 0.05 and 2 deviations: the second is not clear.
    assert_eq!((agreement.at_clear_margin.frames, agreement.at_clear_margin.top1), (2, Some(0.5)));
    assert_eq!(agreement.margins.iter().map(|group| group.frames).sum::<u64>(), 3);
    assert_eq!(agreement.flips, [Flip { from: 1, to: 2, frames: 1 }, Flip { from: 2, to: 5, frames: 1 }]);
}

#[test]
fn the_worst_frames_flip_against_the_largest_margin_then_have_the_most_noise() {
    let set = [0, 1, 2].map(|number| frame(number, None));
    let set: Vec<&Classified> = set.iter().collect();
    let names: Vec<String> = ["a", "b", "c", "d", "e", "f"].map(String::from).to_vec();
    let worst = worst(&set, &float(), &int8(), 2.0, &names, 9);
    assert_eq!(worst.iter().map(|frame| frame.name.as_str()).collect::<Vec<_>>(), ["frame 2", "frame 1", "frame 0"]);
    assert_eq!((worst[0].float.as_str(), worst[0].other.as_str(), worst[0].margin), ("c", "f", 2.0));
    assert_eq!(worst[2].logits_sqnr_db, Some(20.0));
}

#[test]
fn a_draw_like_float_agrees_everywhere() {
    let set = [0, 1, 2].map(|number| frame(number, Some(number)));
    let set: Vec<&Classified> = set.iter().collect();
    let same: Vec<Outcome> = float().into_iter().map(|ranking| Outcome { ranking, noise: Noise { signal: 1.0, error: 0.0 } }).collect();
    let draws = Draws::of("test".into(), &["0".into(), "1".into()], &set, &float(), (&[same, int8()], &[Sqnr::default(), Sqnr::default()]), 2.0);
    assert_eq!((draws.draws[0].agreement, draws.draws[0].delta_top1_points), (Some(1.0), Some(0.0)));
    assert!(draws.draws[1].delta_top1_points.unwrap() < -60.0 && draws.agreement.unwrap().deviation > 0.4);
}
