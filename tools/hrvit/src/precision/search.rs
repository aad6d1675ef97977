//! Buys accuracy where it is cheapest.

use anyhow::Result;
use hrvit_core::{Model, Plan, Precision};
use hrvit_format::{aligned::AlignedBytes, writer::StepData};
use serde::Serialize;

use super::{
    measure::{Measure, Noise},
    parts::{Part, parts},
};
use crate::quantize::{Progress, Quantised};

/// Frames on which parts are compared with each other.
const RANKED: usize = 4;

/// What another precision of one part alone would bring.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// The part.
    pub part: String,
    /// Name of the precision.
    pub precision: &'static str,
    /// Decibels gained at the logits.
    pub gain_db: f64,
    /// Its share of all multiply-accumulates.
    pub macs: f64,
    /// Its share of all weights.
    pub weights: f64,
    /// Share of the noise removed, per share of multiply-accumulates and of weights that grow.
    pub worth: f64,
}

/// One image of the row from 8 bits to the choice.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    /// The part that was added; none for the image in 8 bits.
    pub part: Option<String>,
    /// Name of its precision.
    pub precision: Option<&'static str>,
    /// Signal to noise of the logits, in dB.
    pub logits_db: f64,
    /// Drift in points.
    pub drift: f64,
    /// Share of multiply-accumulates that are not in 8 bits.
    pub wide_macs: f64,
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

/// The steps of the network in another precision.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// The precision.
    pub precision: Precision,
    /// All steps, in canonical order.
    pub steps: &'a [StepData],
}

impl Offer<'_> {
    /// What a part costs by its shares of multiply-accumulates and weights: the former get wider operands, unless they have `wide` ones; weights grow in half precision
    /// only.
    fn cost(&self, macs: f64, weights: f64, wide: bool) -> f64 {
        let operands = if wide { 0.0 } else { macs };
        let cost = if self.precision == Precision::Fp16 { operands + weights } else { operands };
        // No part is free: it has at least the words of its records.
        cost.max(1e-3)
    }
}

/// The offer that each part takes; none stays in 8 bits.
type Choice = [Option<usize>];

struct Search<'a> {
    int8: &'a Quantised,
    offers: &'a [Offer<'a>],
    parts: Vec<Part>,
    /// Parts beyond half precision.
    beyond: Vec<bool>,
    measure: &'a Measure<'a>,
}

/// How far the choice may go.
#[derive(Clone, Debug)]
pub struct Limits {
    /// The drift to reach, in points.
    pub drift: f64,
    /// The largest arena, in bytes; parts that need more stay in 8 bits.
    pub arena_bytes: Option<usize>,
    /// Steps whose values are beyond half precision; their parts never take it.
    pub beyond: Vec<hrvit_format::Step>,
}

/// Starts from `int8` and gives parts of it the steps of one of the `offers` instead until the drift is small enough.
///
/// One part after another: every part that is still in 8 bits is measured without labels, by the noise power at the logits that each offer removes beside what has been
/// chosen, and every part in 16 bits with half precision; the one that removes most per cost is added, the cost being its share of the multiply-accumulates that get wider
/// operands plus its share of the weights where they grow. Then the drift is measured.
///
/// # Errors
/// If the engine refuses an image.
pub fn search(int8: &Quantised, offers: &[Offer<'_>], measure: &Measure<'_>, limits: &Limits, progress: &dyn Progress) -> Result<Chosen> {
    let image = int8.image.clone();
    let model = Model::load(&image)?;
    let (network, size) = (model.meta().network.clone(), model.meta().size);
    let beyond: Vec<usize> = network.steps().enumerate().filter(|(_, step)| limits.beyond.contains(step)).map(|(at, _)| at).collect();
    let parts = parts(&network, size);
    let beyond = parts.iter().map(|part| part.steps.iter().any(|at| beyond.contains(at))).collect();
    let search = Search { int8, offers, parts, beyond, measure };
    let mut noise = measure.noise(image.clone(), usize::MAX)?;
    let mut chosen: Vec<Option<usize>> = vec![None; search.parts.len()];
    let mut path = vec![search.point(None, &chosen, &image, noise)?];
    let (mut best, mut reached) = (image, path[0].drift <= limits.drift);
    let mut sensitivities = Vec::new();
    while !reached {
        let ranked = search.rank(&chosen, &best, progress)?;
        if sensitivities.is_empty() {
            sensitivities = ranked.iter().map(|(_, sensitivity)| sensitivity.clone()).collect();
        }
        let before = path.len();
        for ((at, offer), _) in ranked.iter().take_while(|(_, sensitivity)| sensitivity.worth > 0.0) {
            let had = chosen[*at].replace(*offer);
            let image = search.image(&chosen)?;
            let fits = limits.arena_bytes.is_none_or(|most| arena_bytes(&image).is_ok_and(|bytes| bytes <= most));
            let added = if fits { Some(measure.noise(image.clone(), usize::MAX)?).filter(|added| added.power < noise.power) } else { None };
            let Some(added) = added else {
                chosen[*at] = had;
                continue;
            };
            path.push(search.point(Some(*at), &chosen, &image, added)?);
            (best, noise) = (image, added);
            break;
        }
        if path.len() == before {
            break;
        }
        reached = path.last().is_some_and(|last| last.drift <= limits.drift);
    }
    Ok(Chosen { image: best, sensitivities, path, reached })
}

/// Bytes of the arena that `image` needs with one worker.
fn arena_bytes(image: &AlignedBytes) -> Result<usize> {
    Ok(Plan::for_model(Model::load(image)?.head()).build()?.arena_bytes())
}

impl Search<'_> {
    /// The image whose parts take the offers `chosen`.
    fn image(&self, chosen: &Choice) -> Result<AlignedBytes> {
        let mut steps = self.int8.steps.clone();
        for (part, offer) in self.parts.iter().zip(chosen).filter_map(|(part, offer)| Some((part, self.offers[(*offer)?]))) {
            part.steps.iter().for_each(|&at| steps[at] = offer.steps[at].clone());
        }
        self.int8.with_steps(&steps)
    }

    /// What may be bought, as part and offer: anything for a part in 8 bits, half precision for one that has taken 16 bits.
    fn candidates(&self, chosen: &Choice) -> Vec<(usize, usize)> {
        let half = |offer: usize| self.offers[offer].precision == Precision::Fp16;
        let all = (0..chosen.len()).flat_map(|at| (0..self.offers.len()).map(move |offer| (at, offer)));
        all.filter(|&(at, offer)| match chosen[at] {
            None => !(half(offer) && self.beyond[at]),
            Some(had) => !half(had) && half(offer) && !self.beyond[at],
        })
        .collect()
    }

    /// Every candidate, alone beside those `chosen`, whose image is `base`; the most worth first.
    fn rank(&self, chosen: &Choice, base: &AlignedBytes, progress: &dyn Progress) -> Result<Vec<((usize, usize), Sensitivity)>> {
        let base = self.measure.noise(base.clone(), RANKED)?;
        let all = self.parts.iter().fold((0, 0), |(macs, weights), part| (macs + part.macs, weights + part.weights));
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let candidates = self.candidates(chosen);
        progress.begin("sensitivity of every part", candidates.len());
        let mut ranked = Vec::new();
        for (at, offer) in candidates {
            let (part, offered) = (&self.parts[at], &self.offers[offer]);
            let mut with = chosen.to_vec();
            with[at] = Some(offer);
            let noise = self.measure.noise(self.image(&with)?, RANKED)?;
            let (macs, weights) = (share(part.macs, all.0), share(part.weights, all.1));
            let worth = (base.power - noise.power) / base.power / offered.cost(macs, weights, chosen[at].is_some());
            let (part, precision) = (part.name.clone(), offered.precision.name());
            ranked.push(((at, offer), Sensitivity { part, precision, gain_db: noise.db - base.db, macs, weights, worth }));
            progress.advance(1);
        }
        ranked.sort_by(|(_, one), (_, other)| other.worth.total_cmp(&one.worth));
        Ok(ranked)
    }

    fn point(&self, added: Option<usize>, chosen: &Choice, image: &AlignedBytes, noise: Noise) -> Result<Step> {
        let macs = |only: bool| self.parts.iter().zip(chosen).filter(|(_, chosen)| !only || chosen.is_some()).map(|(part, _)| part.macs).sum::<u64>();
        Ok(Step {
            part: added.map(|at| self.parts[at].name.clone()),
            precision: added.and_then(|at| chosen[at]).map(|offer| self.offers[offer].precision.name()),
            logits_db: noise.db,
            drift: self.measure.drift(image, noise)?,
            wide_macs: macs(true) as f64 / macs(false).max(1) as f64,
            bytes: image.len(),
            arena_bytes: arena_bytes(image)?,
        })
    }
}
