//! Results of half precision against those of the definition: its bits differ between instruction sets, so that a target is held to bounds instead of bytes.

use core::sync::atomic::{
    AtomicU32, AtomicUsize,
    Ordering::{AcqRel, Acquire},
};

use bytemuck::try_cast_slice;
use hrvit_format::{Logit, ModelHead, StepId, record::Precision};

use crate::observe::{Observer, Tile};

/// How far a logit may be from the definition's, as a part of the largest logit's magnitude.
///
/// Every f16 that a step stores may be rounded the other way, half a unit in its last place (2^-11), and some hundred of them follow one another; whole networks on every
/// instruction set stay below half of this bound (docs/accuracy.md).
pub const LOGITS_BOUND: f32 = 1.0 / 128.0;

/// Maximum differing labels per 1000. Observed: 0.2 with trained weights, 1.2 with random ones, whose classes are nearly tied in many pixels.
pub const LABELS_BOUND: usize = 5;

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
    seen: AtomicUsize,
    /// Bits of the largest difference, and of the definition's largest magnitude: the bits of floats that are not negative have the order of the floats.
    worst: AtomicU32,
    largest: AtomicU32,
}

impl<'m> LogitsDrift<'m> {
    /// Compares with `expected`, the logits of [`hrvit_format::GoldenResult`].
    pub fn new(model: &'m ModelHead<'m>, expected: &'m [Logit]) -> Self {
        Self { model, step: model.logits_step(), expected, seen: AtomicUsize::new(0), worst: AtomicU32::new(0), largest: AtomicU32::new(0) }
    }

    /// The largest difference as a part of the largest magnitude of the definition's logits; infinite where not every logit came by once.
    pub fn of_largest(&self) -> f32 {
        let [worst, largest] = [&self.worst, &self.largest].map(|bits| f32::from_bits(bits.load(Acquire)));
        if self.seen.load(Acquire) != self.expected.len() || !worst.is_finite() {
            f32::INFINITY
        } else if worst == 0.0 {
            0.0
        } else {
            worst / largest
        }
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
        for (found, expected) in format.values(found).zip(format.values(expected)) {
            self.worst.fetch_max((found - expected).abs().to_bits(), AcqRel);
            self.largest.fetch_max(expected.abs().to_bits(), AcqRel);
        }
        self.seen.fetch_add(found.len(), AcqRel);
    }
}

/// How far a frame of an image with half-precision steps is from the definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Drift {
    /// [`LogitsDrift::of_largest`]; `None` where logits were not compared.
    pub logits: Option<f32>,
    /// Labels that differ.
    pub differ: usize,
    /// All labels; 0 with a classifier.
    pub labels: usize,
}

impl Drift {
    /// Whether the logits are within [`LOGITS_BOUND`] and the labels within [`LABELS_BOUND`].
    pub fn is_within_bounds(&self) -> bool {
        self.logits.is_none_or(|logits| logits <= LOGITS_BOUND) && 1000 * self.differ as u64 <= LABELS_BOUND as u64 * self.labels as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_hold_up_to_the_bound_itself() {
        let within = |logits, differ| Drift { logits, differ, labels: 2000 }.is_within_bounds();
        assert!(within(Some(LOGITS_BOUND), 10) && within(None, 0));
        assert!(!within(Some(LOGITS_BOUND * 1.01), 0) && !within(Some(f32::NAN), 0) && !within(Some(f32::INFINITY), 0));
        assert!(!within(Some(0.0), 11));
    }

    #[test]
    fn a_classifier_has_no_labels_to_differ() {
        assert!(Drift { logits: Some(0.0), differ: 0, labels: 0 }.is_within_bounds());
    }
}
