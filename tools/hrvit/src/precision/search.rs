//! Buys accuracy where it is cheapest.

use anyhow::Result;
use hrvit_core::{Model, Tiling, WeightPlacement, plan_mixed};
use hrvit_format::{aligned::AlignedBytes, writer::StepData};
use serde::Serialize;

use super::{
    measure::{Measure, Noise},
    parts::{Part, parts},
};
use crate::quantize::{Progress, Quantised};

/// Frames on which parts are compared with each other.
const RANKED: usize = 4;

/// What half precision of one part alone would bring.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// The part.
    pub part: String,
    /// Decibels gained at the logits.
    pub gain_db: f64,
    /// Its share of all multiply-accumulates.
    pub macs: f64,
    /// Its share of all weights.
    pub weights: f64,
    /// Share of the noise removed, per share of multiply-accumulates and weights.
    pub worth: f64,
}

/// One image of the row from 8 bits to the choice.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The part that was added; none for the image in 8 bits.
    pub part: Option<String>,
    /// Signal to noise of the logits, in dB.
    pub logits_db: f64,
    /// Drift in points.
    pub drift: f64,
    /// Share of multiply-accumulates in half precision.
    pub half_macs: f64,
    /// Bytes of the image.
    pub bytes: usize,
    /// Bytes of the arena.
    pub arena_bytes: usize,
}

/// The outcome.
pub struct Chosen {
    /// The image.
    pub image: AlignedBytes,
    /// What every part alone would bring, the most worth first.
    pub sensitivities: Vec<Sensitivity>,
    /// Images measured, each with one part more than the one before; the last is the choice.
    pub path: Vec<Step>,
    /// Whether the drift that was asked for is reached.
    pub reached: bool,
}

struct Search<'a> {
    int8: &'a Quantised,
    half: &'a [StepData],
    parts: Vec<Part>,
    /// Parts that stay in 8 bits.
    stays: Vec<bool>,
    measure: &'a Measure<'a>,
}

/// How far the choice may go.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The drift to reach, in points.
    pub drift: f64,
    /// The largest arena, in bytes; parts that need more stay in 8 bits.
    pub arena_bytes: Option<usize>,
    /// Steps whose values are beyond half precision; their parts stay in 8 bits.
    pub beyond: Vec<hrvit_format::Step>,
}

/// Starts from `int8` and gives parts of it the steps of `half` instead until the drift is small enough.
///
/// One part after another: every part that is still in 8 bits is measured without labels, by the noise power at the logits that half precision of it removes beside
/// what has been chosen; the one that removes most per cost is added, the cost being its share of the multiply-accumulates plus its share of the weights. Then the drift
/// is measured.
///
/// # Errors
/// If the engine refuses an image.
pub fn search(int8: &Quantised, half: &[StepData], measure: &Measure<'_>, limits: &Limits, progress: &dyn Progress) -> Result<Chosen> {
    let image = int8.image.clone();
    let model = Model::load(&image)?;
    let (network, size) = (model.meta().network.clone(), model.meta().size);
    let beyond: Vec<usize> = network.steps().enumerate().filter(|(_, step)| limits.beyond.contains(step)).map(|(at, _)| at).collect();
    let parts = parts(&network, size);
    let stays = parts.iter().map(|part| part.steps.iter().any(|at| beyond.contains(at))).collect();
    let search = Search { int8, half, parts, stays, measure };
    let mut noise = measure.noise(image.clone(), usize::MAX)?;
    let mut chosen = vec![false; search.parts.len()];
    let mut path = vec![search.point(None, &chosen, &image, noise)?];
    let (mut best, mut reached) = (image, path[0].drift <= limits.drift);
    let mut sensitivities = Vec::new();
    loop {
        let ranked = search.rank(&chosen, &best, progress)?;
        if sensitivities.is_empty() {
            sensitivities = ranked.iter().map(|(_, sensitivity)| sensitivity.clone()).collect();
        }
        let before = path.len();
        for (at, _) in ranked.iter().take_while(|(_, sensitivity)| !reached && sensitivity.worth > 0.0) {
            chosen[*at] = true;
            let image = search.image(&chosen)?;
            let fits = limits.arena_bytes.is_none_or(|most| arena_bytes(&image).is_ok_and(|bytes| bytes <= most));
            let added = if fits { Some(measure.noise(image.clone(), usize::MAX)?).filter(|added| added.power < noise.power) } else { None };
            let Some(added) = added else {
                chosen[*at] = false;
                continue;
            };
            path.push(search.point(Some(*at), &chosen, &image, added)?);
            (best, noise) = (image, added);
            break;
        }
        let Some(last) = path.last().filter(|_| !reached && path.len() > before) else { break };
        reached = last.drift <= limits.drift;
    }
    Ok(Chosen { image: best, sensitivities, path, reached })
}

/// Bytes of the arena that `image` needs with one worker.
fn arena_bytes(image: &AlignedBytes) -> Result<usize> {
    let model = Model::load(image)?;
    let network = (&model.meta().network, model.half_parts());
    Ok(plan_mixed(network, model.meta().size, 1, WeightPlacement::Mapped, Tiling::Smallest)?.arena_bytes())
}

impl Search<'_> {
    /// The image whose parts `chosen` are in half precision.
    fn image(&self, chosen: &[bool]) -> Result<AlignedBytes> {
        let chosen = self.parts.iter().zip(chosen).filter(|(_, chosen)| **chosen);
        self.int8.with_halves(self.half, &chosen.flat_map(|(part, _)| part.steps.iter().copied()).collect::<Vec<_>>())
    }

    /// Every part that is not yet `chosen`, added alone to those that are, whose image is `base`; the most worth first.
    fn rank(&self, chosen: &[bool], base: &AlignedBytes, progress: &dyn Progress) -> Result<Vec<(usize, Sensitivity)>> {
        let base = self.measure.noise(base.clone(), RANKED)?;
        let all = self.parts.iter().fold((0, 0), |(macs, weights), part| (macs + part.macs, weights + part.weights));
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        progress.begin("sensitivity of every part", chosen.iter().filter(|chosen| !**chosen).count());
        let mut ranked = Vec::new();
        for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| !chosen[*at] && !self.stays[*at]) {
            let with: Vec<bool> = chosen.iter().enumerate().map(|(other, &chosen)| chosen || other == at).collect();
            let noise = self.measure.noise(self.image(&with)?, RANKED)?;
            let (macs, weights) = (share(part.macs, all.0), share(part.weights, all.1));
            // No part is free: it has at least the words of its records.
            let worth = (base.power - noise.power) / base.power / (macs + weights).max(1e-3);
            ranked.push((at, Sensitivity { part: part.name.clone(), gain_db: noise.db - base.db, macs, weights, worth }));
            progress.advance(1);
        }
        ranked.sort_by(|(_, one), (_, other)| other.worth.total_cmp(&one.worth));
        Ok(ranked)
    }

    fn point(&self, added: Option<usize>, chosen: &[bool], image: &AlignedBytes, noise: Noise) -> Result<Step> {
        let macs = |only: bool| self.parts.iter().zip(chosen).filter(|(_, chosen)| !only || **chosen).map(|(part, _)| part.macs).sum::<u64>();
        Ok(Step {
            part: added.map(|at| self.parts[at].name.clone()),
            logits_db: noise.db,
            drift: self.measure.drift(image, noise)?,
            half_macs: macs(true) as f64 / macs(false).max(1) as f64,
            bytes: image.len(),
            arena_bytes: arena_bytes(image)?,
        })
    }
}
