//! Golden frames: made when an image is, and checked on every machine that runs it.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use hrvit_core::{
    Kernels, NoObserver, Observer, StepCrcs, StepInfo, Tile,
    drift_f16::{Drift, LogitsDrift, first_half_step},
};
use hrvit_format::{Golden, GoldenResult, Head, Logit, Model, StepId, aligned::AlignedBytes, writer};

use crate::host_engine::{HostEngine, IsaArg, PackedImage};

/// What one frame left behind.
struct Ran {
    crcs: Vec<u32>,
    logits: Vec<Logit>,
    labels: Vec<u8>,
}

/// Keeps the CRC of every step and the logits.
struct Keep<'o> {
    crcs: StepCrcs<'o>,
    /// The step whose tensor the logits are.
    step: StepId,
    logits: Mutex<Vec<Logit>>,
    beside: &'o dyn Observer,
}

impl Keep<'_> {
    fn logits(&self) -> MutexGuard<'_, Vec<Logit>> {
        self.logits.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Keep<'_> {
    fn enter(&self, step: StepInfo) {
        self.crcs.enter(step);
    }

    fn tile(&self, tile: Tile<'_>) {
        self.crcs.tile(tile);
        self.beside.tile(tile);
        if tile.op.is_none() && tile.id == self.step {
            self.logits().extend(tile.data.bytes().as_chunks().0.iter().map(|bits| Logit::from_bits(i16::from_le_bytes(*bits))));
        }
    }
}

/// Runs `frame`, watched by `beside` too.
fn run(engine: &HostEngine<'_>, frame: &[u8], beside: &dyn Observer) -> Result<Ran> {
    let model = engine.model();
    let crcs: Vec<AtomicU32> = model.steps().iter().map(|_| AtomicU32::new(0)).collect();
    let step = model.logits_step().context("a network has logits")?;
    let keep = Keep { crcs: StepCrcs(&crcs), step, logits: Mutex::default(), beside };
    let labels = match model.meta().network.head {
        Head::Segformer => engine.segment(frame, &keep)?,
        Head::Classifier => engine.raw_logits(frame, &keep).map(|_| Vec::new())?,
    };
    let logits = std::mem::take(&mut *keep.logits());
    Ok(Ran { crcs: crcs.iter().map(|slot| slot.load(Ordering::Relaxed)).collect(), logits, labels })
}

/// `image` with `frame` (`[height, width, 3]` RGB) as its golden frame: CRCs of all steps, with half precision those of the definition and its result.
///
/// # Errors
/// If the image is none, or the frame has another size.
pub fn with_golden(image: &AlignedBytes, frame: &[u8]) -> Result<AlignedBytes> {
    let model = Model::load(image)?;
    let half = first_half_step(&model).is_some();
    let kernels = if half { Kernels::SCALAR } else { IsaArg::default().kernels()? };
    let Ran { crcs, logits, labels } = run(&PackedImage::new(image.clone(), kernels)?.load()?, frame, &NoObserver)?;
    let result = half.then_some(GoldenResult { logits: &logits, labels: &labels });
    Ok(writer::with_golden(&model, Golden { crcs: &crcs, frame, result })?)
}

/// What a machine makes of an image's golden frame.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Checked {
    /// There is none.
    Nothing,
    /// Every step leaves the same bytes.
    Equal,
    /// The first step, computed with integers, that leaves other bytes.
    Differs(StepId),
    /// An image with half-precision steps: those before them leave the same bytes.
    Drift(Drift),
}

/// A drift in words: `logits 2.1e-4 of the largest, 3 of 49152 labels differ`.
pub fn text(drift: &Drift) -> String {
    let logits = drift.logits.map(|logits| format!("logits {logits:.1e} of the largest"));
    let labels = (drift.labels > 0).then(|| format!("{} of {} labels differ", drift.differ, drift.labels));
    logits.into_iter().chain(labels).collect::<Vec<_>>().join(", ")
}

/// Compares the golden frame with what this machine makes of it.
///
/// # Errors
/// If the golden frame cannot be run.
pub fn check(engine: &HostEngine<'_>) -> Result<Checked> {
    let model = engine.model();
    let Some(golden) = model.golden() else { return Ok(Checked::Nothing) };
    let drift = golden.result.map(|result| (LogitsDrift::new(model, result.logits), result.labels));
    let beside: &dyn Observer = drift.as_ref().map_or(&NoObserver, |(drift, _)| drift);
    let ran = run(engine, golden.frame, beside)?;
    let exact = first_half_step(model).map_or(golden.crcs.len(), |id| usize::from(id.0));
    if let Some(at) = ran.crcs.iter().zip(golden.crcs).take(exact).position(|(here, there)| here != there) {
        return Ok(Checked::Differs(StepId(at as u16)));
    }
    Ok(drift.map_or(Checked::Equal, |(logits, labels)| {
        let differ = ran.labels.iter().zip(labels).filter(|(here, there)| here != there).count();
        Checked::Drift(Drift { logits: Some(logits.of_largest()), differ, labels: labels.len() })
    }))
}
