//! Agreement of label maps of two precisions: at the borders of classes, by the margin of the
//! decision, class by class.

use anyhow::{Result, ensure};
use serde::Serialize;

use crate::labels::{LabelMap, NO_LABEL};

/// Margins between which pixels are counted together, in standard deviations of the logits; the
/// last bin has no upper end.
pub const MARGIN_EDGES: [f64; 8] = [0.0, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0];
/// Margin from which a decision counts as clear, in standard deviations of the logits; one of
/// [`MARGIN_EDGES`].
pub const CLEAR_MARGIN: f64 = 0.1;

/// Pixels, and those of them on which both maps give the same class.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Pixels {
    /// Same class.
    pub same: u64,
    /// All.
    pub all: u64,
}

impl Pixels {
    /// Counts one more.
    pub fn count(&mut self, same: bool) {
        self.same += u64::from(same);
        self.all += 1;
    }

    /// Both added up.
    pub fn and(self, other: Self) -> Self {
        Self { same: self.same + other.same, all: self.all + other.all }
    }

    /// Share that agrees; `None` without pixels.
    pub fn agreement(self) -> Option<f64> {
        (self.all > 0).then(|| self.same as f64 / self.all as f64)
    }
}

/// Counts on some frames.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counts {
    border: Pixels,
    inside: Pixels,
    bins: [Pixels; MARGIN_EDGES.len()],
    classes: usize,
    /// `flips[float * classes + other]`.
    flips: Vec<u64>,
}

impl Counts {
    /// Nothing counted yet.
    pub fn new(classes: usize) -> Self {
        Self { border: Pixels::default(), inside: Pixels::default(), bins: Default::default(), classes, flips: vec![0; classes * classes] }
    }

    /// Counts one frame: `margins` are those of `float`, per pixel, in units of `deviation`. A
    /// pixel is at a border where one of its four neighbours in `float` is of another class. Pixels
    /// that the networks did not see ([`NO_LABEL`]) do not count.
    ///
    /// # Errors
    /// If the maps differ in size or hold other labels that are no classes.
    pub fn add(&mut self, float: &LabelMap, margins: &[f32], deviation: f64, other: &LabelMap) -> Result<()> {
        let (height, width) = (float.height, float.width);
        ensure!(
            (other.height, other.width) == (height, width) && margins.len() == float.data.len(),
            "label maps of {height}x{width} and {}x{} with {} margins: expected one size",
            other.height,
            other.width,
            margins.len()
        );
        for (at, ((&a, &b), &margin)) in float.data.iter().zip(&other.data).zip(margins).enumerate() {
            let (from, to) = (usize::from(a), usize::from(b));
            if (a, b) == (NO_LABEL, NO_LABEL) && from >= self.classes {
                continue;
            }
            ensure!(from < self.classes && to < self.classes, "labels {from} and {to}: the model has {} classes", self.classes);
            self.flips[from * self.classes + to] += 1;
            let place = if is_border(float, self.classes, at / width, at % width) { &mut self.border } else { &mut self.inside };
            place.count(a == b);
            self.bins[bin(f64::from(margin) / deviation)].count(a == b);
        }
        Ok(())
    }

    /// Adds what another has counted over the same classes.
    pub fn merge(&mut self, other: &Self) {
        self.border = self.border.and(other.border);
        self.inside = self.inside.and(other.inside);
        self.bins.iter_mut().zip(other.bins).for_each(|(all, more)| *all = all.and(more));
        self.flips.iter_mut().zip(&other.flips).for_each(|(all, more)| *all += more);
    }

    /// All pixels.
    pub fn overall(&self) -> Pixels {
        self.border.and(self.inside)
    }

    /// Pixels whose margin is at least [`CLEAR_MARGIN`].
    pub fn clear(&self) -> Pixels {
        let clear = MARGIN_EDGES.iter().zip(self.bins).filter(|(edge, _)| **edge >= CLEAR_MARGIN);
        clear.fold(Pixels::default(), |all, (_, bin)| all.and(bin))
    }

    /// Its part of the report.
    pub fn report(&self, logits_deviation: f64) -> AgreementReport {
        let all = self.overall();
        let place = |pixels: Pixels| Place { pixels: pixels.all, share: Pixels { same: pixels.all, all: all.all }.agreement(), agreement: pixels.agreement() };
        let upper = MARGIN_EDGES.iter().skip(1).map(|&edge| Some(edge)).chain([None]);
        let margins = MARGIN_EDGES.iter().zip(upper).zip(self.bins).map(|((&from, to), bin)| MarginBin { from, to, place: place(bin) }).collect();
        AgreementReport {
            overall: all.agreement(),
            at_borders: place(self.border),
            away_from_borders: place(self.inside),
            clear_margin: CLEAR_MARGIN,
            at_clear_margin: place(self.clear()),
            logits_deviation,
            margins,
            flips: self.flips.chunks(self.classes).map(<[u64]>::to_vec).collect(),
        }
    }
}

fn is_border(map: &LabelMap, classes: usize, y: usize, x: usize) -> bool {
    let here = map.data[y * map.width + x];
    let differs = |y: usize, x: usize| {
        let there = map.data[y * map.width + x];
        there != here && usize::from(there) < classes
    };
    (y > 0 && differs(y - 1, x)) || (y + 1 < map.height && differs(y + 1, x)) || (x > 0 && differs(y, x - 1)) || (x + 1 < map.width && differs(y, x + 1))
}

/// The bin of a margin in standard deviations.
fn bin(margin: f64) -> usize {
    MARGIN_EDGES.iter().rposition(|&edge| margin >= edge).unwrap_or(0)
}

/// Agreement of two precisions.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct AgreementReport {
    /// Share of all pixels.
    pub overall: Option<f64>,
    /// Pixels with a neighbour of another class in the float map.
    pub at_borders: Place,
    /// All others.
    pub away_from_borders: Place,
    /// Margin from which a decision counts as clear, in standard deviations of the logits.
    pub clear_margin: f64,
    /// Pixels of a clear decision.
    pub at_clear_margin: Place,
    /// Standard deviation of the float logits.
    pub logits_deviation: f64,
    /// By the distance of float's two largest logits.
    pub margins: Vec<MarginBin>,
    /// Pixels by float's class, then by the other's.
    pub flips: Vec<Vec<u64>>,
}

/// Some of the pixels.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Place {
    /// How many.
    pub pixels: u64,
    /// As a share of all.
    pub share: Option<f64>,
    /// Share of them on which both give the same class.
    pub agreement: Option<f64>,
}

/// Pixels of a range of margins.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct MarginBin {
    /// Smallest margin, in standard deviations of the logits.
    pub from: f64,
    /// Start of the next bin.
    pub to: Option<f64>,
    /// Its pixels.
    #[serde(flatten)]
    pub place: Place,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_both_sides_of_an_edge_in_the_float_map_only() {
        // Columns 1 and 2 touch; the flip at column 3 makes no border.
        let float = LabelMap::new(2, 4, vec![0, 0, 1, 1, 0, 0, 1, 1]).unwrap();
        let other = LabelMap::new(2, 4, vec![0, 0, 1, 0, 0, 1, 1, 1]).unwrap();
        let mut counts = Counts::new(2);
        counts.add(&float, &[1.0; 8], 1.0, &other).unwrap();
        assert_eq!((counts.border, counts.inside), (Pixels { same: 3, all: 4 }, Pixels { same: 3, all: 4 }));
        assert_eq!(counts.report(1.0).flips, [[3, 1], [1, 3]]);
    }

    #[test]
    fn the_clear_margin_is_an_edge_and_belongs_to_the_clear_side() {
        assert!(MARGIN_EDGES.contains(&CLEAR_MARGIN));
        let map = LabelMap::new(1, 4, vec![0; 4]).unwrap();
        let other = LabelMap::new(1, 4, vec![1, 1, 0, 0]).unwrap();
        let mut counts = Counts::new(2);
        counts.add(&map, &[0.0, 0.5, 1.0, f32::INFINITY], 8.0, &other).unwrap();
        assert_eq!(counts.clear(), Pixels { same: 2, all: 2 });
        assert_eq!(counts.bins[bin(0.0)], Pixels { same: 0, all: 1 });
        assert_eq!(bin(1e9), MARGIN_EDGES.len() - 1);
    }

    #[test]
    fn merged_counts_equal_one_over_all_frames() {
        let maps = [[0u8, 1, 1], [1, 0, 1]].map(|data| LabelMap::new(1, 3, data.to_vec()).unwrap());
        let count = |pairs: &[(usize, usize)]| {
            let mut counts = Counts::new(2);
            pairs.iter().for_each(|&(a, b)| counts.add(&maps[a], &[0.3; 3], 1.0, &maps[b]).unwrap());
            counts
        };
        let mut merged = count(&[(0, 1)]);
        merged.merge(&count(&[(1, 1)]));
        assert_eq!(merged, count(&[(0, 1), (1, 1)]));
        assert_eq!(merged.overall(), Pixels { same: 4, all: 6 });
    }
}
