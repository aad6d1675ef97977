//! Runs segmenters over labelled frames and counts.

use anyhow::{Context, Result, ensure};
use hrvit_format::Head;
use image::RgbImage;
use serde::{Deserialize, Serialize};

use crate::blocks::{self, Shard, Sum};
use crate::dataset::Labelled;
use crate::inference::Inference;
use crate::labels::LabelMap;
use crate::metrics::{Agreement, ConfusionMatrix};
use crate::palette::Classes;
use crate::saturation::Saturation;
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;
use crate::{frames, progress};

/// Subject of an evaluation: the float reference, an image in the engine or both.
#[derive(Clone, Copy)]
pub struct Contestants<'a> {
    /// The reference.
    pub float: Option<&'a dyn Segmenter>,
    /// The engine.
    pub engine: Option<&'a dyn Segmenter>,
    /// How both see a frame.
    pub inference: Inference,
}

/// One frame with everything that was made of it, at the labels' size.
pub struct Segmented<'a> {
    /// File stem.
    pub name: &'a str,
    /// The frame as decoded.
    pub frame: RgbImage,
    /// The ground truth.
    pub truth: LabelMap,
    /// Labels of the reference.
    pub float: Option<LabelMap>,
    /// Labels of the engine.
    pub engine: Option<LabelMap>,
}

/// How good one contestant is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Mean over the classes that occur; `None` where none does.
    pub miou: Option<f64>,
    /// Share of labelled pixels that are right; `None` where none is labelled.
    pub pixel_accuracy: Option<f64>,
    /// Per class.
    pub classes: Vec<ClassIou>,
}

/// Intersection over union of one class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct ClassIou {
    /// Its name.
    pub name: String,
    /// `None` where the class occurs neither in truth nor in prediction.
    pub iou: Option<f64>,
}

/// The engine minus the reference.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Of the mean intersection over union.
    pub miou: Option<f64>,
    /// Of the pixel accuracy.
    pub pixel_accuracy: Option<f64>,
}

/// Result of an evaluation. Ratios are between 0 and 1.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Frames evaluated.
    pub frames: usize,
    /// Height and width of the frames as the networks saw them.
    pub size: [u16; 2],
    /// How they saw them.
    pub inference: Inference,
    /// The reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub float: Option<Quality>,
    /// The engine on the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub engine: Option<Quality>,
    /// Arithmetic of the image: `engine`, `fp16` or `mixed`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The engine minus the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// Share of all pixels, at the labels' size, that both give the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_agreement: Option<f64>,
    /// Signal to quantisation noise of the logits over all frames, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits_sqnr_db: Option<f64>,
    /// Values of the engine at the end of their range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Saturation>,
}

/// Counts of some frames.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    float: ConfusionMatrix,
    engine: ConfusionMatrix,
    agreement: Agreement,
    sqnr: Sqnr,
}

impl Counts {
    fn new(classes: usize) -> Self {
        let matrix = ConfusionMatrix::new(classes);
        Self { float: matrix.clone(), engine: matrix, agreement: Agreement::default(), sqnr: Sqnr::default() }
    }

    /// Whether counts from a file are of a network of so many classes.
    ///
    /// # Errors
    /// If they are not.
    pub fn check(&self, classes: usize) -> Result<()> {
        self.float.check(classes)?;
        self.engine.check(classes)?;
        self.sqnr.check(classes)
    }

    /// Bytes that they take.
    pub fn bytes(classes: usize) -> usize {
        2 * classes * classes * size_of::<u64>() + Sqnr::bytes(classes)
    }

    /// By how many classes most pixels of a contestant are off, if they are.
    pub fn offset(&self) -> Option<i8> {
        self.float.offset().or_else(|| self.engine.offset())
    }
}

impl Sum for Counts {
    fn merge(&mut self, other: &Self) {
        self.float.merge(&other.float);
        self.engine.merge(&other.engine);
        self.agreement.merge(&other.agreement);
        self.sqnr.merge(&other.sqnr);
    }
}

impl<'a> Contestants<'a> {
    /// One of them, after all were seen to have this head and one size and number of classes.
    ///
    /// # Errors
    /// If there is nobody, or they do not fit.
    pub fn first(&self, head: Head) -> Result<&'a dyn Segmenter> {
        let all: Vec<&dyn Segmenter> = self.float.into_iter().chain(self.engine).collect();
        let first = *all.first().context("nothing to evaluate: give a checkpoint, a model image or both")?;
        for one in &all {
            ensure!(
                one.head() == head,
                "the {} network has another head than what it is evaluated on: label maps take a segmentor, classes a classifier",
                one.name()
            );
            ensure!(one.size() == first.size() && one.classes() == first.classes(), "float network and image differ in size or number of classes");
        }
        Ok(first)
    }
}

/// Evaluates on `set`, frames in parallel; `each` sees every frame once, in any order, and its
/// errors end the evaluation.
///
/// Both see frames as `contestants.inference` says; where they are resized to the networks' size,
/// logits are resized bilinearly to the labels' before the argmax.
///
/// # Errors
/// If there is nobody to evaluate, the contestants differ in size or classes, are no segmentors, or
/// a file cannot be read.
pub fn evaluate(set: &[Labelled], contestants: Contestants<'_>, classes: &Classes, each: &(dyn Fn(&Segmented<'_>) -> Result<()> + Sync)) -> Result<Evaluation> {
    let size = contestants.first(Head::Segformer)?.size();
    let total = blocks::total(count(set, contestants, Shard::WHOLE, each)?).context("no frame to evaluate")?;
    let precision = contestants.engine.map(|engine| engine.name().to_owned());
    let names: Vec<String> = classes.iter().map(|class| class.name.clone()).collect();
    let seen = Seen { frames: set.len(), size: [size.height, size.width], inference: contestants.inference };
    Ok(conclude(&total, seen, contestants.float.is_some(), precision, &names))
}

/// Counts the frames of `shard`, block by block, as [`evaluate`] does.
///
/// # Errors
/// As [`evaluate`].
pub fn count(
    set: &[Labelled],
    contestants: Contestants<'_>,
    shard: Shard,
    each: &(dyn Fn(&Segmented<'_>) -> Result<()> + Sync),
) -> Result<Vec<(usize, Counts)>> {
    let first = contestants.first(Head::Segformer)?;
    let bar = progress::frames(set.len() / shard.of, "evaluating");
    let frame = |at: usize| {
        let item = &set[at];
        let counts = evaluate_frame(item, contestants, first.size(), first.classes(), each).with_context(|| format!("frame {}", item.name));
        bar.inc(1);
        counts
    };
    let at_once = contestants.inference.at_once(set.len());
    let sums = blocks::sums(set.len(), blocks::count(set.len(), Counts::bytes(first.classes())), shard, at_once, frame);
    bar.finish_and_clear();
    sums
}

/// Frames, and what networks saw of them.
#[derive(Clone, Copy, Debug)]
pub struct Seen {
    /// How many frames.
    pub frames: usize,
    /// Height and width of what the networks see.
    pub size: [u16; 2],
    /// How they see a frame.
    pub inference: Inference,
}

/// Result of all counts together. `precision` is the engine's, where there is one.
pub fn conclude(total: &Counts, seen: Seen, float: bool, precision: Option<String>, classes: &[String]) -> Evaluation {
    let Seen { frames, size, inference } = seen;
    let float = float.then(|| quality(&total.float, classes));
    let engine = precision.as_ref().map(|_| quality(&total.engine, classes));
    let minus = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a - b);
    let delta = float
        .as_ref()
        .zip(engine.as_ref())
        .map(|(float, engine)| Delta { miou: minus(engine.miou, float.miou), pixel_accuracy: minus(engine.pixel_accuracy, float.pixel_accuracy) });
    Evaluation {
        frames,
        size,
        inference,
        pixel_agreement: delta.map(|_| total.agreement.ratio()),
        logits_sqnr_db: delta.and_then(|_| total.sqnr.db()),
        saturation: None,
        float,
        engine,
        precision,
        delta,
    }
}

fn evaluate_frame(
    item: &Labelled,
    contestants: Contestants<'_>,
    size: hrvit_format::Size,
    classes: usize,
    each: &(dyn Fn(&Segmented<'_>) -> Result<()> + Sync),
) -> Result<Counts> {
    let frame = frames::read(&item.frame)?;
    let truth = item.truth()?;
    let inference = contestants.inference;
    let input = inference.input(&frame, size)?;
    let run = |segmenter: Option<&dyn Segmenter>| segmenter.map(|one| inference.predict(one, &input, (truth.height, truth.width), false)).transpose();
    let (float, engine) = (run(contestants.float)?, run(contestants.engine)?);
    let mut counts = Counts::new(classes);
    if let Some(float) = &float {
        counts.float.add(&truth, &float.labels)?;
    }
    if let Some(engine) = &engine {
        counts.engine.add(&truth, &engine.labels)?;
    }
    if let (Some(float), Some(engine)) = (&float, &engine) {
        counts.agreement.add(&float.labels, &engine.labels, classes)?;
        float.logits.iter().zip(&engine.logits).try_for_each(|(float, engine)| counts.sqnr.add(float, engine))?;
    }
    let [float, engine] = [float, engine].map(|made| made.map(|made| made.labels));
    each(&Segmented { name: &item.name, frame, truth, float, engine })?;
    Ok(counts)
}

fn quality(matrix: &ConfusionMatrix, classes: &[String]) -> Quality {
    let class = |(number, name): (usize, &String)| ClassIou { name: name.clone(), iou: matrix.iou(number) };
    let per_class = classes.iter().enumerate().map(class).collect();
    Quality { miou: matrix.miou(), pixel_accuracy: matrix.pixel_accuracy(), classes: per_class }
}
