//! Bounds on the distance of a healthy target's result from the definition's, in half precision.
//! They are measured for each image, with every order of f16 sums that targets have.
//!
//! One bit of an f16 may become one code of an integer step behind it, which changes further codes.
//! The effect of a bit is no constant of a network, least of all if integers follow half precision.
//! Every [`Order`] in plain code runs the golden frame and other frames; an image's bounds are the
//! worst of that times a factor. The golden frame is among them, so that a target whose kernels
//! keep their order is within its bounds by that factor.

use anyhow::{Result, ensure};
use hrvit_core::NoObserver;
use hrvit_format::{DriftBound, Head, LogitFormat, Model, StepMagnitude, aligned::AlignedBytes};
use hrvit_kernels::{Kernels, Order};
use rayon::prelude::*;

use crate::host_engine::{HostEngine, PackedImage};
use crate::quantize::Frames;
use crate::quantize::sample::spread_frames;
use crate::traced::{self, Ran};

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
/// The least bound on a step's magnitude, as a part of it: errors of single values, of 1/2048,
/// mostly cancel in their sum.
pub const LEAST_MAGNITUDE: f32 = 1.0 / 131072.0;

/// The unit of magnitudes: what one of nothing is a part of.
const UNIT: f32 = 1.0;

/// The worst that was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread {
    /// Of a logit, as a part of the largest one's magnitude.
    pub logits: f32,
    /// Labels that differ in a frame.
    pub labels: usize,
    /// Of every step in half precision, as a part of its magnitude.
    pub steps: Vec<f32>,
    /// Frames that were compared.
    pub frames: usize,
}

impl Spread {
    fn factor(&self) -> f32 {
        if self.frames < FRAMES { FACTOR_OF_FEW } else { FACTOR }
    }

    /// The bounds on the result that follow, of an image whose frames have so many labels.
    pub fn bound(&self, labels: usize) -> DriftBound {
        let most = (self.factor() * self.labels as f32).ceil() as usize;
        DriftBound { logits: (self.factor() * self.logits).max(LEAST_LOGITS), labels: most.max(labels.div_ceil(LEAST_LABELS)).min(labels) as u32 }
    }

    /// Bounds on the tensors that steps leave behind, whose magnitudes in the golden frame these
    /// are.
    pub fn steps(&self, magnitudes: &[f32]) -> Vec<StepMagnitude> {
        let part = |spread: &f32| (self.factor() * spread).max(LEAST_MAGNITUDE);
        magnitudes.iter().zip(&self.steps).map(|(&magnitude, spread)| StepMagnitude { magnitude, bound: part(spread) * magnitude.max(UNIT) }).collect()
    }

    /// With what `found` is off `expected`.
    fn and(mut self, found: &Compared, expected: &Compared, format: LogitFormat) -> Self {
        let worst = |found: &[f32], expected: &[f32]| found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let values = |compared: &Compared| format.values(&compared.ran.logits).collect::<Vec<_>>();
        let (logits, expected_logits) = (values(found), values(expected));
        let largest = expected_logits.iter().fold(0.0, |largest: f32, logit| largest.max(logit.abs()));
        self.logits = self.logits.max(part(worst(&logits, &expected_logits), largest));
        self.labels = self.labels.max(found.ran.labels.iter().zip(&expected.ran.labels).filter(|(a, b)| a != b).count());
        self.steps.resize(expected.magnitudes.len(), 0.0);
        for (spread, (found, expected)) in self.steps.iter_mut().zip(found.magnitudes.iter().zip(&expected.magnitudes)) {
            *spread = spread.max((found - expected).abs() / expected.max(UNIT));
        }
        self
    }

    /// The worst of both.
    fn worst(self, mut other: Self) -> Self {
        let len = self.steps.len().max(other.steps.len());
        other.steps.resize(len, 0.0);
        for (spread, more) in other.steps.iter_mut().zip(&self.steps) {
            *spread = spread.max(*more);
        }
        Self { logits: self.logits.max(other.logits), labels: self.labels.max(other.labels), steps: other.steps, frames: self.frames + other.frames }
    }
}

/// `difference` as a part of `whole`; nothing is no part of nothing.
fn part(difference: f32, whole: f32) -> f32 {
    if difference == 0.0 { 0.0 } else { difference / whole }
}

/// Result of one order on a frame.
struct Compared {
    ran: Ran,
    magnitudes: Vec<f32>,
}

impl Compared {
    fn new(engine: &HostEngine, frame: &[u8]) -> Result<Self> {
        let ran = traced::run(engine, frame, &NoObserver)?;
        Ok(Self { magnitudes: ran.half_magnitudes(&engine.model()), ran })
    }
}

/// The bounds on the result of `image`, and the spread that they follow from, by its first frame
/// and some of the others.
///
/// # Errors
/// If the image is none, or a frame has another size.
pub fn measure(image: &AlignedBytes, frames: &dyn Frames) -> Result<(DriftBound, Spread)> {
    let spread = spread(image, frames)?;
    let model = Model::load(image)?;
    let labels = if model.meta().network.head == Head::Segformer { model.meta().size.pixels() } else { 0 };
    Ok((spread.bound(labels), spread))
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
    let of_frame = |&at: &usize| -> Result<Spread> {
        let frame = frames.rgb(at)?;
        let expected = Compared::new(&definition, &frame)?;
        let start = Spread { frames: 1, ..Spread::default() };
        others.iter().try_fold(start, |spread, other| Ok(spread.and(&Compared::new(other, &frame)?, &expected, format)))
    };
    spread_frames(frames.len(), FRAMES).par_iter().map(of_frame).try_reduce(Spread::default, |a, b| Ok(a.worst(b)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds_are_4_times_the_worst_of_8_frames_and_8_times_that_of_fewer() {
        let of = |frames| Spread { logits: 0.01, labels: 30, steps: vec![0.5, 0.0], frames };
        assert_eq!(of(8).bound(10_000), DriftBound { logits: 0.04, labels: 120 });
        assert_eq!(of(7).bound(10_000), DriftBound { logits: 0.08, labels: 240 });
        assert_eq!(of(8).steps(&[10.0, 131_072.0]), [(10.0, 20.0), (131_072.0, 1.0)].map(|(magnitude, bound)| StepMagnitude { magnitude, bound }));
    }

    #[test]
    fn the_worst_of_two_frames_is_that_of_each_step() {
        let of = |steps: &[f32], labels| Spread { logits: 0.1, labels, steps: steps.to_vec(), frames: 1 };
        assert_eq!(of(&[0.1, 0.3], 5).worst(of(&[0.2, 0.1], 4)), Spread { frames: 2, ..of(&[0.2, 0.3], 5) });
        assert_eq!(Spread::default().worst(of(&[0.2], 1)).steps, [0.2]);
    }

    #[test]
    fn what_hardly_drifts_has_room_for_a_unit_in_the_last_place_and_a_label_of_a_thousand() {
        assert_eq!(Spread { frames: 8, ..Spread::default() }.bound(6144), DriftBound { logits: 1.0 / 512.0, labels: 7 });
        assert_eq!(Spread { labels: 60, frames: 1, ..Spread::default() }.bound(100).labels, 100, "no more than there are");
    }
}
