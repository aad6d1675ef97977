//! Comparison of half-precision results with those of the scalar definition. Bits of half precision
//! differ between instruction sets. A target is therefore held to the bounds in its image, not to
//! bytes.

use core::{
    ops::ControlFlow,
    sync::atomic::{
        AtomicU32, AtomicUsize,
        Ordering::{AcqRel, Acquire, Release},
    },
};

use bytemuck::try_cast_slice;
use hrvit_format::{DriftBound, Logit, ModelHead, StepId, StepMagnitude, record::Precision};

use crate::{
    element::TileData,
    observe::{Observer, StepInfo, Tile},
};

/// The first step of `model` in half precision. Earlier steps compute with integers and give the
/// same bytes everywhere.
pub fn first_half_step(model: &ModelHead<'_>) -> Option<StepId> {
    half_steps(model).next()
}

/// The steps of `model` in half precision.
pub fn half_steps(model: &ModelHead<'_>) -> impl Iterator<Item = StepId> {
    model.step_ids().map(|(id, _)| id).filter(|&id| model.precision(id) == Precision::Fp16)
}

/// The sum of the magnitudes of a tensor in half precision, in units of 2^-24. Every f16 is a whole
/// number of these units.
#[derive(Debug, Default)]
pub struct Magnitude {
    low: AtomicU32,
    high: AtomicU32,
}

impl Magnitude {
    /// The sum of no values.
    pub const fn new() -> Self {
        Self { low: AtomicU32::new(0), high: AtomicU32::new(0) }
    }

    /// The sum, rounded once.
    pub fn sum(&self) -> f32 {
        (u64::from(self.high.load(Acquire)) << 32 | u64::from(self.low.load(Acquire))) as f32
    }

    fn add(&self, sum: u64) {
        let (low, high) = (sum as u32, (sum >> 32) as u32);
        let carry = self.low.fetch_add(low, AcqRel).checked_add(low).is_none();
        self.high.fetch_add(high + u32::from(carry), AcqRel);
    }

    fn clear(&self) {
        self.low.store(0, Release);
        self.high.store(0, Release);
    }
}

/// The magnitude of f16 bits in units of 2^-24.
fn units(bits: u16) -> u64 {
    let (exponent, fraction) = (u64::from(bits >> 10 & 31), u64::from(bits & 0x3ff));
    if exponent == 0 { fraction } else { (fraction | 0x400) << (exponent - 1) }
}

/// An observer that sums the [`Magnitude`] of the tensor of every step in half precision, into one
/// slot per step in canonical order.
#[derive(Clone, Copy, Debug)]
pub struct StepMagnitudes<'a>(pub &'a [Magnitude]);

impl Observer for StepMagnitudes<'_> {
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        if let Some(slot) = self.0.get(usize::from(step.id.0)) {
            slot.clear();
        }
        ControlFlow::Continue(())
    }

    fn tile(&self, tile: Tile<'_>) {
        if let (None, Some(slot), TileData::F16(values)) = (tile.op, self.0.get(usize::from(tile.id.0)), tile.data) {
            slot.add(values.iter().map(|value| units(value.to_bits())).sum());
        }
    }
}

/// A step whose tensor has another magnitude than a healthy target's.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct StepDrift {
    /// The step.
    pub step: StepId,
    /// Difference of the magnitudes, as a part of the definition's.
    pub off: f32,
    /// Largest difference allowed, as a part of the definition's magnitude.
    pub bound: f32,
}

/// The first step in half precision that is beyond its bounds. `found` has the sum of every step,
/// by its position in canonical order. `expected` gives the definition's sum, by the step's number
/// among the steps in half precision. A missing sum counts as beyond.
pub fn first_step_beyond(model: &ModelHead<'_>, found: &[Magnitude], mut expected: impl FnMut(usize) -> Option<StepMagnitude>) -> Option<StepDrift> {
    let judge = |(number, step): (usize, StepId)| {
        let (Some(found), Some(StepMagnitude { magnitude, bound })) = (found.get(usize::from(step.0)), expected(number)) else {
            return Some(StepDrift { step, off: f32::INFINITY, bound: 0.0 });
        };
        let off = (found.sum() - magnitude).abs();
        // For a tensor of zeros the difference is in units instead of parts.
        let whole = magnitude.max(1.0);
        (off > bound || bound.is_nan()).then_some(StepDrift { step, off: off / whole, bound: bound / whole })
    };
    half_steps(model).enumerate().find_map(judge)
}

/// An observer that compares the logits of a frame with the definition's as they are made.
#[derive(Debug)]
pub struct LogitsDrift<'m> {
    model: &'m ModelHead<'m>,
    step: Option<StepId>,
    /// The definition's logits.
    expected: &'m [Logit],
    /// Their largest magnitude, and the largest difference allowed for one.
    largest: f32,
    limit: f32,
    seen: AtomicUsize,
    /// Bits of the largest difference: the bits of floats that are not negative have the order of
    /// the floats.
    worst: AtomicU32,
    /// The first logit with a larger difference.
    first: AtomicUsize,
}

/// Findings of [`LogitsDrift`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct FoundLogits {
    /// The largest difference as a part of the largest magnitude of the definition's logits.
    /// Infinite if not every logit was seen once.
    pub of_largest: f32,
    /// Index of the first logit beyond the bound, in raster order, class last.
    pub first: Option<usize>,
}

impl<'m> LogitsDrift<'m> {
    /// Compares with `expected`, the logits of a [`hrvit_format::GoldenResult`], within its
    /// `bound`.
    pub fn new(model: &'m ModelHead<'m>, expected: &'m [Logit], bound: DriftBound) -> Self {
        let largest = model.logits_format().values(expected).fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        let (seen, worst, first) = (AtomicUsize::new(0), AtomicU32::new(0), AtomicUsize::new(usize::MAX));
        Self { model, step: model.logits_step(), expected, largest, limit: bound.logits * largest, seen, worst, first }
    }

    /// Findings so far.
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
        // A tile that holds no whole logits counts as none seen, which is drift.
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

/// Difference between a frame's results and the definition's, for an image with half-precision
/// steps.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// The first step beyond its bounds, if there is one.
    pub step: Option<StepDrift>,
    /// Findings on the logits. `None` if they were not compared.
    pub logits: Option<FoundLogits>,
    /// Number of labels that differ.
    pub differ: usize,
    /// Index of the first label that differs, in raster order.
    pub first_label: Option<usize>,
    /// Number of labels compared; 0 with a classifier.
    pub labels: usize,
}

/// The first value beyond its bounds.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum First {
    /// The tensor that a step left behind.
    Step(StepDrift),
    /// A logit.
    Logit {
        /// Row of the logits.
        row: usize,
        /// Column.
        column: usize,
        /// Class.
        class: usize,
    },
    /// The first label that differs, if too many do.
    Label {
        /// Row of the label map.
        row: usize,
        /// Column.
        column: usize,
    },
}

impl Drift {
    /// A comparison of no labels yet.
    pub const fn new(step: Option<StepDrift>, logits: Option<FoundLogits>) -> Self {
        Self { step, logits, differ: 0, first_label: None, labels: 0 }
    }

    /// Adds one label, as (found, expected).
    #[must_use]
    pub fn and(self, (found, expected): (u8, u8)) -> Self {
        let differs = found != expected;
        let first_label = self.first_label.or(differs.then_some(self.labels));
        Self { differ: self.differ + usize::from(differs), first_label, labels: self.labels + 1, ..self }
    }

    /// Whether every step is within its bounds, and logits and labels are within `bound`.
    pub fn is_within(&self, bound: DriftBound) -> bool {
        self.step.is_none() && self.logits_within(bound) && self.differ <= bound.labels as usize
    }

    fn logits_within(&self, bound: DriftBound) -> bool {
        self.logits.is_none_or(|found| found.of_largest <= bound.logits)
    }

    /// The first step beyond its bounds. Else the first logit beyond `bound`, else the first label
    /// that differs if too many do. `None` if all are within.
    pub fn first(&self, model: &ModelHead<'_>, bound: DriftBound) -> Option<First> {
        if let Some(step) = self.step {
            return Some(First::Step(step));
        }
        let (classes, size) = (usize::from(model.meta().network.classes), model.meta().size);
        if let Some(found) = self.logits.filter(|_| !self.logits_within(bound)) {
            let (first, columns) = (found.first?, if self.labels == 0 { 1 } else { size.map(0).1 });
            let (token, class) = (first.checked_div(classes)?, first.checked_rem(classes)?);
            return Some(First::Logit { row: token.checked_div(columns)?, column: token.checked_rem(columns)?, class });
        }
        let (first, columns) = (self.first_label.filter(|_| !self.is_within(bound))?, usize::from(size.width));
        Some(First::Label { row: first.checked_div(columns)?, column: first.checked_rem(columns)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUND: DriftBound = DriftBound { logits: 0.25, labels: 10 };

    #[test]
    fn bounds_hold_up_to_the_bound_itself() {
        let found = |of_largest| Some(FoundLogits { of_largest, first: None });
        let within = |logits, differ| Drift { differ, labels: 2000, ..Drift::new(None, logits) }.is_within(BOUND);
        assert!(within(found(0.25), 10) && within(None, 0));
        assert!(!within(found(0.2501), 0) && !within(found(f32::NAN), 0) && !within(found(f32::INFINITY), 0));
        assert!(!within(found(0.0), 11));
        assert!(!Drift::new(Some(StepDrift { step: StepId(3), off: 0.1, bound: 0.01 }), None).is_within(BOUND));
    }

    #[test]
    fn a_classifier_has_no_labels_to_differ() {
        assert!(Drift::new(None, Some(FoundLogits { of_largest: 0.0, first: None })).is_within(DriftBound { labels: 0, ..BOUND }));
    }

    #[test]
    fn labels_are_counted_and_the_first_that_differs_is_kept() {
        let drift = [(1, 1), (2, 3), (4, 4), (5, 6)].into_iter().fold(Drift::new(None, None), Drift::and);
        assert_eq!((drift.differ, drift.first_label, drift.labels), (2, Some(1), 4));
    }

    #[test]
    fn magnitudes_are_exact_beyond_32_bits() {
        use hrvit_kernels::f16;
        let values = [f16::MAX, f16::MIN, f16::from_bits(1), f16::from_f32(-1.5), f16::from_bits(0x400), f16::from_bits(0x83ff)];
        let each = values.map(|value| (value.to_f64().abs() * 16_777_216.0) as u64);
        assert_eq!(values.map(|value| units(value.to_bits())), each);
        let magnitude = Magnitude::new();
        each.iter().for_each(|units| magnitude.add(*units));
        assert_eq!(magnitude.sum(), each.iter().sum::<u64>() as f32);
        assert!(magnitude.high.load(Acquire) > 255);
        magnitude.add(u64::from(u32::MAX));
        magnitude.add(u64::from(u32::MAX));
        assert_eq!(magnitude.sum(), (each.iter().sum::<u64>() + 2 * u64::from(u32::MAX)) as f32);
    }
}
