//! One pass over the frames: float, the model image and every other calibration of it.

use anyhow::{Context, Result};
use rayon::prelude::*;

use super::agreement::{Counts, Pixels};
use super::task::ClassCounts;
use crate::dataset::Labelled;
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
    /// Where they agree, over all frames.
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

/// Counts every frame of `set`, frames in parallel. As in `hrvit eval` frames are resized to the network's size, and the logits of all precisions alike are
/// resized bilinearly to the labels' size before the argmax.
///
/// # Errors
/// If a file cannot be read, or label maps do not fit the network.
pub fn measure(set: &[&Labelled], contestants: Contestants<'_>) -> Result<Measured> {
    let classes = contestants.float.classes();
    let bar = progress::frames(set.len(), "measuring frames");
    let each: Vec<(ClassCounts, Vec<Frame>)> = set
        .par_iter()
        .map(|item| {
            let counted = measure_frame(item, contestants).with_context(|| format!("frame {}", item.name));
            bar.inc(1);
            counted
        })
        .collect::<Result<_>>()?;
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
    let input = frames::resize(&frames::read(&item.frame)?, contestants.float.size())?;
    let float = contestants.float.logits(&input)?;
    let (float_labels, margins) = float.labels_and_margins_at(truth.height, truth.width);
    let others = contestants.others.iter().map(|other| {
        let logits = other.logits(&input)?;
        let labels = logits.labels_at(truth.height, truth.width);
        let mut counts = Counts::new(float.classes);
        counts.add(&float_labels, &margins, contestants.logits_deviation, &labels)?;
        let mut sqnr = Sqnr::default();
        sqnr.add(&float, &logits)?;
        Ok(Frame { classes: by_class(&truth, &labels, float.classes)?, counts, sqnr })
    });
    Ok((by_class(&truth, &float_labels, float.classes)?, others.collect::<Result<_>>()?))
}

fn by_class(truth: &LabelMap, labels: &LabelMap, classes: usize) -> Result<ClassCounts> {
    let mut counts = ClassCounts::new(classes);
    counts.add(truth, labels)?;
    Ok(counts)
}
