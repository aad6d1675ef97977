//! Runs segmenters over labelled frames and counts.

use anyhow::{Context, Result, ensure};
use hrvit_format::Head;
use image::RgbImage;
use serde::Serialize;

use crate::dataset::Labelled;
use crate::inference::Inference;
use crate::labels::LabelMap;
use crate::metrics::{Agreement, ConfusionMatrix};
use crate::palette::Classes;
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;
use crate::{frames, labels, progress};

/// What is evaluated: the float reference, an image in the engine or both.
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
    /// What is right.
    pub truth: LabelMap,
    /// What the reference says.
    pub float: Option<LabelMap>,
    /// What the engine says.
    pub engine: Option<LabelMap>,
}

/// How good one contestant is.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Mean over the classes that occur.
    pub miou: f64,
    /// Share of labelled pixels that are right.
    pub pixel_accuracy: f64,
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
    pub miou: f64,
    /// Of the pixel accuracy.
    pub pixel_accuracy: f64,
}

/// What an evaluation found. Ratios are between 0 and 1.
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
    pub precision: Option<&'static str>,
    /// The engine minus the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Delta>,
    /// Share of all pixels, at the labels' size, that both give the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pixel_agreement: Option<f64>,
    /// Signal to quantisation noise of the logits over all frames, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits_sqnr_db: Option<f64>,
}

/// Counts of some frames.
struct Counts {
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

    fn merge(mut self, other: &Self) -> Self {
        self.float.merge(&other.float);
        self.engine.merge(&other.engine);
        self.agreement.merge(&other.agreement);
        self.sqnr.merge(&other.sqnr);
        self
    }
}

/// Evaluates on `set`, frames in parallel; `each` sees every frame once, in any order, and its errors end the evaluation.
///
/// Both see frames as `contestants.inference` says; where they are resized to the networks' size, logits are resized bilinearly to the labels' before the argmax.
///
/// # Errors
/// If there is nobody to evaluate, the contestants differ in size or classes, are no segmentors, or a file cannot be read.
pub fn evaluate(set: &[Labelled], contestants: Contestants<'_>, classes: &Classes, each: &(dyn Fn(&Segmented<'_>) -> Result<()> + Sync)) -> Result<Evaluation> {
    let all: Vec<&dyn Segmenter> = contestants.float.into_iter().chain(contestants.engine).collect();
    let first = all.first().context("nothing to evaluate: give a checkpoint, a model image or both")?;
    for one in &all {
        ensure!(one.head() == Head::Segformer, "the {} network has a classification head: only segmentors can be evaluated on label maps", one.name());
        ensure!(one.size() == first.size() && one.classes() == first.classes(), "float network and image differ in size or number of classes");
    }
    let bar = progress::frames(set.len(), "evaluating");
    let counted = |item: &Labelled| {
        let counts = evaluate_frame(item, contestants, first.size(), first.classes(), each).with_context(|| format!("frame {}", item.name));
        bar.inc(1);
        counts
    };
    let counts = contestants.inference.over(set, counted)?;
    bar.finish_and_clear();
    let total = counts.iter().fold(Counts::new(first.classes()), Counts::merge);
    let float = contestants.float.map(|_| quality(&total.float, classes));
    let engine = contestants.engine.map(|_| quality(&total.engine, classes));
    let delta = float
        .as_ref()
        .zip(engine.as_ref())
        .map(|(float, engine)| Delta { miou: engine.miou - float.miou, pixel_accuracy: engine.pixel_accuracy - float.pixel_accuracy });
    Ok(Evaluation {
        frames: set.len(),
        size: [first.size().height, first.size().width],
        inference: contestants.inference,
        pixel_agreement: delta.map(|_| total.agreement.ratio()),
        logits_sqnr_db: delta.and_then(|_| total.sqnr.db()),
        float,
        engine,
        precision: contestants.engine.map(Segmenter::name),
        delta,
    })
}

fn evaluate_frame(
    item: &Labelled,
    contestants: Contestants<'_>,
    size: hrvit_format::Size,
    classes: usize,
    each: &(dyn Fn(&Segmented<'_>) -> Result<()> + Sync),
) -> Result<Counts> {
    let frame = frames::read(&item.frame)?;
    let truth = labels::read(&item.labels)?;
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
        counts.agreement.add(&float.labels, &engine.labels)?;
        float.logits.iter().zip(&engine.logits).try_for_each(|(float, engine)| counts.sqnr.add(float, engine))?;
    }
    let [float, engine] = [float, engine].map(|made| made.map(|made| made.labels));
    each(&Segmented { name: &item.name, frame, truth, float, engine })?;
    Ok(counts)
}

fn quality(matrix: &ConfusionMatrix, classes: &Classes) -> Quality {
    let class = |(number, name): (usize, &String)| ClassIou { name: name.clone(), iou: matrix.iou(number) };
    let per_class = classes.iter().map(|class| &class.name).enumerate().map(class).collect();
    Quality { miou: matrix.miou(), pixel_accuracy: matrix.pixel_accuracy(), classes: per_class }
}
