//! How many values lie at the end of their range: what frames brighter, darker or otherwise than
//! those that calibrated do to an image.

use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::{Context, Result, ensure};
use hrvit_core::{Observer, Tile, TileData};
use hrvit_format::{Step, StepId};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::blocks::Shard;
use crate::frames;
use crate::host_engine::HostEngine;
use crate::inference::Inference;
use crate::quantize::sample::spread_frames;
use crate::report::steps::Codes;
use crate::segmenter::Segmenter;

/// Frames that are looked at, at most.
const FRAMES: usize = 16;
/// Share of a step's values at the end of their range from which on frames are not like those that
/// calibrated.
const MUCH: f64 = 1e-3;

/// Counts of values at the end of their range on some frames.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ends {
    frames: usize,
    /// Of every step that leaves integer codes: its name, such values, and all.
    steps: Vec<(String, [u64; 2])>,
}

/// Values at the end of their range, over all steps that leave integer codes.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Saturation {
    /// Frames that were looked at.
    pub frames: usize,
    /// Share of all values that steps left.
    pub share: f64,
    /// The step with the largest share of its own.
    pub worst: String,
    /// That share.
    pub worst_share: f64,
}

impl Ends {
    /// Of an image on some of these frames, evenly spread, of which a shard takes its part.
    ///
    /// # Errors
    /// If a frame cannot be read.
    pub fn of(engine: &HostEngine, all: &[&Path], inference: Inference, shard: Shard) -> Result<Self> {
        let model = engine.model();
        let ranges: Vec<(Step, Option<(i32, i32)>)> =
            model.step_ids().map(|(id, step)| Ok((step, range(Codes::of(&model, id, step)?, step)))).collect::<Result<_>>()?;
        let chosen: Vec<usize> = spread_frames(all.len(), FRAMES).into_iter().skip(shard.number - 1).step_by(shard.of).collect();
        let counter = Counter { ranges: &ranges, counts: ranges.iter().map(|_| Default::default()).collect() };
        chosen.par_iter().try_for_each(|&at| -> Result<()> {
            let seen = || engine.raw_logits(inference.sample(&frames::read(all[at])?, engine.size())?.0.as_raw(), &counter);
            seen().map(drop).with_context(|| format!("frame {}", all[at].display()))
        })?;
        let counts = counter.counts.iter().map(|both| both.each_ref().map(|count| count.load(Ordering::Relaxed)));
        let steps = ranges.iter().zip(counts).filter(|((_, range), _)| range.is_some()).map(|((step, _), counts)| (step.to_string(), counts));
        Ok(Self { frames: chosen.len(), steps: steps.collect() })
    }

    /// Adds those of other frames.
    ///
    /// # Errors
    /// If they are of another image.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        let names = |ends: &Self| ends.steps.iter().map(|(step, _)| step.clone()).collect::<Vec<_>>();
        ensure!(names(self) == names(other), "counts of values at the end of their range are of other steps");
        self.frames = self.frames.saturating_add(other.frames);
        for ((_, [ends, values]), (_, more)) in self.steps.iter_mut().zip(&other.steps) {
            (*ends, *values) = (ends.saturating_add(more[0]), values.saturating_add(more[1]));
        }
        Ok(())
    }

    /// Their figures; none if no step has integer codes.
    pub fn saturation(&self) -> Option<Saturation> {
        let share = |[ends, values]: [u64; 2]| ends as f64 / values.max(1) as f64;
        let (worst, count) = self.steps.iter().filter(|(_, [_, values])| *values > 0).max_by(|(_, a), (_, b)| share(*a).total_cmp(&share(*b)))?;
        let total = self.steps.iter().fold([0u64; 2], |all, (_, one)| [all[0].saturating_add(one[0]), all[1].saturating_add(one[1])]);
        Some(Saturation { frames: self.frames, share: share(total), worst: worst.clone(), worst_share: share(*count) })
    }
}

impl Saturation {
    /// In one line.
    pub fn line(&self) -> String {
        let Self { frames, share, worst, worst_share } = self;
        format!("values at the end of their range: {:.4} % on {frames} frames, most of {worst}: {:.3} %", 100.0 * share, 100.0 * worst_share)
    }

    /// The warning.
    pub fn warning(&self) -> Option<String> {
        let Self { worst, worst_share, .. } = self;
        let percent = 100.0 * worst_share;
        (*worst_share > MUCH).then(|| {
            format!("{percent:.2} % of the values of {worst} are at the end of their range: these frames are not like those that calibrated the image")
        })
    }
}

/// The codes that a value beyond a step's range gets, lowest and highest. An activation that ends
/// at its lowest value has no lower end. None of a step whose channels have a scale each: one that
/// is constant lies at the end of its own.
fn range(codes: Option<Codes>, step: Step) -> Option<(i32, i32)> {
    let (lo, hi) = codes?.range()?;
    let lo = if matches!(step, Step::Fusion { .. }) { i32::MIN } else { lo };
    (!matches!(step, Step::Increase { .. })).then_some((lo, hi))
}

/// Counts the values of every step, and those at the end of their range.
struct Counter<'a> {
    ranges: &'a [(Step, Option<(i32, i32)>)],
    counts: Vec<[AtomicU64; 2]>,
}

impl Observer for Counter<'_> {
    fn tile(&self, tile: Tile<'_>) {
        let StepId(step) = tile.id;
        let (Some((_, Some((lo, hi)))), Some([ends, values])) = (self.ranges.get(usize::from(step)), self.counts.get(usize::from(step))) else { return };
        let at_end = |code: i32| code <= *lo || code >= *hi;
        let (count, all) = match (tile.op, tile.data) {
            (None, TileData::S8(codes)) => (codes.iter().filter(|code| at_end(i32::from(**code))).count(), codes.len()),
            (None, TileData::S16(codes)) => (codes.iter().filter(|code| at_end(i32::from(**code))).count(), codes.len()),
            _ => return,
        };
        ends.fetch_add(count as u64, Ordering::Relaxed);
        values.fetch_add(all as u64, Ordering::Relaxed);
    }
}
