//! The drift report of a classifier: which classes it puts first, and how that changes.
//!
//! | module | what it holds |
//! |---|---|
//! | [`ranking`] | the best classes of one frame |
//! | [`measure`] | float and every image over a set of frames |
//! | [`page`] | the HTML page |

pub mod measure;
pub mod page;
pub mod ranking;

use std::collections::BTreeMap;

use serde::Serialize;

use super::agreement::{CLEAR_MARGIN, MARGIN_EDGES};
use super::draws::Spread;
use super::task::{Bootstrap, Estimate};
use super::{Subject, macs::Macs, steps::StepDrift, verdict::Verdict};
use crate::dataset::Classified;
use crate::sqnr::Sqnr;
use measure::Outcome;
use ranking::Ranking;

/// How many kinds of flips are listed.
const FLIPS: usize = 20;

/// Everything that a classifier's report says; its JSON document.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Subject of the measurement.
    pub subject: Subject,
    /// Task metrics of every precision, float first; without values where frames have no labels.
    pub quality: Vec<Quality>,
    /// Cost of every other precision against float.
    pub drift: Vec<Drift>,
    /// Demands and findings; empty without bars.
    pub verdicts: Vec<Verdict>,
}

/// How often the right class comes first, or among the first five. Ratios are between 0 and 1.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Quality {
    /// The precision.
    pub precision: &'static str,
    /// It comes first.
    pub top1: Option<Estimate>,
    /// It comes among the first five.
    pub top5: Option<Estimate>,
}

/// Gain of a precision over float, in points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Delta {
    /// Of the share of frames whose class comes first.
    pub top1_points: Option<Estimate>,
    /// Of the share whose class comes among the first five.
    pub top5_points: Option<Estimate>,
}

/// Cost of one precision against float.
#[derive(Clone, Debug, Serialize)]
pub struct Drift {
    /// The precision.
    pub precision: &'static str,
    /// Its task metrics less float's.
    pub delta: Delta,
    /// Agreement: both put the same class first.
    pub agreement: Agreement,
    /// Signal to quantisation noise of the logits over all frames, in dB.
    pub logits_sqnr_db: Option<f64>,
    /// Products by the width of their operands.
    pub macs: Macs,
    /// Every step that leaves a real tensor, in canonical order.
    pub steps: Vec<StepDrift>,
    /// Other calibrations of the same network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub draws: Option<Draws>,
    /// Frames whose class differs, then those with the lowest SQNR; worst first.
    pub worst: Vec<WorstFrame>,
}

/// Frames, and those of them on which both put the same class first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Group {
    /// Smallest margin of float, in standard deviations of its logits.
    pub from: f64,
    /// How many frames.
    pub frames: u64,
    /// Share of them with the same first class; none without frames.
    pub top1: Option<f64>,
}

/// Agreement of float and another precision.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Agreement {
    /// Share of frames whose first class is the same.
    pub top1: Option<f64>,
    /// Share of frames where float's first class is among the other's first five.
    pub top5: Option<f64>,
    /// Frames whose decision is clear.
    pub at_clear_margin: Group,
    /// Standard deviation of the float logits.
    pub logits_deviation: f64,
    /// By float's margin; every bin reaches to the next one.
    pub margins: Vec<Group>,
    /// First classes that changed, most frequent first.
    pub flips: Vec<Flip>,
}

/// Frames that change from one class to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Flip {
    /// Float's class.
    pub from: usize,
    /// The other's.
    pub to: usize,
    /// How many frames.
    pub frames: u64,
}

/// One of the worst frames.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct WorstFrame {
    /// File stem.
    pub name: String,
    /// Float's first class.
    pub float: String,
    /// The other's.
    pub other: String,
    /// Float's margin, in standard deviations of its logits.
    pub margin: f64,
    /// SQNR of its logits in dB.
    pub logits_sqnr_db: Option<f64>,
}

/// One other calibration.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draw {
    /// Its file, or the number of the draw.
    pub name: String,
    /// Its share of frames whose class comes first, less float's, in points.
    pub delta_top1_points: Option<f64>,
    /// Share of frames whose first class is float's.
    pub agreement: Option<f64>,
    /// The same where float's decision is clear.
    pub agreement_at_clear_margin: Option<f64>,
    /// SQNR of the logits in dB.
    pub logits_sqnr_db: Option<f64>,
}

/// All of them.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draws {
    /// How they were made.
    pub origin: String,
    /// One after the other.
    pub draws: Vec<Draw>,
    /// Of their differences in top-1, in points.
    pub delta_top1_points: Option<Spread>,
    /// Of their agreement with float.
    pub agreement: Option<Spread>,
    /// The same where float's decision is clear.
    pub agreement_at_clear_margin: Option<Spread>,
    /// Of their logits' SQNR in dB.
    pub logits_sqnr_db: Option<Spread>,
}

/// Share of the frames `chosen` with labels whose label is first, and whose label is among the
/// first five.
fn metrics<'a>(set: &[&Classified], chosen: &[usize], ranking: impl Fn(usize) -> &'a Ranking) -> [Option<f64>; 2] {
    let labelled: Vec<(usize, &Ranking)> = chosen.iter().filter_map(|&i| Some((set[i].class?, ranking(i)))).collect();
    let share = |hits: usize| (!labelled.is_empty()).then(|| hits as f64 / labelled.len() as f64);
    let first = labelled.iter().filter(|(class, ranking)| ranking.is_first(*class)).count();
    let found = labelled.iter().filter(|(class, ranking)| ranking.has(*class)).count();
    [share(first), share(found)]
}

/// Task metrics of one precision.
pub fn quality<'a>(precision: &'static str, set: &[&Classified], ranking: impl Fn(usize) -> &'a Ranking + Sync, bootstrap: Bootstrap) -> Quality {
    let estimates = bootstrap.estimate(set.len(), |chosen| metrics(set, chosen, &ranking).to_vec());
    Quality { precision, top1: estimates[0], top5: estimates[1] }
}

/// Gain of `other` over `float`.
pub fn delta(set: &[&Classified], float: &[Ranking], other: &[Outcome], bootstrap: Bootstrap) -> Delta {
    let estimates = bootstrap.estimate(set.len(), |chosen| points(set, chosen, float, other).to_vec());
    Delta { top1_points: estimates[0], top5_points: estimates[1] }
}

fn points(set: &[&Classified], chosen: &[usize], float: &[Ranking], other: &[Outcome]) -> [Option<f64>; 2] {
    let (before, after) = (metrics(set, chosen, |i| &float[i]), metrics(set, chosen, |i| &other[i].ranking));
    [0, 1].map(|i| Some(100.0 * (after[i]? - before[i]?)))
}

/// Agreement of `float` and `other`; margins are in units of `deviation`, the float logits' own.
pub fn agreement(float: &[Ranking], other: &[Outcome], deviation: f64) -> Agreement {
    let same = |i: &usize| float[*i].first() == other[*i].ranking.first();
    let group = |from: f64, members: Vec<usize>| {
        let count = members.len();
        Group { from, frames: count as u64, top1: (count > 0).then(|| members.iter().filter(|i| same(i)).count() as f64 / count as f64) }
    };
    let between = |from: f64, to: f64| (0..float.len()).filter(|&i| (from..to).contains(&(float[i].margin.min(f64::MAX) / deviation))).collect();
    let ends = MARGIN_EDGES.iter().skip(1).copied().chain([f64::INFINITY]);
    let found = (0..float.len()).filter(|&i| float[i].first().is_some_and(|class| other[i].ranking.has(class))).count();
    let mut flips = BTreeMap::<(usize, usize), u64>::new();
    for (a, b) in float.iter().zip(other).filter_map(|(a, b)| Some((a.first()?, b.ranking.first()?))).filter(|(a, b)| a != b) {
        *flips.entry((a, b)).or_default() += 1;
    }
    let mut flips: Vec<Flip> = flips.into_iter().map(|((from, to), frames)| Flip { from, to, frames }).collect();
    flips.sort_by_key(|flip| std::cmp::Reverse(flip.frames));
    flips.truncate(FLIPS);
    Agreement {
        top1: group(0.0, (0..float.len()).collect()).top1,
        top5: (!float.is_empty()).then(|| found as f64 / float.len() as f64),
        at_clear_margin: group(CLEAR_MARGIN, between(CLEAR_MARGIN, f64::INFINITY)),
        logits_deviation: deviation,
        margins: MARGIN_EDGES.iter().zip(ends).map(|(&from, to)| group(from, between(from, to))).collect(),
        flips,
    }
}

/// The `count` worst frames: first those whose class differs, by the margin that was overcome, then
/// those with the lowest SQNR.
pub fn worst(set: &[&Classified], float: &[Ranking], other: &[Outcome], deviation: f64, classes: &[String], count: usize) -> Vec<WorstFrame> {
    let differs = |i: usize| float[i].first() != other[i].ranking.first();
    let decibels = |i: usize| other[i].noise.decibels().unwrap_or(f64::INFINITY);
    let mut order: Vec<usize> = (0..set.len()).collect();
    order.sort_by(|&a, &b| {
        let by_flip = differs(b).cmp(&differs(a));
        by_flip.then_with(|| if differs(a) { float[b].margin.total_cmp(&float[a].margin) } else { decibels(a).total_cmp(&decibels(b)) })
    });
    order.truncate(count);
    let class = |ranking: &Ranking| ranking.first().and_then(|class| classes.get(class)).cloned().unwrap_or_default();
    let frame = |i: usize| WorstFrame {
        name: set[i].name.clone(),
        float: class(&float[i]),
        other: class(&other[i].ranking),
        margin: float[i].margin / deviation,
        logits_sqnr_db: other[i].noise.decibels(),
    };
    order.into_iter().map(frame).collect()
}

impl Draws {
    /// Sums up what was measured of every other calibration.
    pub fn of(origin: String, names: &[String], set: &[&Classified], float: &[Ranking], (others, sqnr): (&[Vec<Outcome>], &[Sqnr]), deviation: f64) -> Self {
        let every: Vec<usize> = (0..set.len()).collect();
        let draw = |((name, outcomes), sqnr): ((&String, &Vec<Outcome>), &Sqnr)| {
            let agreement = agreement(float, outcomes, deviation);
            Draw {
                name: name.clone(),
                delta_top1_points: points(set, &every, float, outcomes)[0],
                agreement: agreement.top1,
                agreement_at_clear_margin: agreement.at_clear_margin.top1,
                logits_sqnr_db: sqnr.db(),
            }
        };
        let draws: Vec<Draw> = names.iter().zip(others).zip(sqnr).map(draw).collect();
        Self {
            origin,
            delta_top1_points: Spread::of(draws.iter().map(|draw| draw.delta_top1_points)),
            agreement: Spread::of(draws.iter().map(|draw| draw.agreement)),
            agreement_at_clear_margin: Spread::of(draws.iter().map(|draw| draw.agreement_at_clear_margin)),
            logits_sqnr_db: Spread::of(draws.iter().map(|draw| draw.logits_sqnr_db)),
            draws,
        }
    }
}

#[cfg(test)]
mod tests;
