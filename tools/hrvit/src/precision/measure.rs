//! An image against the float network, on some frames.

use anyhow::{Context, Result, ensure};
use hrvit_format::{Head, Size, aligned::AlignedBytes};
use hrvit_kernels::Kernels;
use hrvit_reference::Checkpoint;
use image::RgbImage;
use rayon::prelude::*;

use crate::{
    dataset::Labelled,
    evaluation::{Contestants, evaluate},
    float::Float,
    host_engine::PackedImage,
    labels::LabelMap,
    logits::Logits,
    metrics::Agreement,
    palette::Classes,
    quantize::{Frames, Progress},
    segmenter::Segmenter,
    sqnr::Sqnr,
};

/// What an image does to the logits.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// Signal to noise of the logits, in dB.
    pub db: f64,
    /// Noise power over signal power.
    pub power: f64,
    /// Share of decisions (pixels of a segmentor, frames of a classifier) that differ from float's.
    pub flipped: f64,
}

/// Labelled frames that decide.
pub struct Judged<'a> {
    /// The frames.
    pub set: &'a [Labelled],
    /// Their classes.
    pub classes: &'a Classes,
    /// Mean intersection over union of the float network.
    float: f64,
}

/// Frames with the float network's answers.
pub struct Measure<'a> {
    frames: Vec<RgbImage>,
    float: Vec<Logits>,
    decisions: Vec<LabelMap>,
    kernels: Kernels,
    judged: Option<Judged<'a>>,
}

impl<'a> Measure<'a> {
    /// At most `count` of `frames`, evenly spread, and the labelled frames `judged` if there are any.
    ///
    /// # Errors
    /// If a frame cannot be read, or frames are judged by labels and the network is no segmentor.
    pub fn new(
        checkpoint: &Checkpoint,
        (frames, count): (&dyn Frames, usize),
        size: Size,
        judged: Option<(&'a [Labelled], &'a Classes)>,
        kernels: Kernels,
        progress: &dyn Progress,
    ) -> Result<Self> {
        ensure!(!frames.is_empty(), "measuring needs at least one frame");
        let float = Float::new(checkpoint.clone(), size);
        let count = count.clamp(1, frames.len());
        progress.begin("float logits", count);
        let answered = (0..count).into_par_iter().map(|at| -> Result<(RgbImage, Logits)> {
            let rgb = frames.rgb(at * frames.len() / count)?;
            let frame = RgbImage::from_raw(size.width.into(), size.height.into(), rgb).context("a calibration frame of another size")?;
            let logits = float.logits(&frame)?;
            progress.advance(1);
            Ok((frame, logits))
        });
        let (frames, logits): (Vec<_>, Vec<_>) = answered.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let judged = judged.map(|(set, classes)| -> Result<Judged<'a>> {
            ensure!(float.head() == Head::Segformer, "labelled frames judge segmentors only");
            let quality = evaluate(set, Contestants { float: Some(&float), engine: None }, classes, &|_| Ok(()))?.float;
            Ok(Judged { set, classes, float: quality.context("no quality of the float network")?.miou })
        });
        let decisions = logits.iter().map(|logits| decide(logits, size)).collect();
        Ok(Self { frames, float: logits, decisions, kernels, judged: judged.transpose()? })
    }

    /// Noise of `image` on the first `count` frames, or on all.
    ///
    /// # Errors
    /// If the engine refuses it.
    pub fn noise(&self, image: AlignedBytes, count: usize) -> Result<Noise> {
        let packed = PackedImage::new(image, self.kernels)?;
        let engine = packed.load()?;
        let each = |((frame, float), decisions): ((&RgbImage, &Logits), &LabelMap)| -> Result<(Sqnr, Agreement)> {
            let logits = engine.logits(frame)?;
            let (mut sqnr, mut agreement) = (Sqnr::default(), Agreement::default());
            sqnr.add(float, &logits)?;
            agreement.add(decisions, &decide(&logits, engine.size()))?;
            Ok((sqnr, agreement))
        };
        let counted: Vec<_> = self.frames.par_iter().zip(&self.float).zip(&self.decisions).take(count).map(each).collect::<Result<_>>()?;
        let (mut sqnr, mut agreement) = (Sqnr::default(), Agreement::default());
        for (one, other) in &counted {
            sqnr.merge(one);
            agreement.merge(other);
        }
        let db = sqnr.db().unwrap_or(f64::NEG_INFINITY);
        Ok(Noise { db, power: 10f64.powf(-db / 10.0), flipped: 1.0 - agreement.ratio() })
    }

    /// Drift of `image`: with labelled frames the difference in mean intersection over union, else the share of decisions that `noise` found flipped; in points.
    ///
    /// # Errors
    /// If the engine refuses it, or a labelled frame cannot be read.
    pub fn drift(&self, image: &AlignedBytes, noise: Noise) -> Result<f64> {
        let Some(Judged { set, classes, float }) = &self.judged else { return Ok(100.0 * noise.flipped) };
        let packed = PackedImage::new(image.clone(), self.kernels)?;
        let engine = packed.load()?;
        let quality = evaluate(set, Contestants { float: None, engine: Some(&engine) }, classes, &|_| Ok(()))?.engine;
        Ok(100.0 * (quality.context("no quality of the image")?.miou - float).abs())
    }

    /// What [`Measure::drift`] measures, in words.
    pub fn drift_name(&self) -> &'static str {
        if self.judged.is_some() { "|ΔmIoU|, points" } else { "decisions changed, %" }
    }
}

/// The class of every pixel at the input's size; of a classifier the one class.
fn decide(logits: &Logits, size: Size) -> LabelMap {
    let (height, width) = if logits.height * logits.width == 1 { (1, 1) } else { (size.height.into(), size.width.into()) };
    logits.labels_at(height, width)
}
