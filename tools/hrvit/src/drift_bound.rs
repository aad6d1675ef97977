//! How far a healthy target's result may be from the definition's, in half precision: measured for each image, by every order of f16 sums that targets have.
//!
//! One bit of an f16 may become one code of an integer step behind it, and that another one: what a network makes of a bit is no constant, least of all where integers follow half
//! precision. Every [`Order`] in plain code runs the golden frame and other frames; an image's bounds are the worst of that times a factor. The golden frame is among
//! them, so that a target whose kernels keep their order is within its bounds by that factor.

use anyhow::{Result, ensure};
use hrvit_core::drift_f16::{Drift, FoundLogits};
use hrvit_format::{DriftBound, Head, Logit, LogitFormat, Model, aligned::AlignedBytes};
use hrvit_kernels::{Kernels, Order};
use rayon::prelude::*;

use crate::golden;
use crate::host_engine::{HostEngine, PackedImage};
use crate::quantize::Frames;
use crate::quantize::sample::spread_frames;

/// Frames on which orders are compared, where there are so many.
pub const FRAMES: usize = 8;
/// Bounds over the worst that was found on [`FRAMES`] frames, and on fewer.
pub const FACTOR: f32 = 4.0;
/// See [`FACTOR`].
pub const FACTOR_OF_FEW: f32 = 8.0;
/// The least bound on logits: four times half a unit in the last place of the largest.
pub const LEAST_LOGITS: f32 = 1.0 / 512.0;
/// The least bound on labels: one of so many.
pub const LEAST_LABELS: usize = 1000;

/// The worst that was found.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Of a logit, as a part of the largest one's magnitude.
    pub logits: f32,
    /// Labels that differ in a frame.
    pub labels: usize,
    /// Frames that were compared.
    pub frames: usize,
}

impl Spread {
    /// The bounds that follow, of an image whose frames have so many labels.
    pub fn bound(&self, labels: usize) -> DriftBound {
        let factor = if self.frames < FRAMES { FACTOR_OF_FEW } else { FACTOR };
        let most = (factor * self.labels as f32).ceil() as usize;
        DriftBound { logits: (factor * self.logits).max(LEAST_LOGITS), labels: most.max(labels.div_ceil(LEAST_LABELS)).min(labels) as u32 }
    }
}

/// The bounds of `image`, by its first frame and some of the others.
///
/// # Errors
/// If the image is none, or a frame has another size.
pub fn measure(image: &AlignedBytes, frames: &dyn Frames) -> Result<DriftBound> {
    let spread = spread(image, frames)?;
    let model = Model::load(image)?;
    let labels = if model.meta().network.head == Head::Segformer { model.meta().size.pixels() } else { 0 };
    Ok(spread.bound(labels))
}

/// The worst of every order on the first of `frames` and on some of the others.
///
/// # Errors
/// As [`measure`].
pub fn spread(image: &AlignedBytes, frames: &dyn Frames) -> Result<Spread> {
    ensure!(!frames.is_empty(), "half precision is held to bounds that frames decide: there is none");
    let engine = |order: &Order| PackedImage::new(image.clone(), Kernels::in_order(*order))?.load();
    let [definition, others @ ..] = Order::ALL;
    let definition = engine(&definition)?;
    let others: Vec<HostEngine> = others.iter().map(engine).collect::<Result<_>>()?;
    let format = definition.model().logits_format();
    // The first is the golden frame.
    let chosen = spread_frames(frames.len(), FRAMES);
    let worst = chosen.par_iter().map(|&at| -> Result<Spread> {
        let frame = frames.rgb(at)?;
        let expected = golden::result(&definition, &frame)?;
        let mut worst = Spread { frames: 1, ..Spread::default() };
        for other in &others {
            let drift = drift(format, &golden::result(other, &frame)?, &expected);
            worst.logits = worst.logits.max(drift.logits.map_or(0.0, |found| found.of_largest));
            worst.labels = worst.labels.max(drift.differ);
        }
        Ok(worst)
    });
    let both = |a: Spread, b: Spread| Spread { logits: a.logits.max(b.logits), labels: a.labels.max(b.labels), frames: a.frames + b.frames };
    worst.try_reduce(Spread::default, |a, b| Ok(both(a, b)))
}

/// How far labels and logits are from others.
fn drift(format: LogitFormat, found: &(Vec<u8>, Vec<Logit>), expected: &(Vec<u8>, Vec<Logit>)) -> Drift {
    let largest = format.values(&expected.1).fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
    let pairs = format.values(&found.1).zip(format.values(&expected.1));
    let worst = pairs.map(|(found, expected)| (found - expected).abs()).fold(0.0, f32::max);
    let of_largest = if worst == 0.0 { 0.0 } else { worst / largest };
    Drift::new(Some(FoundLogits { of_largest, first: None }), found.0.iter().copied().zip(expected.0.iter().copied()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_4_times_the_worst_of_8_frames_and_8_times_that_of_fewer() {
        let of = |frames| Spread { logits: 0.01, labels: 30, frames }.bound(10_000);
        assert_eq!(of(8), DriftBound { logits: 0.04, labels: 120 });
        assert_eq!(of(7), DriftBound { logits: 0.08, labels: 240 });
    }

    #[test]
    fn what_hardly_drifts_has_room_for_a_unit_in_the_last_place_and_a_label_of_a_thousand() {
        assert_eq!(Spread { frames: 8, ..Spread::default() }.bound(6144), DriftBound { logits: 1.0 / 512.0, labels: 7 });
        assert_eq!(Spread { labels: 60, frames: 1, logits: 0.0 }.bound(100).labels, 100, "no more than there are");
    }
}
