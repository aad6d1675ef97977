//! One pass over the frames: float, the model image and every other calibration of it.

use anyhow::{Context, Result};

use super::agreement::{Counts, Pixels};
use super::task::ClassCounts;
use crate::dataset::Labelled;
use crate::inference::Inference;
use crate::labels::LabelMap;
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;
use crate::{frames, progress};

/// Who is measured.
#[derive(Clone, Copy)]
pub struct Contestants<'a> {
    /// The reference.
    pub float: &'a dyn Segmenter,
    /// The model image first, then its other calibrations.
    pub others: &'a [&'a dyn Segmenter],
    /// How all of them see a frame.
    pub inference: Inference,
    /// Standard deviation of the float logits.
    pub logits_deviation: f64,
}

/// One image on all frames.
#[derive(Clone, Debug)]
pub struct Against {
    /// Per frame, by class.
    pub classes: Vec<ClassCounts>,
    /// Per frame: pixels that agree with float.
    pub agreement: Vec<Pixels>,
    /// Agreement of both, over all frames.
    pub counts: Counts,
    /// Of the logits, over all frames.
    pub sqnr: Sqnr,
}

/// Everything counted on a set of frames.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Float, per frame by class.
    pub float: Vec<ClassCounts>,
    /// In the order of the contestants.
    pub others: Vec<Against>,
}

/// One image on one frame.
struct Frame {
    classes: ClassCounts,
    counts: Counts,
    sqnr: Sqnr,
}

/// Counts every frame of `set`, frames in parallel. As in `hrvit eval`, all precisions see frames
/// as `contestants.inference` says. If frames are resized to the network's size, logits are resized
/// bilinearly to the labels' size before the argmax.
///
/// # Errors
/// If a file cannot be read, or label maps do not fit the network.
pub fn measure(set: &[&Labelled], contestants: Contestants<'_>) -> Result<Measured> {
    let classes = contestants.float.classes();
    let bar = progress::frames(set.len(), "measuring frames");
    let counted = |item: &&Labelled| {
        let counted = measure_frame(item, contestants).with_context(|| format!("frame {}", item.name));
        bar.inc(1);
        counted
    };
    let each = contestants.inference.over(set, counted)?;
    bar.finish_and_clear();
    let nothing = || Against { classes: Vec::new(), agreement: Vec::new(), counts: Counts::new(classes), sqnr: Sqnr::default() };
    let mut all = Measured { float: Vec::new(), others: contestants.others.iter().map(|_| nothing()).collect() };
    for (float, others) in each {
        all.float.push(float);
        for (total, one) in all.others.iter_mut().zip(others) {
            total.classes.push(one.classes);
            total.agreement.push(one.counts.overall());
            total.counts.merge(&one.counts);
            total.sqnr.merge(&one.sqnr);
        }
    }
    Ok(all)
}

fn measure_frame(item: &Labelled, contestants: Contestants<'_>) -> Result<(ClassCounts, Vec<Frame>)> {
    let truth = item.truth()?;
    let (frame, inference, classes) = (frames::read(&item.frame)?, contestants.inference, contestants.float.classes());
    let input = inference.input(&frame, contestants.float.size())?;
    let size = (truth.height, truth.width);
    let float = inference.predict(contestants.float, &input, size, true)?;
    let margins = float.margins.as_deref().context("no margins of float")?;
    let others = contestants.others.iter().map(|&other| {
        let found = inference.predict(other, &input, size, false)?;
        let mut counts = Counts::new(classes);
        counts.add(&float.labels, margins, contestants.logits_deviation, &found.labels)?;
        let mut sqnr = Sqnr::default();
        float.logits.iter().zip(&found.logits).try_for_each(|(float, found)| sqnr.add(float, found))?;
        Ok(Frame { classes: by_class(&truth, &found.labels, classes)?, counts, sqnr })
    });
    Ok((by_class(&truth, &float.labels, classes)?, others.collect::<Result<_>>()?))
}

fn by_class(truth: &LabelMap, labels: &LabelMap, classes: usize) -> Result<ClassCounts> {
    let mut counts = ClassCounts::new(classes);
    counts.add(truth, labels)?;
    Ok(counts)
}
