//! Golden frames: made when an image is, and checked on every machine that runs it.

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result};
use hrvit_core::drift_f16::{Drift, First, LogitsDrift, StepDrift, first_half_step, first_step_beyond};
use hrvit_core::{Kernels, NoObserver, Observer};
use hrvit_format::{DriftBound, Golden, GoldenResult, Model, Size, Step, StepId, aligned::AlignedBytes, writer};

use crate::drift_bound;
use crate::fit::Fitting;
use crate::frames;
use crate::host_engine::{HostEngine, IsaArg, PackedImage};
use crate::quantize::Frames;
use crate::traced::run;

/// One frame in front of others.
pub struct InFront<'f> {
    first: Vec<u8>,
    others: &'f dyn Frames,
}

impl<'f> InFront<'f> {
    /// The frame at `path`, fitted to `size`, in front of `others`.
    ///
    /// # Errors
    /// If it cannot be read.
    pub fn of(path: &Path, size: Size, fitting: Fitting, others: &'f dyn Frames) -> Result<Self> {
        let frame = frames::read(path)?;
        let (input, _) = fitting.input(&frame, size).with_context(|| format!("the golden frame {}", path.display()))?;
        Ok(Self { first: input.into_raw(), others })
    }
}

impl Frames for InFront<'_> {
    fn len(&self) -> usize {
        self.others.len() + 1
    }

    fn rgb(&self, i: usize) -> Result<Vec<u8>> {
        i.checked_sub(1).map_or_else(|| Ok(self.first.clone()), |i| self.others.rgb(i))
    }
}

/// `image` with the first of `frames` as its golden frame: CRCs of all steps, with half precision
/// those of the definition, its result, and how far healthy targets may be from that
/// ([`drift_bound`]).
///
/// # Errors
/// If the image is none, or there is no frame or one of another size.
pub fn with_golden(image: &AlignedBytes, frames: &dyn Frames) -> Result<AlignedBytes> {
    let frame = &frames.rgb(0)?;
    let model = Model::load(image)?;
    let half = first_half_step(&model).is_some();
    let kernels = if half { Kernels::SCALAR } else { IsaArg::default().kernels()? };
    let ran = run(&PackedImage::new(image.clone(), kernels)?.load()?, frame, &NoObserver)?;
    let measured = if half { Some(drift_bound::measure(image, frames)?) } else { None };
    let steps = measured.as_ref().map_or_else(Vec::new, |(_, spread)| spread.steps(&ran.half_magnitudes(&model)));
    let result = measured.map(|(bound, _)| GoldenResult { bound, steps: &steps, logits: &ran.logits, labels: &ran.labels });
    Ok(writer::with_golden(&model, Golden { crcs: &ran.crcs, frame, result })?)
}

/// Result of a machine on an image's golden frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Checked {
    /// There is none.
    Nothing,
    /// Every step leaves the same bytes.
    Equal,
    /// The first step, computed with integers, that leaves other bytes.
    Differs(StepId),
    /// An image with half-precision steps: those before them leave the same bytes.
    Drift(Found),
}

/// How far an image with half-precision steps is from the definition.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Found {
    /// How far.
    pub drift: Drift,
    /// How far it may be.
    pub bound: DriftBound,
    /// The first value that is farther, if any is.
    pub first: Option<First>,
    /// The step that this is, by name.
    step: Option<Step>,
}

impl Found {
    /// Whether this is a healthy machine's result.
    pub fn is_within_bound(&self) -> bool {
        self.drift.is_within(self.bound)
    }
}

/// In words: `logits 2.1e-4 of the largest (bound 2.0e-3), 3 of 49152 labels differ (bound 50)`,
/// and what is beyond its bounds first.
impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { drift, bound, first, step } = self;
        if let Some(logits) = drift.logits {
            write!(f, "logits {:.1e} of the largest (bound {:.1e})", logits.of_largest, bound.logits)?;
        }
        if drift.labels > 0 {
            write!(f, ", {} of {} labels differ (bound {})", drift.differ, drift.labels, bound.labels)?;
        }
        match first {
            Some(First::Step(StepDrift { step: id, off, bound })) => {
                f.write_str("; first step ")?;
                match step {
                    Some(step) => write!(f, "{step}")?,
                    None => write!(f, "{}", id.0)?,
                }
                write!(f, ", whose values are {off:.1e} of their sum larger or smaller (bound {bound:.1e})")
            }
            Some(First::Logit { row, column, class }) => write!(f, "; first the logit of class {class} at row {row}, column {column}"),
            Some(First::Label { row, column }) => write!(f, "; first the label at row {row}, column {column}"),
            None => Ok(()),
        }
    }
}

/// Compares the golden frame with what this machine makes of it.
///
/// # Errors
/// If the golden frame cannot be run.
pub fn check(engine: &HostEngine) -> Result<Checked> {
    let model = engine.model();
    let Some(golden) = model.golden() else { return Ok(Checked::Nothing) };
    let drift = golden.result.map(|result| (LogitsDrift::new(&model, result.logits, result.bound), result));
    let beside: &dyn Observer = drift.as_ref().map_or(&NoObserver, |(drift, _)| drift);
    let ran = run(engine, golden.frame, beside)?;
    let exact = first_half_step(&model).map_or(golden.crcs.len(), |id| usize::from(id.0));
    if let Some(at) = ran.crcs.iter().zip(golden.crcs).take(exact).position(|(here, there)| here != there) {
        return Ok(Checked::Differs(StepId(at as u16)));
    }
    Ok(drift.map_or(Checked::Equal, |(logits, GoldenResult { bound, steps, labels, .. })| {
        let step = first_step_beyond(&model, &ran.magnitudes, |number| steps.get(number).copied());
        let drift = ran.labels.iter().copied().zip(labels.iter().copied()).fold(Drift::new(step, Some(logits.found())), Drift::and);
        let name = |beyond: StepDrift| model.step_ids().find(|(id, _)| *id == beyond.step).map(|(_, step)| step);
        Checked::Drift(Found { drift, bound, first: drift.first(&model, bound), step: step.and_then(name) })
    }))
}
