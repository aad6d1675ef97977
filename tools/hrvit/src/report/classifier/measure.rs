//! One pass over the frames of a classifier: float, the model image and every other calibration of
//! it.

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;

use super::ranking::Ranking;
use crate::dataset::Classified;
use crate::inference::Inference;
use crate::quantize::report::Noise;
use crate::segmenter::Segmenter;
use crate::sqnr::Sqnr;
use crate::{frames, progress};

/// One image on one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Its ranking.
    pub ranking: Ranking,
    /// Of its logits against float's, each about their mean over the classes.
    pub noise: Noise,
}

/// Everything seen on a set of frames, frame by frame.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Float's.
    pub float: Vec<Ranking>,
    /// Of the model image and its other calibrations, in the order given.
    pub others: Vec<Vec<Outcome>>,
    /// Of their logits over all frames.
    pub sqnr: Vec<Sqnr>,
}

/// Runs `float` and `others` on every frame of `set`, as `inference` says, frames in parallel.
///
/// # Errors
/// If a frame cannot be read, or the networks have different classes.
pub fn measure(set: &[&Classified], inference: Inference, float: &dyn Segmenter, others: &[&dyn Segmenter]) -> Result<Measured> {
    let bar = progress::frames(set.len(), "measuring frames");
    let each: Vec<(Ranking, Vec<(Outcome, Sqnr)>)> = set
        .par_iter()
        .map(|item| {
            let seen = measure_frame(item, inference, float, others).with_context(|| format!("frame {}", item.name));
            bar.inc(1);
            seen
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let mut all = Measured { float: Vec::new(), others: vec![Vec::new(); others.len()], sqnr: vec![Sqnr::default(); others.len()] };
    for (ranking, outcomes) in each {
        all.float.push(ranking);
        for ((others, total), (outcome, sqnr)) in all.others.iter_mut().zip(&mut all.sqnr).zip(outcomes) {
            others.push(outcome);
            total.merge(&sqnr);
        }
    }
    Ok(all)
}

fn measure_frame(item: &Classified, inference: Inference, float: &dyn Segmenter, others: &[&dyn Segmenter]) -> Result<(Ranking, Vec<(Outcome, Sqnr)>)> {
    let frame = frames::read(&item.frame)?;
    let input = inference.input(&frame, float.size())?.picture;
    let exact = inference.logits(float, &input)?.data;
    let outcomes = others.iter().map(|other| {
        let found = inference.logits(*other, &input)?.data;
        ensure!(found.len() == exact.len(), "{} logits against {}: expected networks with the same classes", exact.len(), found.len());
        let mut sqnr = Sqnr::default();
        sqnr.add_tokens(&exact, &found, exact.len());
        Ok((Outcome { ranking: Ranking::of(&found), noise: Noise::between(&centred(&exact), &centred(&found)) }, sqnr))
    });
    let outcomes = outcomes.collect::<Result<_>>()?;
    Ok((Ranking::of(&exact), outcomes))
}

fn centred(logits: &[f32]) -> Vec<f32> {
    let mean = logits.iter().sum::<f32>() / logits.len() as f32;
    logits.iter().map(|x| x - mean).collect()
}
