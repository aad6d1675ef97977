//! Results of half precision against those of the definition: its bits differ between instruction sets, so that a target is held to the bounds of its image instead of bytes.

use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Acquire},
};

use bytemuck::try_cast_slice;
use hrvit_format::{DriftBound, Logit, ModelHead, StepId, record::Precision};

use crate::observe::{Observer, Tile};

/// The first step of `model` in half precision: those before it compute with integers, and make the same bytes everywhere.
pub fn first_half_step(model: &ModelHead<'_>) -> Option<StepId> {
    model.step_ids().map(|(id, _)| id).find(|&id| model.precision(id) == Precision::Fp16)
}

/// Watches the logits of a frame as they are made and compares them with those of the definition.
#[derive(Debug)]
pub struct LogitsDrift<'m> {
    model: &'m ModelHead<'m>,
    step: Option<StepId>,
    /// The definition's logits.
    expected: &'m [Logit],
    /// Their largest magnitude, and by how much one may be off.
    largest: f32,
    limit: f32,
    seen: AtomicUsize,
    /// Bits of the largest difference: the bits of floats that are not negative have the order of the floats.
    worst: AtomicU32,
    /// The first logit that is off by more.
    first: AtomicUsize,
}

/// What [`LogitsDrift`] found.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundLogits {
    /// The largest difference as a part of the largest magnitude of the definition's logits; infinite where not every logit came by once.
    pub of_largest: f32,
    /// The first logit beyond the bound, counted in raster order, its class last.
    pub first: Option<usize>,
}

impl<'m> LogitsDrift<'m> {
    /// Compares with `expected`, the logits of [`hrvit_format::GoldenResult`], which are within its `bound`.
    pub fn new(model: &'m ModelHead<'m>, expected: &'m [Logit], bound: DriftBound) -> Self {
        let largest = model.logits_format().values(expected).fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        let (seen, worst, first) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicUsize::new(usize::MAX));
        Self { model, step: model.logits_step(), expected, largest, limit: bound.logits * largest, seen, worst, first }
    }

    /// What was found so far.
    pub fn found(&self) -> FoundLogits {
        let (worst, first) = (f32::from_bits(self.worst.load(Acquire)), self.first.load(Acquire));
        let of_largest = if self.seen.load(Acquire) != self.expected.len() || !worst.is_finite() {
            f32::INFINITY
        } else if worst == 0.0 {
            0.0
        } else {
            worst / self.largest
        };
        FoundLogits { of_largest, first: (first != usize::MAX).then_some(first) }
    }
}

impl Observer for LogitsDrift<'_> {
    fn tile(&self, tile: Tile<'_>) {
        if tile.op.is_some() || Some(tile.id) != self.step {
            return;
        }
        // A tile of logits has whole ones; of anything else none is seen, which counts as drift.
        let found: &[Logit] = try_cast_slice(tile.data.bytes()).unwrap_or_default();
        let at = tile.y * tile.columns * usize::from(self.model.meta().network.classes);
        let expected = self.expected.get(at..).unwrap_or_default();
        let format = self.model.logits_format();
        for (i, (found, expected)) in format.values(found).zip(format.values(expected)).enumerate() {
            let difference = (found - expected).abs();
            self.worst.fetch_max(difference.to_bits(), AcqRel);
            if difference > self.limit || difference.is_nan() {
                self.first.fetch_min(at + i, AcqRel);
            }
        }
        self.seen.fetch_add(found.len(), AcqRel);
    }
}

/// How far a frame of an image with half-precision steps is from the definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// Of the logits; `None` where they were not compared.
    pub logits: Option<FoundLogits>,
    /// Labels that differ.
    pub differ: usize,
    /// The first of them, counted in raster order.
    pub first_label: Option<usize>,
    /// All labels; 0 with a classifier.
    pub labels: usize,
}

/// Where a result is beyond its bounds first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Place {
    /// Row, of logits or of labels.
    pub row: usize,
    /// Column.
    pub column: usize,
    /// The class of a logit; `None` for a label.
    pub class: Option<usize>,
}

impl Drift {
    /// Counts the labels that differ from the definition's; `logits`: what was found of those.
    pub fn new(logits: Option<FoundLogits>, labels: impl Iterator<Item = (u8, u8)>) -> Self {
        labels.fold(Self { logits, differ: 0, first_label: None, labels: 0 }, Self::and)
    }

    /// With one label more, as found and as expected.
    #[must_use]
    pub fn and(self, (found, expected): (u8, u8)) -> Self {
        let differs = found != expected;
        let first_label = self.first_label.or(differs.then_some(self.labels));
        Self { differ: self.differ + usize::from(differs), first_label, labels: self.labels + 1, ..self }
    }

    /// Whether logits and labels are within `bound`.
    pub fn is_within(&self, bound: DriftBound) -> bool {
        self.logits_within(bound) && self.differ <= bound.labels as usize
    }

    fn logits_within(&self, bound: DriftBound) -> bool {
        self.logits.is_none_or(|found| found.of_largest <= bound.logits)
    }

    /// The first logit beyond `bound`; where logits are within it or were not compared, the first label that differs. `None` where none is known.
    pub fn first(&self, model: &ModelHead<'_>, bound: DriftBound) -> Option<Place> {
        let (classes, size) = (usize::from(model.meta().network.classes), model.meta().size);
        if let Some(found) = self.logits.filter(|_| !self.logits_within(bound)) {
            let (first, columns) = (found.first?, if self.labels == 0 { 1 } else { size.map(0).1 });
            let (token, class) = (first.checked_div(classes)?, first.checked_rem(classes));
            return Some(Place { row: token.checked_div(columns)?, column: token.checked_rem(columns)?, class });
        }
        let (first, columns) = (self.first_label?, usize::from(size.width));
        Some(Place { row: first.checked_div(columns)?, column: first.checked_rem(columns)?, class: None })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: DriftBound = DriftBound { logits: 0.25, labels: 10 };

    #[test]
    fn bounds_hold_up_to_the_bound_itself() {
        let found = |of_largest| Some(FoundLogits { of_largest, first: None });
        let within = |logits, differ| Drift { logits, differ, first_label: None, labels: 2000 }.is_within(BOUND);
        assert!(within(found(0.25), 10) && within(None, 0));
        assert!(!within(found(0.2501), 0) && !within(found(f32::NAN), 0) && !within(found(f32::INFINITY), 0));
        assert!(!within(found(0.0), 11));
    }

    #[test]
    fn a_classifier_has_no_labels_to_differ() {
        assert!(Drift::new(Some(FoundLogits { of_largest: 0.0, first: None }), [].into_iter()).is_within(DriftBound { labels: 0, ..BOUND }));
    }

    #[test]
    fn labels_are_counted_and_the_first_that_differs_is_kept() {
        let drift = Drift::new(None, [(1, 1), (2, 3), (4, 4), (5, 6)].into_iter());
        assert_eq!((drift.differ, drift.first_label, drift.labels), (2, Some(1), 4));
    }
}
