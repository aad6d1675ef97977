//! The gate of `hrvit quantize` on an edited network, beside the judgement of other frames.

use anyhow::Result;
use hrvit_reference::Checkpoint;
use hrvit_tool::{
    float::Float,
    hold_out::{
        gate::{Complaint, Gate, passed_over},
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

/// Outcome of a network.
#[derive(Clone, Debug)]
pub enum Audit {
    /// The quantiser or the engine refuses it.
    Refused(String),
    /// The gate refuses the image.
    Gated(String),
    /// The image is written.
    Written {
        /// Complaints of other frames.
        complaints: Vec<String>,
        /// The same of classes that the frames that calibrated hardly show, which `hrvit quantize`
        /// lists as not judged.
        not_judged: Vec<String>,
    },
}

impl Judge {
    /// Quantises `checkpoint` and gates the image on the frames that calibrated it. Judges an image
    /// that passes on other frames. Both compare with the float network of `checkpoint` itself.
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
        let calibrated = decided(self.calibration_frames(), &float, &engine)?;
        let refused = gate.judge(&calibrated, &names, float.head()).refused;
        if !refused.is_empty() {
            return Ok(Audit::Gated(refused.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")));
        }
        let passed_over = passed_over(&calibrated, &names, float.head());
        let worse = gate.judge(&decided(&self.validation, &float, &engine)?, &names, float.head()).refused;
        let worse = worse.into_iter().filter(|complaint| complaint.found < complaint.threshold - SLACK);
        let is_judged = |complaint: &Complaint| complaint.class.as_ref().is_none_or(|class| !passed_over.contains(&class.as_str()));
        let (complaints, not_judged): (Vec<Complaint>, Vec<Complaint>) = worse.partition(is_judged);
        let [complaints, not_judged] = [complaints, not_judged].map(|all| all.iter().map(ToString::to_string).collect());
        Ok(Audit::Written { complaints, not_judged })
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
