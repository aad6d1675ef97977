//! The drift report: what a model image costs against the float network it was made from, measured,
//! judged and drawn.
//!
//! | module | what it holds |
//! |---|---|
//! | [`task`] | IoU and pixel accuracy with bootstrap intervals over the frames |
//! | [`agreement`] | where label maps of two precisions agree: at borders, by margin, class by class |
//! | [`steps`] | signal to quantisation noise of every step, alone and accumulated |
//! | [`macs`] | how many products are of two 8-bit numbers |
//! | [`measure`] | all of it over a set of frames |
//! | [`draws`] | several images of one network, each calibrated with other frames |
//! | [`classifier`] | the same of classifiers: which classes come first |
//! | [`bars`], [`verdict`] | what is demanded, and whether it is met |
//! | [`pictures`], [`charts`], [`page`] | the HTML page |

pub mod agreement;
pub mod bars;
pub mod charts;
pub mod classifier;
pub mod draws;
pub mod macs;
pub mod measure;
pub mod page;
pub mod pictures;
pub mod steps;
pub mod task;
pub mod verdict;

use serde::Serialize;

use crate::inference::Inference;

/// Everything that a report says; its JSON document.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Subject of the measurement.
    pub subject: Subject,
    /// Task metrics of every precision, float first.
    pub quality: Vec<task::Quality>,
    /// Cost of every other precision against float.
    pub drift: Vec<Drift>,
    /// Demands and findings; empty without bars.
    pub verdicts: Vec<verdict::Verdict>,
}

/// Subject of a measurement.
#[derive(Clone, Debug, Serialize)]
pub struct Subject {
    /// The model image's file.
    pub model: String,
    /// Its bytes.
    pub model_bytes: usize,
    /// Its CRC32, as its last four bytes have it.
    pub model_crc32: String,
    /// The image's record of its origin.
    pub provenance: String,
    /// The checkpoint of the float network.
    pub weights: String,
    /// Folder of the frames.
    pub data: String,
    /// Frames measured.
    pub frames: usize,
    /// Frames on which steps were measured.
    pub step_frames: usize,
    /// Input height and width.
    pub size: [u16; 2],
    /// How the networks saw a frame.
    pub inference: Inference,
    /// Names of the classes.
    pub classes: Vec<String>,
    /// Bootstrap resamples behind every interval.
    pub resamples: usize,
    /// Seed of the bootstrap.
    pub seed: u64,
}

/// Cost of one precision against float.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// The precision.
    pub precision: &'static str,
    /// Its task metrics less float's.
    pub delta: task::Delta,
    /// Agreement: both give the same class.
    pub agreement: agreement::AgreementReport,
    /// Signal to quantisation noise of the logits over all frames, in dB.
    pub logits_sqnr_db: Option<f64>,
    /// Products by the width of their operands.
    pub macs: macs::Macs,
    /// Every step that leaves a real tensor, in canonical order.
    pub steps: Vec<steps::StepDrift>,
    /// Other calibrations of the same network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<draws::Draws>,
    /// The frames that agree least, worst first.
    pub worst: Vec<WorstFrame>,
}

/// One of the frames that agree least.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstFrame {
    /// File stem.
    pub name: String,
    /// Share of its pixels on which both give the same class.
    pub agreement: f64,
}
