//! Buys accuracy where it is cheapest.

use anyhow::{Result, ensure};
use hrvit_core::{Model, Plan, Precision};
use hrvit_format::{LoadError, aligned::AlignedBytes};
use serde::Serialize;

use super::{
    fitting::{Choice, Fitting, Forced, Offer},
    measure::{Measure, Noise},
};
use crate::quantize::{Derived, Progress};

/// Frames on which parts are compared with each other.
const RANKED: usize = 4;

/// Gain by another precision of one part alone.
#[derive(Clone, Debug, Serialize)]
pub struct Sensitivity {
    /// The part.
    pub part: String,
    /// Name of the precision.
    pub precision: &'static str,
    /// Clear decisions regained, on the frames that rank: pixels or frames.
    pub regained: i64,
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
    /// Decisions that differ from float's where float is clear.
    pub clear_flips: u64,
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
    /// Gain by every part alone, the most worth first.
    pub sensitivities: Vec<Sensitivity>,
    /// Images measured, each with one part more than the one before; the last is the choice.
    pub path: Vec<Step>,
    /// Whether the drift that was asked for is reached.
    pub reached: bool,
    /// Parts that do not fit 8 bits.
    pub forced: Vec<Forced>,
}

impl Offer<'_> {
    /// Cost of a part by its shares of multiply-accumulates and weights. The former get wider
    /// operands, unless they have `wide` ones. Weights grow in half precision only.
    fn cost(&self, macs: f64, weights: f64, wide: bool) -> f64 {
        let operands = if wide { 0.0 } else { macs };
        let cost = if self.precision == Precision::Fp16 { operands + weights } else { operands };
        // No part is free: it has at least the words of its records.
        cost.max(1e-3)
    }
}

struct Search<'a> {
    fitting: Fitting<'a>,
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

/// Starts from `int8` and gives parts of it the steps of one of the `offers` instead until the
/// drift is small enough. Parts that do not fit 8 bits have one from the start.
///
/// Buys one part after another. Every part that is still in 8 bits is measured without labels, with
/// each offer beside the choices so far. Every part in 16 bits is measured with half precision. The
/// number of clear decisions that it regains counts first, then the noise power at the logits that
/// it removes. Both are per cost: its share of the multiply-accumulates that get wider operands,
/// plus its share of growing weights. The first of this order that is also better on all frames is
/// added. Then the drift is measured.
///
/// # Errors
/// If a part fits no precision, or the arena is too small for parts that must not have 8 bits. If
/// the engine refuses an image.
pub fn search(int8: &Derived, offers: &[Offer<'_>], measure: &Measure<'_>, limits: &Limits, progress: &dyn Progress) -> Result<Chosen> {
    let search = Search { fitting: Fitting::new(int8, offers, &limits.beyond), measure };
    let mut chosen: Vec<Option<usize>> = vec![None; search.fitting.parts.len()];
    let (image, forced) = search.fitting.complete(&mut chosen)?;
    let needed = arena_bytes(&image)?;
    ensure!(
        forced.is_empty() || limits.arena_bytes.is_none_or(|most| needed <= most),
        "an arena of {needed} bytes, more than --max-arena: {}",
        forced.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
    );
    let mut noise = measure.noise(image.clone(), usize::MAX)?;
    let mut path = vec![search.point(None, &chosen, &image, noise)?];
    let (mut best, mut reached) = (image, path[0].drift <= limits.drift);
    let mut sensitivities = Vec::new();
    while !reached {
        let ranked = search.rank(&chosen, &best, progress)?;
        if sensitivities.is_empty() {
            sensitivities = ranked.iter().map(|(_, sensitivity)| sensitivity.clone()).collect();
        }
        let before = path.len();
        for ((at, offer), _) in ranked.iter().filter(|(_, sensitivity)| measure.is_gain(sensitivity.regained, sensitivity.worth)) {
            let had = chosen[*at].replace(*offer);
            let image = search.fitting.image(&chosen)?;
            let fits = limits.arena_bytes.is_none_or(|most| arena_bytes(&image).is_ok_and(|bytes| bytes <= most));
            let added = if fits { Some(measure.noise(image.clone(), usize::MAX)?).filter(|added| measure.is_better(*added, noise)) } else { None };
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
    Ok(Chosen { image: best, sensitivities, path, reached, forced })
}

/// Bytes of the arena that `image` needs with one worker.
fn arena_bytes(image: &AlignedBytes) -> Result<usize> {
    Ok(Plan::for_model(Model::load(image)?.head()).build()?.arena_bytes())
}

impl Search<'_> {
    /// Offers that may be bought, as part and offer: anything for a part in 8 bits, half precision
    /// for one that has taken 16 bits.
    fn candidates(&self, chosen: &Choice) -> Vec<(usize, usize)> {
        let half = |offer: usize| self.fitting.offers[offer].precision == Precision::Fp16;
        let all = (0..chosen.len()).flat_map(|at| (0..self.fitting.offers.len()).map(move |offer| (at, offer)));
        all.filter(|&(at, offer)| chosen[at].is_none_or(|had| !half(had) && half(offer)) && self.fitting.fits(at, offer)).collect()
    }

    /// Every candidate, alone beside those `chosen`, whose image is `base`; the most worth first.
    fn rank(&self, chosen: &Choice, base: &AlignedBytes, progress: &dyn Progress) -> Result<Vec<((usize, usize), Sensitivity)>> {
        let base = self.measure.noise(base.clone(), RANKED)?;
        let parts = &self.fitting.parts;
        let all = parts.iter().fold((0, 0), |(macs, weights), part| (macs + part.macs, weights + part.weights));
        let share = |part: u64, all: u64| part as f64 / all.max(1) as f64;
        let candidates = self.candidates(chosen);
        progress.begin("sensitivity of every part", candidates.len());
        let mut ranked = Vec::new();
        for (at, offer) in candidates {
            let (part, offered) = (&parts[at], &self.fitting.offers[offer]);
            let mut with = chosen.to_vec();
            with[at] = Some(offer);
            progress.advance(1);
            let image = match self.fitting.image(&with) {
                // The loader refuses the part in this precision: it is not on offer.
                Err(error) if error.downcast_ref::<LoadError>().is_some() => continue,
                image => image?,
            };
            let noise = self.measure.noise(image, RANKED)?;
            let (macs, weights) = (share(part.macs, all.0), share(part.weights, all.1));
            let cost = offered.cost(macs, weights, chosen[at].is_some());
            let worth = (base.power - noise.power) / base.power / cost;
            let regained = base.clear_flips as i64 - noise.clear_flips as i64;
            let (part, precision) = (part.name.clone(), offered.precision.name());
            let sensitivity = Sensitivity { part, precision, regained, gain_db: noise.db - base.db, macs, weights, worth };
            ranked.push((self.measure.whole(regained) as f64 / cost, (at, offer), sensitivity));
        }
        ranked.sort_by(|(one, _, a), (other, _, b)| other.total_cmp(one).then(b.worth.total_cmp(&a.worth)));
        Ok(ranked.into_iter().map(|(_, place, sensitivity)| (place, sensitivity)).collect())
    }

    fn point(&self, added: Option<usize>, chosen: &Choice, image: &AlignedBytes, noise: Noise) -> Result<Step> {
        let macs = |only: bool| self.fitting.parts.iter().zip(chosen).filter(|(_, chosen)| !only || chosen.is_some()).map(|(part, _)| part.macs).sum::<u64>();
        Ok(Step {
            part: added.map(|at| self.fitting.parts[at].name.clone()),
            precision: added.and_then(|at| chosen[at]).map(|offer| self.fitting.offers[offer].precision.name()),
            clear_flips: noise.clear_flips,
            logits_db: noise.db,
            drift: self.measure.drift(image, noise)?,
            wide_macs: macs(true) as f64 / macs(false).max(1) as f64,
            bytes: image.len(),
            arena_bytes: arena_bytes(image)?,
        })
    }
}
