//! Post-training quantiser: from a float checkpoint and some frames to a model image.
//!
//! `docs/quantiser.md` explains the method with its formulas; `docs/quantisation.md` is the integer
//! contract that it produces numbers for.
//!
//! | module | what it holds |
//! |---|---|
//! | [`encode`] | multipliers, LayerNorm gains, tables |
//! | [`mod@format`] | [`format::Grid`]: codes of a tensor in real units |
//! | [`fraction`] | fractional bits of normalised values |
//! | [`ranges`], [`smoothing`], [`weights`] | searches for scales |
//! | [`sample`], [`stats`], [`streams`] | what calibration keeps of the float network |
//! | [`half`], [`underflow`] | steps in half precision, and what they lose |
//! | `lanes` | loops with wide vectors |
//! | [`mod@derive`] | the grids of every operator, one family per file |
//! | [`operator`] | one quantised operator and its integers |
//! | [`decision`] | the classes that decide |
//! | [`unread`] | channels that nothing reads |
//! | [`codes`] | attention in codes, and the choice of their width |
//! | [`techniques`] | what can be left out, to see what it is good for |
//! | [`simulate`], [`bias`] | the quantised network in real numbers, sequential bias correction |
//! | [`spill`], [`states`], [`session`] | maps between steps, and the loop over them |
//! | [`report`] | signal to quantisation noise per operator |

pub mod bias;
pub mod codes;
pub mod decision;
pub mod derive;
pub mod encode;
pub mod format;
pub mod fraction;
pub mod half;
mod lanes;
mod moments;
pub mod operator;
pub mod ranges;
pub mod report;
pub mod sample;
pub mod session;
pub mod simulate;
pub mod smoothing;
pub mod spill;
pub mod states;
pub mod stats;
pub mod streams;
pub mod techniques;
pub mod underflow;
pub mod unread;
pub mod weights;

#[cfg(test)]
mod tests;

use std::time::Instant;

use anyhow::{Context, Result, ensure};
use hrvit_format::{
    Meta, Network, Packing, Preprocess, Size, Step,
    aligned::AlignedBytes,
    record::Precision,
    writer::{ImageData, StepData, write_image},
};
use hrvit_kernels::exp_table;
use hrvit_reference::{Checkpoint, Folded};

use crate::fit::Placement;

pub use report::{OpReport, Report};
pub use techniques::{Technique, Techniques};

/// Calibration frames at the model's input size.
pub trait Frames: Sync {
    /// Number of frames.
    fn len(&self) -> usize;

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// `[height, width, 3]` RGB of frame `i`.
    ///
    /// # Errors
    /// If it cannot be read.
    fn rgb(&self, i: usize) -> Result<Vec<u8>>;

    /// Place in frame `i` of the frame that was taken: figures leave out the bars of a letterbox.
    fn placement(&self, _i: usize) -> Placement {
        Placement::WHOLE
    }
}

/// Told about the quantiser's tasks, from several threads.
pub trait Progress: Sync {
    /// A task of `total` units starts.
    fn begin(&self, task: &str, total: usize);

    /// Part that the task is at.
    fn at(&self, part: &str) {
        let _ = part;
    }

    /// `count` units of it are done.
    fn advance(&self, count: usize);
}

/// Tells nobody.
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _: &str, _: usize) {}

    fn advance(&self, _: usize) {}
}

/// Settings that do not follow from checkpoint and frames.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Decides which tokens are sampled.
    pub seed: u64,
    /// How the image came to be; free text.
    pub provenance: String,
    /// Of a network that [`crate::binary`] made one of two classes: from which probability on a
    /// decision is the class.
    pub threshold: Option<f32>,
    /// Names of the classes, or none.
    pub class_names: Vec<String>,
    /// R, G, B of the classes, or none.
    pub colours: Vec<[u8; 3]>,
    /// Techniques beyond rounding.
    pub techniques: Techniques,
    /// Serial number (RFC 1982): of two valid images on a device the greater is newer.
    pub sequence: u32,
    /// Arithmetic of every step: [`Precision::Int8`] or [`Precision::Int16x8`]. [`to_fp16`] makes
    /// half precision.
    pub precision: Precision,
}

/// A quantised network.
pub struct Quantised {
    /// Integers of every step, in canonical order.
    pub steps: Vec<StepData>,
    /// The model image, without golden frame ([`crate::golden::with_golden`] adds one).
    pub image: AlignedBytes,
    /// The measurements.
    pub report: Report,
}

/// A step in one precision, or why it has none.
pub type Tried = Result<StepData, Refusal>;

/// Why a step does not fit a precision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The step.
    pub step: Step,
    /// Why, with the name of the operator.
    pub why: String,
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}

impl std::error::Error for Refusal {}

/// The steps of a network in one precision, some of which may not fit it.
pub struct Derived {
    /// In canonical order.
    pub steps: Vec<Tried>,
    /// The measurements.
    pub report: Report,
    header: Header,
}

impl Derived {
    /// The network, if every step fits.
    ///
    /// # Errors
    /// The first refusal, or if the steps make no valid image.
    pub fn whole(self) -> Result<Quantised> {
        let steps = self.steps.into_iter().collect::<Result<Vec<_>, _>>()?;
        let image = self.header.write(&steps)?;
        Ok(Quantised { steps, image, report: self.report })
    }

    /// The derived network.
    pub fn network(&self) -> &Network {
        &self.header.network
    }

    /// For frames of this size.
    pub fn size(&self) -> Size {
        self.header.size
    }

    /// The image with these steps, the texts of its header as they are.
    ///
    /// # Errors
    /// If the steps make no valid image.
    pub fn with_steps(&self, steps: &[StepData]) -> Result<AlignedBytes> {
        self.header.write(steps)
    }
}

/// The owned texts of the image's header.
struct Header {
    network: Network,
    size: Size,
    preprocess: Preprocess,
    threshold: Option<f32>,
    class_names: String,
    colours: Vec<u8>,
    provenance: String,
    sequence: u32,
}

impl Header {
    fn new(folded: &Folded, size: Size, options: &Options) -> Result<Self> {
        let network = folded.network();
        let classes = usize::from(network.classes);
        let counts = [("names", options.class_names.len()), ("colours", options.colours.len())];
        for (what, count) in counts {
            ensure!(count == 0 || count == classes, "{count} class {what} for a network of {classes} classes");
        }
        Ok(Self {
            network: network.clone(),
            size,
            preprocess: *folded.preprocess(),
            threshold: options.threshold,
            class_names: options.class_names.join("\n"),
            colours: options.colours.concat(),
            provenance: options.provenance.clone(),
            sequence: options.sequence,
        })
    }

    fn write(&self, steps: &[StepData]) -> Result<AlignedBytes> {
        let meta = Meta {
            network: self.network.clone(),
            size: self.size,
            preprocess: self.preprocess,
            threshold: self.threshold,
            class_names: &self.class_names,
            colours: &self.colours,
            provenance: &self.provenance,
        };
        let exp = &exp_table();
        let data = ImageData { meta: &meta, sequence: self.sequence, packing: Packing::Rows, steps, exp, golden: None };
        write_image(&data).context("the quantised network does not make a valid model image")
    }
}

/// Quantises `checkpoint` for frames of `size`. The result depends on the arguments only, not on
/// the number of threads.
///
/// # Errors
/// If there is no frame, a frame cannot be read, or an operator does not fit its format; names what
/// and where.
pub fn quantize(checkpoint: &Checkpoint, size: Size, frames: &dyn Frames, options: &Options, progress: &dyn Progress) -> Result<Quantised> {
    derive_steps(checkpoint, size, frames, options, progress, true)?.whole()
}

/// [`quantize`], where a step may not fit: steps after it are derived as if it ran in float.
///
/// # Errors
/// If there is no frame, or a frame cannot be read.
pub fn try_quantize(checkpoint: &Checkpoint, size: Size, frames: &dyn Frames, options: &Options, progress: &dyn Progress) -> Result<Derived> {
    derive_steps(checkpoint, size, frames, options, progress, false)
}

/// Every step, or those up to the first that does not fit if `all` must.
fn derive_steps(checkpoint: &Checkpoint, size: Size, frames: &dyn Frames, options: &Options, progress: &dyn Progress, all: bool) -> Result<Derived> {
    let network = checkpoint.network();
    let start = Instant::now();
    ensure!(options.precision != Precision::Fp16, "half precision is not calibrated: it is made by `to_fp16`");
    ensure!(!frames.is_empty(), "quantising needs at least one calibration frame; some hundred from the training set are usual");
    let folded = Folded::new(checkpoint);
    let header = Header::new(&folded, size, options)?;
    let mut session = session::Session::new(network, folded, size, frames, options, progress)?;
    let mut report = Report { frames: frames.len(), measured_frames: frames.len().min(session::MEASURED), ..Report::default() };
    report.warnings = session.stream_warnings();
    let mut steps = Vec::new();
    for step in network.steps() {
        let finished = session.step(step)?;
        steps.push(finished.data.map_err(|why| refusal(step, &why)));
        if all && steps.last().is_some_and(Result::is_err) {
            break;
        }
        report.ops.extend(finished.report);
        report.logits_db = report.logits_db.or(finished.logits_db);
        report.warnings.extend(finished.warning);
    }
    report.seconds = start.elapsed().as_secs_f64();
    Ok(Derived { steps, report, header })
}

/// `checkpoint` in half precision, for frames of `size`. Needs no calibration.
///
/// # Errors
/// If a weight is beyond half precision; names the operator.
pub fn to_fp16(checkpoint: &Checkpoint, size: Size, options: &Options) -> Result<Quantised> {
    try_fp16(checkpoint, size, options)?.whole()
}

/// [`to_fp16`], where a step may not fit.
///
/// # Errors
/// If names or colours are not as many as the classes.
pub fn try_fp16(checkpoint: &Checkpoint, size: Size, options: &Options) -> Result<Derived> {
    let start = Instant::now();
    let folded = unread::quiet(checkpoint);
    let header = Header::new(&folded, size, options)?;
    let steps = checkpoint.network().steps().map(|step| half::half_step(&folded, step).map_err(|why| refusal(step, &why))).collect();
    let report = Report { seconds: start.elapsed().as_secs_f64(), ..Report::default() };
    Ok(Derived { steps, report, header })
}

fn refusal(step: Step, why: &anyhow::Error) -> Refusal {
    Refusal { step, why: format!("{why:#}") }
}
