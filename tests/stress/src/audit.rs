//! What the gate of `hrvit quantize` says of an edited network, and what other frames say.

use anyhow::Result;
use hrvit_reference::Checkpoint;
use hrvit_tool::{
    float::Float,
    hold_out::{
        gate::{Complaint, Gate},
        measure::{Decided, Decision},
    },
    host_engine::{HostEngine, PackedImage},
    segmenter::Segmenter as _,
};
use image::RgbImage;
use rayon::prelude::*;

use crate::judge::Judge;

/// How far below a threshold other frames may be, of an image that the gate lets pass.
const SLACK: f64 = 0.02;

/// What became of a network.
#[derive(Clone, Debug)]
pub enum Audit {
    /// The quantiser or the engine refuses it.
    Refused(String),
    /// The gate refuses the image.
    Gated(String),
    /// The image is written, and other frames agree that it may be, but for these complaints.
    Written(Vec<String>),
}

impl Judge {
    /// Quantises `checkpoint`, gates the image on the frames that calibrated it and judges what passes on other frames; both against the float network of
    /// `checkpoint` itself.
    ///
    /// # Errors
    /// If a frame does not fit.
    pub fn audit(&self, checkpoint: &Checkpoint) -> Result<Audit> {
        let packed = match self.quantise(checkpoint).and_then(|image| PackedImage::new(image, self.kernels)) {
            Ok(packed) => packed,
            Err(refused) => return Ok(Audit::Refused(format!("{refused:#}"))),
        };
        let engine = packed.load()?;
        let float = Float::new(checkpoint.clone(), self.size);
        let gate = Gate { min_agreement: 0.95 };
        let names: Vec<String> = (0..float.classes()).map(|class| format!("class {class}")).collect();
        let judge = |frames: &[RgbImage]| -> Result<Vec<Complaint>> { Ok(gate.judge(&decided(frames, &float, &engine)?, &names, float.head()).refused) };
        let refused = judge(self.calibration_frames())?;
        if !refused.is_empty() {
            return Ok(Audit::Gated(refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
        }
        let worse = judge(&self.validation)?.into_iter().filter(|complaint| complaint.found < complaint.threshold - SLACK);
        Ok(Audit::Written(worse.map(|complaint| complaint.to_string()).collect()))
    }
}

/// Decisions of both networks on `frames`.
fn decided(frames: &[RgbImage], float: &Float, engine: &HostEngine) -> Result<Decided> {
    let one = |frame: &RgbImage| -> Result<Decided> {
        let [exact, found] = [float.logits(frame)?, engine.logits(frame)?].map(|logits| Decision::of(&logits, float.head()));
        let mut decided = Decided::default();
        decided.add(&exact, &found, f32::INFINITY, float.classes());
        Ok(decided)
    };
    let all: Vec<Decided> = frames.par_iter().map(one).collect::<Result<_>>()?;
    Ok(all.iter().fold(Decided::default(), |mut all, one| {
        all.merge(one);
        all
    }))
}
