//! Signal to quantisation noise of logits, of what decides.
//!
//! Parts that argmax and softmax do not see are neither signal nor noise. These are the part common
//! to all classes of a pixel, classes that float never picks in the set, and a class's constant
//! over the set. Sums of products keep everything until the whole set is known; they merge exactly.

use anyhow::{Result, ensure};
use serde::{Deserialize, Serialize};

use crate::bits;
use crate::logits::{Logits, argmax};

/// Sums over the decisions (pixels of a segmentor, frames of a classifier) of a set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sqnr {
    classes: usize,
    decisions: u64,
    /// Which classes float picks somewhere.
    picked: Vec<bool>,
    /// Least and largest float logit of each class.
    #[serde(with = "bits::f32_pairs")]
    extent: Vec<[f32; 2]>,
    /// Sum of each class's logits, less the largest one of the pixel.
    #[serde(with = "bits::f64s")]
    sums: Vec<f64>,
    /// Sums of products of two classes' logits, the upper triangle row by row.
    #[serde(with = "bits::f64s")]
    signal: Vec<f64>,
    /// The same of the differences.
    #[serde(with = "bits::f64s")]
    noise: Vec<f64>,
}

/// Classes that decide in a set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deciding {
    /// The classes.
    pub classes: Vec<usize>,
    /// Whether one of two is the threshold of the other, whose logit then counts as it is.
    pub threshold: bool,
}

impl Sqnr {
    /// Counts one frame.
    ///
    /// # Errors
    /// If the logits differ in shape.
    pub fn add(&mut self, float: &Logits, quantised: &Logits) -> Result<()> {
        let shape = |l: &Logits| [l.height, l.width, l.classes];
        ensure!(shape(float) == shape(quantised), "logits of {:?} against {:?}: expected networks of one size and head", shape(float), shape(quantised));
        self.add_tokens(&float.data, &quantised.data, float.classes);
        Ok(())
    }

    /// Counts `[tokens, classes]` logits of one network.
    ///
    /// # Panics
    /// If both are not as long as each other.
    pub fn add_tokens(&mut self, float: &[f32], quantised: &[f32], classes: usize) {
        assert_eq!(float.len(), quantised.len(), "logits of one shape");
        self.grow(classes);
        let (mut values, mut errors) = (vec![0.0; classes], vec![0.0; classes]);
        for (exact, found) in float.chunks_exact(classes).zip(quantised.chunks_exact(classes)) {
            let best = argmax(exact.iter().copied());
            self.picked[best] = true;
            // A single class is judged against its threshold: its logit is the decision.
            let common = if classes == 1 { 0.0 } else { f64::from(exact[best]) };
            let other = if classes == 1 { 0.0 } else { f64::from(found[best]) };
            for class in 0..classes {
                let [least, largest] = self.extent[class];
                self.extent[class] = [least.min(exact[class]), largest.max(exact[class])];
                values[class] = f64::from(exact[class]) - common;
                errors[class] = values[class] - (f64::from(found[class]) - other);
                self.sums[class] += values[class];
            }
            add_products(&mut self.signal, &values);
            add_products(&mut self.noise, &errors);
            self.decisions += 1;
        }
    }

    /// Whether sums from a file are of a network of so many classes, or of none.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self, classes: usize) -> Result<()> {
        let pairs = classes * (classes + 1) / 2;
        let lengths = [self.picked.len(), self.extent.len(), self.sums.len(), self.signal.len(), self.noise.len()];
        let fits = self.classes == classes && lengths == [classes, classes, classes, pairs, pairs];
        ensure!(fits || *self == Self::default(), "sums of logits of {} classes: expected {classes}", self.classes);
        Ok(())
    }

    /// Bytes that the sums of a network of so many classes take.
    pub fn bytes(classes: usize) -> usize {
        classes * (classes + 1) / 2 * 2 * size_of::<f64>()
    }

    fn grow(&mut self, classes: usize) {
        if self.classes == 0 {
            let pairs = classes * (classes + 1) / 2;
            *self = Self {
                classes,
                decisions: 0,
                picked: vec![false; classes],
                extent: vec![[f32::INFINITY, f32::NEG_INFINITY]; classes],
                sums: vec![0.0; classes],
                signal: vec![0.0; pairs],
                noise: vec![0.0; pairs],
            };
        }
        assert_eq!(self.classes, classes, "logits of one network");
    }

    /// Adds what another has counted.
    pub fn merge(&mut self, other: &Self) {
        if other.classes == 0 {
            return;
        }
        self.grow(other.classes);
        self.decisions += other.decisions;
        self.picked.iter_mut().zip(&other.picked).for_each(|(a, b)| *a |= b);
        self.extent.iter_mut().zip(&other.extent).for_each(|(a, b)| *a = [a[0].min(b[0]), a[1].max(b[1])]);
        for (sums, more) in [(&mut self.sums, &other.sums), (&mut self.signal, &other.signal), (&mut self.noise, &other.noise)] {
            sums.iter_mut().zip(more).for_each(|(a, b)| *a += b);
        }
    }

    /// `10 log10(signal / noise)` in dB: infinite without noise, none without a decision or a
    /// signal.
    pub fn db(&self) -> Option<f64> {
        self.terms(&self.deciding()).db()
    }

    /// The classes that decide: those that float picks somewhere.
    pub fn deciding(&self) -> Deciding {
        let chosen: Vec<usize> = (0..self.classes).filter(|class| self.picked[*class]).collect();
        // Of two classes, one with a constant logit is the other's threshold.
        if self.classes == 2 && self.extent.iter().any(|[least, largest]| least == largest) {
            return Deciding { classes: vec![0, 1], threshold: true };
        }
        if chosen.len() == 1 && self.classes > 1 {
            // The same class everywhere: how far the others stay behind is the signal.
            let behind: Vec<f64> = self.sums.iter().map(|sum| -sum).collect();
            return Deciding { classes: within_reach(&behind), threshold: false };
        }
        Deciding { classes: chosen, threshold: false }
    }

    /// Energies that these frames add over the classes `deciding`.
    pub fn terms(&self, Deciding { classes: deciding, threshold }: &Deciding) -> Terms {
        if self.classes <= 1 {
            let [signal, noise] = [&self.signal, &self.noise].map(|sums| sums.first().copied().unwrap_or(0.0));
            return Terms { decisions: self.decisions, signal, noise, sums: Vec::new() };
        }
        let count = deciding.len() as f64;
        let [signal, noise] = [&self.signal, &self.noise].map(|products| {
            let own: f64 = deciding.iter().map(|&class| products[self.pair(class, class)]).sum();
            let cross: f64 = deciding.iter().flat_map(|&a| deciding.iter().map(move |&b| (a, b))).map(|(a, b)| products[self.pair(a.min(b), a.max(b))]).sum();
            (own - cross / count).max(0.0)
        });
        let sums = if *threshold { Vec::new() } else { deciding.iter().map(|&class| self.sums[class]).collect() };
        Terms { decisions: self.decisions, signal, noise, sums }
    }

    /// Index of the product of two classes, `a <= b`.
    fn pair(&self, a: usize, b: usize) -> usize {
        a * self.classes - a * (a + 1) / 2 + b
    }
}

/// Energies of some frames over classes that are fixed: cheap to add up again and again.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Terms {
    decisions: u64,
    /// About each pixel's mean, not yet about each class's.
    signal: f64,
    noise: f64,
    /// Of each class.
    sums: Vec<f64>,
}

impl Terms {
    /// Adds those of other frames over the same classes.
    pub fn add(&mut self, other: &Self) {
        self.decisions += other.decisions;
        self.signal += other.signal;
        self.noise += other.noise;
        self.sums.resize(other.sums.len(), 0.0);
        self.sums.iter_mut().zip(&other.sums).for_each(|(sum, more)| *sum += more);
    }

    /// As [`Sqnr::db`].
    pub fn db(&self) -> Option<f64> {
        let mean = self.sums.iter().sum::<f64>() / self.sums.len().max(1) as f64;
        let constant: f64 = self.sums.iter().map(|sum| (sum - mean).powi(2)).sum::<f64>() / self.decisions.max(1) as f64;
        let signal = (self.signal - constant).max(0.0);
        (signal > 0.0).then(|| 10.0 * (signal / self.noise).log10())
    }
}

/// Positions of the distances behind the largest logit that are at most four times the median. A
/// masked class lies farther.
pub fn within_reach(behind: &[f64]) -> Vec<usize> {
    let mut sorted = behind.to_vec();
    sorted.sort_by(f64::total_cmp);
    let most = 4.0 * sorted[sorted.len() / 2];
    (0..behind.len()).filter(|class| behind[*class] <= most).collect()
}

/// Adds the products of every two values, the upper triangle row by row.
fn add_products(sums: &mut [f64], values: &[f64]) {
    let mut rest = sums;
    for (a, &x) in values.iter().enumerate() {
        let (row, below) = rest.split_at_mut(values.len() - a);
        row.iter_mut().zip(&values[a..]).for_each(|(sum, y)| *sum += x * y);
        rest = below;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Logits of 3 classes on 4 pixels, of which the last class is never picked.
    const FLOAT: [f32; 12] = [2.0, 0.0, -9.0, 0.0, 3.0, -9.5, 1.0, 0.5, -8.0, 0.0, 1.0, -9.0];

    fn of(float: &[f32], found: &[f32]) -> f64 {
        let mut sqnr = Sqnr::default();
        sqnr.add_tokens(float, found, 3);
        sqnr.db().unwrap()
    }

    fn edited(edit: impl Fn(usize, f32) -> f32) -> Vec<f32> {
        FLOAT.iter().enumerate().map(|(i, &x)| edit(i, x)).collect()
    }

    /// The definition: pixel means over the picked classes removed, then class means of the signal.
    #[test]
    fn energies_are_those_of_the_definition() {
        let found = edited(|i, x| x + [0.1, -0.2, 0.05, 0.0, 0.3, 5.0][i % 6]);
        let rows = |data: &[f32]| data.chunks(3).map(|p| [f64::from(p[0] - p[1]) / 2.0, f64::from(p[1] - p[0]) / 2.0]).collect::<Vec<_>>();
        let (exact, rounded) = (rows(&FLOAT), rows(&found));
        let mean = [0, 1].map(|c| exact.iter().map(|p| p[c]).sum::<f64>() / 4.0);
        let signal: f64 = exact.iter().flat_map(|p| [0, 1].map(|c| (p[c] - mean[c]).powi(2))).sum();
        let noise: f64 = exact.iter().zip(&rounded).flat_map(|(a, b)| [0, 1].map(|c| (a[c] - b[c]).powi(2))).sum();
        assert!((of(&FLOAT, &found) - 10.0 * (signal / noise).log10()).abs() < 1e-4);
    }

    #[test]
    fn what_is_common_to_all_classes_changes_nothing() {
        let found = edited(|i, x| x + 0.01 * (i % 5) as f32);
        let [plain, raised] = [0.0, 1e4].map(|offset| of(&edited(|_, x| x + offset), &found.iter().map(|x| x + offset).collect::<Vec<_>>()));
        assert!((plain - raised).abs() < 0.1, "{plain} {raised}");
        // Another constant for each pixel.
        let shifted = of(&FLOAT, &edited(|i, x| x + 0.01 * (i % 5) as f32 + (i / 3) as f32));
        assert!((plain - shifted).abs() < 0.1, "{plain} {shifted}");
    }

    #[test]
    fn a_class_that_is_never_picked_does_not_count() {
        let masked = |x: &[f32]| x.iter().enumerate().map(|(i, &x)| if i % 3 == 2 { -1e6 } else { x }).collect::<Vec<_>>();
        let found = edited(|i, x| x + 0.01 * (i % 5) as f32);
        assert!((of(&FLOAT, &found) - of(&masked(&FLOAT), &masked(&found))).abs() < 1e-6);
        assert!(of(&masked(&FLOAT), &[0.0; 12]) < 3.0, "labels that are all wrong");
    }

    #[test]
    fn merged_sums_equal_one_over_all_frames() {
        let found = edited(|i, x| x + 0.01 * (i % 5) as f32);
        let (mut first, mut second) = (Sqnr::default(), Sqnr::default());
        first.add_tokens(&FLOAT[..6], &found[..6], 3);
        second.add_tokens(&FLOAT[6..], &found[6..], 3);
        let mut all = Sqnr::default();
        all.merge(&first);
        all.merge(&second);
        assert!((all.db().unwrap() - of(&FLOAT, &found)).abs() < 1e-9);
        assert_eq!(Sqnr::default().db(), None);
    }

    #[test]
    fn a_class_and_a_background_are_judged_by_the_distance_to_the_threshold() {
        let mut sqnr = Sqnr::default();
        sqnr.add_tokens(&[0.0, 1.0, 0.0, 3.0], &[0.0, 1.1, 0.0, 3.3], 2);
        assert!((sqnr.db().unwrap() - 20.0).abs() < 1e-4, "{:?}", sqnr.db());
    }

    #[test]
    fn a_single_class_is_judged_by_its_logit() {
        let mut sqnr = Sqnr::default();
        sqnr.add_tokens(&[1.0, -1.0], &[1.1, -0.9], 1);
        assert!((sqnr.db().unwrap() - 20.0).abs() < 1e-4);
    }
}
