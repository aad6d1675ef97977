//! Runs classifiers over frames whose class is known, and counts.

use anyhow::{Context, Result, ensure};
use hrvit_format::Head;
use serde::{Deserialize, Serialize};

use crate::blocks::{self, Shard, Sum};
use crate::dataset::Classified;
use crate::evaluation::Contestants;
use crate::inference::Inference;
use crate::report::classifier::ranking::Ranking;
use crate::saturation::Saturation;
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;
use crate::{frames, progress};

/// Frames whose class is the best one, or among the best five.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hits {
    first: u64,
    among: u64,
}

/// Counts of some frames.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Counts {
    frames: u64,
    float: Hits,
    engine: Hits,
    /// Frames to which both give the same class.
    same: u64,
    sqnr: Sqnr,
}

impl Sum for Counts {
    fn merge(&mut self, other: &Self) {
        self.frames += other.frames;
        self.same += other.same;
        for (all, more) in [(&mut self.float, &other.float), (&mut self.engine, &other.engine)] {
            *all = Hits { first: all.first + more.first, among: all.among + more.among };
        }
        self.sqnr.merge(&other.sqnr);
    }
}

impl Counts {
    /// Whether sums from a file are of a network of so many classes.
    ///
    /// # Errors
    /// If they cannot be.
    pub fn check(&self, classes: usize) -> Result<()> {
        self.sqnr.check(classes)
    }

    /// Bytes that they take, about.
    pub fn bytes(classes: usize) -> usize {
        Sqnr::bytes(classes)
    }
}

/// How good one contestant is. Ratios are between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// Share of frames whose class is the best one.
    pub top1: Option<f64>,
    /// Share of frames whose class is among the best five.
    pub top5: Option<f64>,
}

/// Result of an evaluation.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Evaluation {
    /// Frames evaluated.
    pub frames: u64,
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
    /// Arithmetic of the image.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub precision: Option<String>,
    /// The engine minus the reference.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delta: Option<Quality>,
    /// Share of frames to which both give the same class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agreement: Option<f64>,
    /// Signal to quantisation noise of the logits over all frames, in dB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logits_sqnr_db: Option<f64>,
    /// Values of the engine at the end of their range.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub saturation: Option<Saturation>,
}

/// Counts the frames of `shard`, block by block. Frames are resized to the networks' size.
///
/// # Errors
/// If the contestants differ in size or classes, are no classifiers, a frame has no class, or a
/// file cannot be read.
pub fn count(set: &[Classified], contestants: Contestants<'_>, shard: Shard) -> Result<Vec<(usize, Counts)>> {
    let first = contestants.first(Head::Classifier)?;
    let bar = progress::frames(set.len() / shard.of, "evaluating");
    let frame = |at: usize| {
        let counts = count_frame(&set[at], contestants, first).with_context(|| format!("frame {}", set[at].name));
        bar.inc(1);
        counts
    };
    let sums = blocks::sums(set.len(), blocks::count(set.len(), Counts::bytes(first.classes())), shard, set.len(), frame);
    bar.finish_and_clear();
    sums
}

fn count_frame(item: &Classified, contestants: Contestants<'_>, first: &dyn Segmenter) -> Result<Counts> {
    let class = item.class.context("has no class")?;
    ensure!(class < first.classes(), "class {class}: the model has {}", first.classes());
    let (frame, inference) = (frames::read(&item.frame)?, contestants.inference);
    let input = inference.input(&frame, first.size())?;
    let run = |one: Option<&dyn Segmenter>| one.map(|one| inference.logits(one, &input.picture)).transpose();
    let (float, engine) = (run(contestants.float)?, run(contestants.engine)?);
    let [by_float, by_engine] = [&float, &engine].map(|logits| logits.as_ref().map(|logits| Ranking::of(&logits.data)));
    let hits = |ranking: &Option<Ranking>| {
        ranking.as_ref().map_or(Hits::default(), |ranking| Hits { first: ranking.is_first(class).into(), among: ranking.has(class).into() })
    };
    let same = by_float.as_ref().zip(by_engine.as_ref()).is_some_and(|(float, engine)| float.first() == engine.first());
    let mut counts = Counts { frames: 1, float: hits(&by_float), engine: hits(&by_engine), same: same.into(), sqnr: Sqnr::default() };
    if let (Some(float), Some(engine)) = (&float, &engine) {
        counts.sqnr.add(float, engine)?;
    }
    Ok(counts)
}

/// Result of all counts together. `precision` is the engine's, where there is one.
pub fn conclude(total: &Counts, size: [u16; 2], inference: Inference, float: bool, precision: Option<String>) -> Evaluation {
    let share = |part: u64| (total.frames > 0).then(|| part as f64 / total.frames as f64);
    let quality = |hits: Hits| Quality { top1: share(hits.first), top5: share(hits.among) };
    let (float, engine) = (float.then(|| quality(total.float)), precision.as_ref().map(|_| quality(total.engine)));
    let minus = |a: Option<f64>, b: Option<f64>| a.zip(b).map(|(a, b)| a - b);
    let delta = float.zip(engine).map(|(float, engine)| Quality { top1: minus(engine.top1, float.top1), top5: minus(engine.top5, float.top5) });
    Evaluation {
        frames: total.frames,
        size,
        inference,
        float,
        engine,
        precision,
        delta,
        agreement: delta.and_then(|_| share(total.same)),
        logits_sqnr_db: delta.and_then(|_| total.sqnr.db()),
        saturation: None,
    }
}
