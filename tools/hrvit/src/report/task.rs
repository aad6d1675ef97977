//! IoU and pixel accuracy, with bootstrap intervals over the frames.

use anyhow::{Result, ensure};
use rayon::prelude::*;
use serde::Serialize;

use crate::labels::{LabelMap, NO_LABEL};
use crate::quantize::sample::SplitMix;

/// Pixels of one class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Pixels {
    hits: u64,
    truth: u64,
    predicted: u64,
}

/// Pixels of every class on some frames: all that IoU and pixel accuracy need.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClassCounts(Vec<Pixels>);

impl ClassCounts {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self(vec![Pixels::default(); classes])
    }

    /// Counts one frame. Pixels are ignored whose truth is no class, or that the network did not
    /// see ([`NO_LABEL`]).
    ///
    /// # Errors
    /// If the maps differ in size, or another prediction is no class.
    pub fn add(&mut self, truth: &LabelMap, predicted: &LabelMap) -> Result<()> {
        let shape = |map: &LabelMap| [map.height, map.width];
        ensure!(shape(truth) == shape(predicted), "labels of {:?} against {:?}: expected one size", shape(truth), shape(predicted));
        let classes = self.0.len();
        for (&truth, &predicted) in truth.data.iter().zip(&predicted.data) {
            let (truth, predicted, unseen) = (usize::from(truth), usize::from(predicted), predicted == NO_LABEL);
            ensure!(predicted < classes || unseen, "predicted label {predicted}: the model has {classes} classes");
            if truth < classes && predicted < classes {
                self.0[truth].truth += 1;
                self.0[predicted].predicted += 1;
                self.0[truth].hits += u64::from(truth == predicted);
            }
        }
        Ok(())
    }

    /// Adds what another has counted over the same classes.
    pub fn merge(&mut self, other: &Self) {
        for (all, more) in self.0.iter_mut().zip(&other.0) {
            all.hits += more.hits;
            all.truth += more.truth;
            all.predicted += more.predicted;
        }
    }

    /// Hits over union of one class; `None` where it occurs neither in truth nor in prediction.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let Pixels { hits, truth, predicted } = self.0[class];
        let union = truth + predicted - hits;
        (union > 0).then(|| hits as f64 / union as f64)
    }

    /// Mean of [`Self::iou`] over the classes that occur; `None` if none does.
    pub fn miou(&self) -> Option<f64> {
        let present: Vec<f64> = (0..self.0.len()).filter_map(|class| self.iou(class)).collect();
        (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64)
    }

    /// Hits over all counted pixels; `None` if none was counted.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let (hits, truth) = self.0.iter().fold((0, 0), |(hits, truth), class| (hits + class.hits, truth + class.truth));
        (truth > 0).then(|| hits as f64 / truth as f64)
    }
}

/// A value over all frames, and between which bounds it lies in 95 % of the bootstrap's resamples.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Estimate {
    /// Over all frames.
    pub value: f64,
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
}

/// Task metrics of one precision. Shares, between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// The precision: `float` is the reference.
    pub precision: &'static str,
    /// Mean over the classes that occur.
    pub miou: Option<Estimate>,
    /// Share of labelled pixels that are right.
    pub pixel_accuracy: Option<Estimate>,
    /// Intersection over union per class; none where it occurs neither in truth nor in prediction.
    pub classes: Vec<Option<Estimate>>,
}

/// Task metrics of one precision less those of float, signed, in percentage points; both are
/// resampled together.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Of the mean IoU.
    pub miou_points: Option<Estimate>,
    /// Of the pixel accuracy.
    pub pixel_accuracy_points: Option<Estimate>,
    /// Of every class's IoU.
    pub class_points: Vec<Option<Estimate>>,
}

/// Bootstrap over frames: how often, and from which seed.
#[derive(Clone, Copy, Debug)]
pub struct Bootstrap {
    /// Resamples.
    pub resamples: usize,
    /// Seed.
    pub seed: u64,
}

impl Bootstrap {
    /// `statistic` of all `frames` frames and its interval: every resample draws as many frames
    /// with replacement. The result depends on the arguments only.
    pub fn estimate(&self, frames: usize, statistic: impl Fn(&[usize]) -> Vec<Option<f64>> + Sync) -> Vec<Option<Estimate>> {
        let values = statistic(&(0..frames).collect::<Vec<_>>());
        let resample = |number: usize| {
            let mut random = SplitMix(self.seed.wrapping_add((number as u64) << 32));
            statistic(&(0..frames).map(|_| (random.next_u64() % frames.max(1) as u64) as usize).collect::<Vec<_>>())
        };
        let resampled: Vec<Vec<Option<f64>>> = (0..self.resamples).into_par_iter().map(resample).collect();
        let estimate = |(i, value): (usize, Option<f64>)| {
            let value = value?;
            let mut spread: Vec<f64> = resampled.iter().filter_map(|one| one[i]).collect();
            spread.sort_by(f64::total_cmp);
            let at = |share: f64| spread.get((share * spread.len().saturating_sub(1) as f64).round() as usize).copied().unwrap_or(value);
            Some(Estimate { value, low: at(0.025), high: at(0.975) })
        };
        values.into_iter().enumerate().map(estimate).collect()
    }
}

/// Mean IoU, pixel accuracy, then the IoU of every class, over the frames `chosen`.
fn metrics(frames: &[ClassCounts], chosen: &[usize], classes: usize) -> Vec<Option<f64>> {
    let mut total = ClassCounts::new(classes);
    chosen.iter().for_each(|&i| total.merge(&frames[i]));
    [total.miou(), total.pixel_accuracy()].into_iter().chain((0..classes).map(|class| total.iou(class))).collect()
}

/// Task metrics of one precision from its counts per frame.
pub fn quality(precision: &'static str, frames: &[ClassCounts], classes: usize, bootstrap: Bootstrap) -> Quality {
    let mut estimates = bootstrap.estimate(frames.len(), |chosen| metrics(frames, chosen, classes));
    let classes = estimates.split_off(2);
    Quality { precision, miou: estimates[0], pixel_accuracy: estimates[1], classes }
}

/// Gain of a precision over float, from the counts of both per frame.
pub fn delta(float: &[ClassCounts], other: &[ClassCounts], classes: usize, bootstrap: Bootstrap) -> Delta {
    let points = |(float, other): (Option<f64>, Option<f64>)| Some(100.0 * (other? - float?));
    let statistic =
        |chosen: &[usize]| metrics(float, chosen, classes).into_iter().zip(metrics(other, chosen, classes)).map(points).collect::<Vec<Option<f64>>>();
    let mut estimates = bootstrap.estimate(float.len(), statistic);
    let class_points = estimates.split_off(2);
    Delta { miou_points: estimates[0], pixel_accuracy_points: estimates[1], class_points }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOOTSTRAP: Bootstrap = Bootstrap { resamples: 200, seed: 5 };

    fn map(data: &[u8]) -> LabelMap {
        LabelMap::new(1, data.len(), data.to_vec()).unwrap()
    }

    fn counts(truth: &[u8], predicted: &[u8]) -> ClassCounts {
        let mut counts = ClassCounts::new(3);
        counts.add(&map(truth), &map(predicted)).unwrap();
        counts
    }

    #[test]
    fn the_metrics_are_those_of_the_confusion_matrix() {
        let (truth, predicted) = ([0, 0, 0, 1, 1, 255], [0, 0, 1, 1, 0, 2]);
        let mut matrix = crate::metrics::ConfusionMatrix::new(3);
        matrix.add(&map(&truth), &map(&predicted)).unwrap();
        let counts = counts(&truth, &predicted);
        assert_eq!((0..3).map(|class| counts.iou(class)).collect::<Vec<_>>(), (0..3).map(|class| matrix.iou(class)).collect::<Vec<_>>());
        assert_eq!((counts.miou(), counts.pixel_accuracy()), (matrix.miou(), matrix.pixel_accuracy()));
    }

    #[test]
    fn equal_frames_have_no_spread_and_different_ones_have_one_around_the_value() {
        let same = vec![counts(&[0, 1, 1], &[0, 1, 0]); 6];
        let miou = quality("float", &same, 3, BOOTSTRAP).miou.unwrap();
        assert!(miou.low == miou.value && miou.value == miou.high);
        let mixed: Vec<_> = (0..6).map(|i| if i < 3 { counts(&[0, 1], &[0, 1]) } else { counts(&[0, 1], &[1, 1]) }).collect();
        let miou = quality("float", &mixed, 3, BOOTSTRAP).miou.unwrap();
        assert!(miou.low < miou.value && miou.value < miou.high, "{miou:?}");
    }

    #[test]
    fn a_seed_repeats_and_another_seed_does_not() {
        let frames: Vec<_> = (0..9u8).map(|i| counts(&[0, 1, 1, 0], &[i % 2, 1, i % 3, 0])).collect();
        let at = |seed| quality("float", &frames, 3, Bootstrap { resamples: 50, seed });
        assert_eq!(at(1), at(1));
        assert_ne!(at(1), at(2));
    }

    #[test]
    fn a_delta_of_equal_counts_is_zero_whatever_is_drawn() {
        let frames: Vec<_> = (0..5u8).map(|i| counts(&[0, 1, 1], &[i % 2, 1, i % 3])).collect();
        let delta = delta(&frames, &frames, 3, BOOTSTRAP).miou_points.unwrap();
        assert_eq!((delta.value, delta.low, delta.high), (0.0, 0.0, 0.0));
    }

    #[test]
    fn a_class_that_never_occurs_has_no_estimate() {
        let quality = quality("float", &[counts(&[0, 1], &[0, 1])], 3, BOOTSTRAP);
        assert!(quality.classes[1].is_some() && quality.classes[2].is_none());
    }
}
