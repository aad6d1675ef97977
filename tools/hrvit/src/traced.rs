//! One frame on the host's engine, with the CRC and the magnitude of every step.

use std::ops::ControlFlow;
use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU32, Ordering},
};

use anyhow::{Context, Result};
use hrvit_core::drift_f16::{Magnitude, StepMagnitudes, half_steps};
use hrvit_core::{Observer, StepCrcs, StepInfo, Tile};
use hrvit_format::{Head, Logit, Model, StepId};

use crate::host_engine::HostEngine;

/// Results of one frame.
pub(crate) struct Ran {
    pub(crate) crcs: Vec<u32>,
    pub(crate) magnitudes: Vec<Magnitude>,
    pub(crate) logits: Vec<Logit>,
    pub(crate) labels: Vec<u8>,
}

impl Ran {
    /// Magnitudes that every step of `model` in half precision left behind, summed.
    pub(crate) fn half_magnitudes(&self, model: &Model<'_>) -> Vec<f32> {
        half_steps(model).map(|step| self.magnitudes[usize::from(step.0)].sum()).collect()
    }
}

/// Keeps the CRC of every step, the magnitude of those in half precision, and the logits.
struct Keep<'o> {
    crcs: StepCrcs<'o>,
    magnitudes: StepMagnitudes<'o>,
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
    fn enter(&self, step: StepInfo) -> ControlFlow<()> {
        self.magnitudes.enter(step)?;
        self.crcs.enter(step)
    }

    fn tile(&self, tile: Tile<'_>) {
        self.crcs.tile(tile);
        self.magnitudes.tile(tile);
        self.beside.tile(tile);
        if tile.op.is_none() && tile.id == self.step {
            self.logits().extend(tile.data.bytes().as_chunks().0.iter().map(|bits| Logit::from_bits(i16::from_le_bytes(*bits))));
        }
    }
}

/// Runs `frame`, watched by `beside` too.
pub(crate) fn run(engine: &HostEngine, frame: &[u8], beside: &dyn Observer) -> Result<Ran> {
    let model = engine.model();
    let crcs: Vec<AtomicU32> = model.steps().iter().map(|_| AtomicU32::new(0)).collect();
    let step = model.logits_step().context("a network has logits")?;
    let magnitudes: Vec<Magnitude> = model.steps().iter().map(|_| Magnitude::new()).collect();
    let keep = Keep { crcs: StepCrcs(&crcs), magnitudes: StepMagnitudes(&magnitudes), step, logits: Mutex::default(), beside };
    let labels = match model.meta().network.head {
        Head::Segformer => engine.segment(frame, &keep)?,
        Head::Classifier => engine.raw_logits(frame, &keep).map(|_| Vec::new())?,
    };
    let logits = std::mem::take(&mut *keep.logits());
    Ok(Ran { crcs: crcs.iter().map(|slot| slot.load(Ordering::Relaxed)).collect(), magnitudes, logits, labels })
}
