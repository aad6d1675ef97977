//! One pass over the frames of a classifier: float, the model image and every other calibration of it.

use anyhow::{Context, Result, ensure};
use rayon::prelude::*;

use super::ranking::Ranking;
use crate::dataset::Classified;
use crate::quantize::report::Noise;
use crate::segmenter::Segmenter;
use crate::{frames, progress};

/// One image on one frame.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What it says.
    pub ranking: Ranking,
    /// Of its logits against float's.
    pub noise: Noise,
}

/// Everything seen on a set of frames, frame by frame.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Float's.
    pub float: Vec<Ranking>,
    /// Of the model image and its other calibrations, in the order given.
    pub others: Vec<Vec<Outcome>>,
}

/// Runs `float` and `others` on every frame of `set`, frames in parallel. As in `hrvit run` frames are resized to the network's size.
///
/// # Errors
/// If a frame cannot be read, or the networks have different classes.
pub fn measure(set: &[&Classified], float: &dyn Segmenter, others: &[&dyn Segmenter]) -> Result<Measured> {
    let bar = progress::frames(set.len(), "measuring frames");
    let each: Vec<(Ranking, Vec<Outcome>)> = set
        .par_iter()
        .map(|item| {
            let seen = measure_frame(item, float, others).with_context(|| format!("frame {}", item.name));
            bar.inc(1);
            seen
        })
        .collect::<Result<_>>()?;
    bar.finish_and_clear();
    let mut all = Measured { float: Vec::new(), others: vec![Vec::new(); others.len()] };
    for (ranking, outcomes) in each {
        all.float.push(ranking);
        all.others.iter_mut().zip(outcomes).for_each(|(all, one)| all.push(one));
    }
    Ok(all)
}

fn measure_frame(item: &Classified, float: &dyn Segmenter, others: &[&dyn Segmenter]) -> Result<(Ranking, Vec<Outcome>)> {
    let input = frames::resize(&frames::read(&item.frame)?, float.size())?;
    let exact = float.logits(&input)?.data;
    let outcomes = others.iter().map(|other| {
        let found = other.logits(&input)?.data;
        ensure!(found.len() == exact.len(), "{} logits against {}: expected networks with the same classes", exact.len(), found.len());
        Ok(Outcome { ranking: Ranking::of(&found), noise: Noise::between(&exact, &found) })
    });
    let outcomes = outcomes.collect::<Result<_>>()?;
    Ok((Ranking::of(&exact), outcomes))
}
