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
    fit::Placement,
    float::Float,
    hold_out::measure::{Decided, Decision},
    host_engine::PackedImage,
    inference::{Inference, args::SlideArgs},
    logits::Logits,
    palette::Classes,
    quantize::{Frames, Progress},
    report::{agreement::CLEAR_MARGIN, steps::logits_deviation},
    segmenter::Segmenter,
    sqnr::Sqnr,
};

/// Pixels of the input that a logit of a segmentor stands for.
const LOGIT_PIXELS: u64 = 16;

/// Effect of an image on the logits.
#[derive(Clone, Copy, Debug)]
pub struct Noise {
    /// Signal to noise of the logits, in dB.
    pub db: f64,
    /// Noise power over signal power.
    pub power: f64,
    /// Share of decisions (pixels of a segmentor, frames of a classifier) that differ from float's.
    pub flipped: f64,
    /// How many of them differ where float is clear.
    pub clear_flips: u64,
}

/// Labelled frames that decide.
pub struct Judged<'a> {
    /// The frames.
    pub set: &'a [Labelled],
    /// Their classes.
    pub classes: &'a Classes,
    /// Mean intersection over union of the float network.
    float: f64,
    /// How frames are seen.
    inference: Inference,
}

/// Frames with the float network's answers.
pub struct Measure<'a> {
    frames: Vec<(RgbImage, Placement)>,
    float: Vec<Logits>,
    decisions: Vec<Decision>,
    /// Margin from which float is clear.
    clear: f32,
    /// Decisions that one logit makes.
    together: u64,
    kernels: Kernels,
    judged: Option<Judged<'a>>,
}

impl<'a> Measure<'a> {
    /// At most `count` of `frames`, evenly spread, and the labelled frames `judged` if there are
    /// any.
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
        let answered = (0..count).into_par_iter().map(|at| -> Result<_> {
            let at = at * frames.len() / count;
            let (rgb, placement) = (frames.rgb(at)?, frames.placement(at));
            let frame = RgbImage::from_raw(size.width.into(), size.height.into(), rgb).context("a calibration frame of another size")?;
            let logits = float.logits(&frame)?.within(&placement);
            progress.advance(1);
            Ok(((frame, placement), logits))
        });
        let (frames, logits): (Vec<_>, Vec<_>) = answered.collect::<Result<Vec<_>>>()?.into_iter().unzip();
        let judged = judged.map(|(set, classes)| -> Result<Judged<'a>> {
            let inference = SlideArgs::default().inference(None, size, checkpoint.preprocess())?;
            ensure!(float.head() == Head::Segformer, "labelled frames judge segmentors only");
            let quality = evaluate(set, Contestants { float: Some(&float), engine: None, inference }, classes, &|_| Ok(()))?.float;
            Ok(Judged { set, classes, float: quality.and_then(|quality| quality.miou).context("no quality of the float network")?, inference })
        });
        let decisions = logits.iter().map(|logits| Decision::of(logits, float.head())).collect();
        let clear = (CLEAR_MARGIN * logits_deviation(&logits)) as f32;
        let together = if float.head() == Head::Segformer { LOGIT_PIXELS } else { 1 };
        Ok(Self { frames, float: logits, decisions, clear, together, kernels, judged: judged.transpose()? })
    }

    /// Noise of `image` on the first `count` frames, or on all.
    ///
    /// # Errors
    /// If the engine refuses it.
    pub fn noise(&self, image: AlignedBytes, count: usize) -> Result<Noise> {
        let packed = PackedImage::new(image, self.kernels)?;
        let engine = packed.load()?;
        let each = |(((frame, placement), float), decision): ((&(RgbImage, Placement), &Logits), &Decision)| -> Result<(Sqnr, Decided)> {
            let logits = engine.logits(frame)?.within(placement);
            let (mut sqnr, mut decided) = (Sqnr::default(), Decided::default());
            sqnr.add(float, &logits)?;
            decided.add(decision, &Decision::of(&logits, engine.head()), self.clear, logits.classes.max(2));
            Ok((sqnr, decided))
        };
        let counted: Vec<_> = self.frames.par_iter().zip(&self.float).zip(&self.decisions).take(count).map(each).collect::<Result<_>>()?;
        let (mut sqnr, mut decided) = (Sqnr::default(), Decided::default());
        for (one, other) in &counted {
            sqnr.merge(one);
            decided.merge(other);
        }
        let db = sqnr.db().unwrap_or(f64::NEG_INFINITY);
        let flipped = 1.0 - decided.all.agreement().unwrap_or(0.0);
        Ok(Noise { db, power: 10f64.powf(-db / 10.0), flipped, clear_flips: decided.clear.all - decided.clear.same })
    }

    /// Clear decisions regained in whole logits: pixels flip together, and less than a logit is
    /// chance.
    pub fn whole(&self, regained: i64) -> i64 {
        regained / self.together as i64
    }

    /// Whether a part that regains so many clear decisions and is worth so much of the noise is a
    /// gain: clear decisions first.
    pub fn is_gain(&self, regained: i64, worth: f64) -> bool {
        let whole = self.whole(regained);
        whole > 0 || whole == 0 && worth > 0.0
    }

    /// Whether `one` has fewer clear flips than `other`, or no more and less noise.
    pub fn is_better(&self, one: Noise, other: Noise) -> bool {
        self.is_gain(other.clear_flips as i64 - one.clear_flips as i64, other.power - one.power)
    }

    /// Drift of `image`: with labelled frames the difference in mean intersection over union, else
    /// the share of decisions that `noise` found flipped; in points.
    ///
    /// # Errors
    /// If the engine refuses it, or a labelled frame cannot be read.
    pub fn drift(&self, image: &AlignedBytes, noise: Noise) -> Result<f64> {
        let Some(Judged { set, classes, float, inference }) = &self.judged else { return Ok(100.0 * noise.flipped) };
        let packed = PackedImage::new(image.clone(), self.kernels)?;
        let engine = packed.load()?;
        let quality = evaluate(set, Contestants { float: None, engine: Some(&engine), inference: *inference }, classes, &|_| Ok(()))?.engine;
        Ok(100.0 * (quality.and_then(|quality| quality.miou).context("no quality of the image")? - float).abs())
    }

    /// Name of [`Measure::drift`]'s figure, in words.
    pub fn drift_name(&self) -> &'static str {
        if self.judged.is_some() { "|ΔmIoU|, points" } else { "decisions changed, %" }
    }
}
