//! How good a segmentation is, and how close two of them are. Everything is counted over a whole
//! set of frames.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::labels::{LabelMap, NO_LABEL};

/// `counts[truth * classes + predicted]`, in pixels.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConfusionMatrix {
    classes: usize,
    counts: Vec<u64>,
}

impl ConfusionMatrix {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { classes, counts: vec![0; classes * classes] }
    }

    /// Counts one frame. Pixels are ignored whose truth is no class (its index is `classes` or
    /// more), or that a network did not see ([`NO_LABEL`]).
    ///
    /// # Errors
    /// If the two maps differ in size, or another prediction is no class.
    pub fn add(&mut self, truth: &LabelMap, predicted: &LabelMap) -> Result<()> {
        same_size(truth, predicted)?;
        for (&truth, &predicted) in truth.data.iter().zip(&predicted.data) {
            let (row, column) = (usize::from(truth), usize::from(predicted));
            ensure!(column < self.classes || predicted == NO_LABEL, "predicted label {column}: the model has {} classes", self.classes);
            if row < self.classes && column < self.classes {
                self.counts[row * self.classes + column] += 1;
            }
        }
        Ok(())
    }

    /// Adds what another matrix over the same classes has counted.
    pub fn merge(&mut self, other: &Self) {
        assert_eq!(self.classes, other.classes, "confusion matrices over the same classes");
        for (count, more) in self.counts.iter_mut().zip(&other.counts) {
            *count += more;
        }
    }

    /// Number of classes.
    pub fn classes(&self) -> usize {
        self.classes
    }

    fn hits(&self, class: usize) -> u64 {
        self.counts[class * self.classes + class]
    }

    /// Intersection over union of one class: hits / (hits + misses + false alarms); `None` where
    /// the class occurs neither in truth nor in prediction.
    pub fn iou(&self, class: usize) -> Option<f64> {
        let truth: u64 = self.counts[class * self.classes..][..self.classes].iter().sum();
        let predicted: u64 = self.counts.iter().skip(class).step_by(self.classes).sum();
        let union = truth + predicted - self.hits(class);
        (union > 0).then(|| self.hits(class) as f64 / union as f64)
    }

    /// Mean of [`Self::iou`] over the classes that occur; none if none does.
    pub fn miou(&self) -> Option<f64> {
        let present: Vec<f64> = (0..self.classes).filter_map(|class| self.iou(class)).collect();
        (!present.is_empty()).then(|| present.iter().sum::<f64>() / present.len() as f64)
    }

    /// Hits of all classes over all counted pixels; none if none was counted.
    pub fn pixel_accuracy(&self) -> Option<f64> {
        let hits: u64 = (0..self.classes).map(|class| self.hits(class)).sum();
        let counted = self.counted();
        (counted > 0).then(|| hits as f64 / counted as f64)
    }

    /// By how many classes most pixels are off, where that is one up or down and not none.
    pub fn offset(&self) -> Option<i8> {
        let off = |offset: isize| -> u64 {
            let predicted = |class: usize| class.checked_add_signed(offset).filter(|&predicted| predicted < self.classes);
            (0..self.classes).filter_map(|class| Some(self.counts[class * self.classes + predicted(class)?])).sum()
        };
        [-1, 1].into_iter().find(|&offset| 2 * off(offset) > self.counted()).and_then(|offset| i8::try_from(offset).ok())
    }

    /// Whether a matrix from a file is of so many classes.
    ///
    /// # Errors
    /// If it is not.
    pub fn check(&self, classes: usize) -> Result<()> {
        ensure!(self.classes == classes && self.counts.len() == classes * classes, "a confusion matrix of {} classes: expected {classes}", self.classes);
        Ok(())
    }

    /// Pixels counted.
    pub fn counted(&self) -> u64 {
        self.counts.iter().sum()
    }
}

/// In how many pixels two predictions of so many classes are the same. Every pixel that a network
/// saw counts, also those without a true label.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreement {
    same: u64,
    pixels: u64,
}

impl Agreement {
    /// Counts one frame.
    ///
    /// # Errors
    /// If the maps differ in size.
    pub fn add(&mut self, one: &LabelMap, other: &LabelMap, classes: usize) -> Result<()> {
        same_size(one, other)?;
        let unseen = |label: u8| label == NO_LABEL && usize::from(label) >= classes;
        for (&a, &b) in one.data.iter().zip(&other.data).filter(|(a, b)| !unseen(**a) || !unseen(**b)) {
            self.same += u64::from(a == b);
            self.pixels += 1;
        }
        Ok(())
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        self.same += other.same;
        self.pixels += other.pixels;
    }

    /// Between 0 and 1; 0 if nothing was counted.
    pub fn ratio(&self) -> f64 {
        ratio(self.same, self.pixels)
    }
}

fn same_size(one: &LabelMap, other: &LabelMap) -> Result<()> {
    ensure!(
        (one.height, one.width) == (other.height, other.width),
        "label maps of {}x{} and {}x{}: expected the same size",
        one.height,
        one.width,
        other.height,
        other.width
    );
    Ok(())
}

fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map(data: &[u8]) -> LabelMap {
        LabelMap::new(1, data.len(), data.to_vec()).unwrap()
    }

    #[test]
    fn iou_by_hand() {
        let mut matrix = ConfusionMatrix::new(3);
        matrix.add(&map(&[0, 0, 0, 1, 1, 255]), &map(&[0, 0, 1, 1, 0, 2])).unwrap();
        assert_eq!(matrix.iou(0), Some(2.0 / 4.0));
        assert_eq!(matrix.iou(1), Some(1.0 / 3.0));
        assert_eq!(matrix.iou(2), None);
        assert!((matrix.miou().unwrap() - (0.5 + 1.0 / 3.0) / 2.0).abs() < 1e-12);
        assert_eq!(matrix.pixel_accuracy(), Some(3.0 / 5.0));
    }

    #[test]
    fn index_equal_to_the_class_count_is_ignored() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(&map(&[2, 3]), &map(&[0, 1])).unwrap();
        assert_eq!(matrix.counted(), 0);
        assert_eq!((matrix.miou(), matrix.pixel_accuracy()), (None, None));
    }

    #[test]
    fn class_only_predicted_has_iou_zero_and_counts_in_the_mean() {
        let mut matrix = ConfusionMatrix::new(2);
        matrix.add(&map(&[0, 0]), &map(&[0, 1])).unwrap();
        assert_eq!(matrix.iou(1), Some(0.0));
        assert_eq!(matrix.miou(), Some(0.25));
    }

    #[test]
    fn pixels_one_class_off_are_seen() {
        let offset = |truth: &[u8], predicted: &[u8]| {
            let mut matrix = ConfusionMatrix::new(4);
            matrix.add(&map(truth), &map(predicted)).unwrap();
            matrix.offset()
        };
        assert_eq!(offset(&[1, 2, 3, 0], &[0, 1, 2, 0]), Some(-1));
        assert_eq!(offset(&[0, 1, 2, 3], &[1, 2, 3, 3]), Some(1));
        assert_eq!(offset(&[0, 1, 2, 3], &[0, 1, 2, 2]), None);
        assert_eq!(offset(&[9], &[2]), None);
    }

    #[test]
    fn prediction_that_is_no_class_is_an_error() {
        assert!(ConfusionMatrix::new(2).add(&map(&[0]), &map(&[2])).is_err());
    }

    #[test]
    fn merged_matrices_equal_one_over_all_frames() {
        let (a, b) = ((map(&[0, 1]), map(&[1, 1])), (map(&[1, 0]), map(&[0, 0])));
        let (mut one, mut other, mut both) = (ConfusionMatrix::new(2), ConfusionMatrix::new(2), ConfusionMatrix::new(2));
        one.add(&a.0, &a.1).unwrap();
        other.add(&b.0, &b.1).unwrap();
        both.add(&a.0, &a.1).unwrap();
        both.add(&b.0, &b.1).unwrap();
        one.merge(&other);
        assert_eq!(one, both);
    }

    #[test]
    fn maps_of_other_sizes_are_an_error() {
        assert!(ConfusionMatrix::new(2).add(&map(&[0]), &map(&[0, 1])).is_err());
        assert!(Agreement::default().add(&map(&[0]), &map(&[0, 1]), 2).is_err());
    }

    #[test]
    fn agreement_counts_every_pixel_that_was_seen() {
        let mut agreement = Agreement::default();
        agreement.add(&map(&[0, 1, 2, 3, 255]), &map(&[0, 1, 1, 3, 255]), 4).unwrap();
        assert_eq!(agreement.ratio(), 0.75);
        let mut whole = Agreement::default();
        whole.add(&map(&[0, 255]), &map(&[1, 255]), 256).unwrap();
        assert_eq!(whole.ratio(), 0.5, "of 256 classes 255 is one");
        let mut matrix = ConfusionMatrix::new(4);
        matrix.add(&map(&[0, 1, 2, 3]), &map(&[0, 255, 1, 255])).unwrap();
        assert_eq!((matrix.counted(), matrix.pixel_accuracy()), (2, Some(0.5)));
    }
}
