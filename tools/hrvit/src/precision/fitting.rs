//! Images whose parts have different precisions, and the parts that must leave 8 bits because they
//! do not fit them.

use anyhow::{Result, bail};
use hrvit_core::Precision;
use hrvit_format::{LoadError, Step, aligned::AlignedBytes};
use serde::Serialize;

use super::parts::{Part, parts};
use crate::quantize::{Derived, Tried};

/// The steps of the network in another precision.
#[derive(Clone, Copy)]
pub struct Offer<'a> {
    /// The precision.
    pub precision: Precision,
    /// All steps, in canonical order.
    pub steps: &'a [Tried],
}

/// A part that 8 bits refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Forced {
    /// The part.
    pub part: String,
    /// Name of the precision that it has instead.
    pub precision: &'static str,
    /// Reason of the refusal.
    pub why: String,
}

impl std::fmt::Display for Forced {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} does not fit 8 bits and has {} instead: {}", self.part, self.precision, self.why)
    }
}

/// The offer that each part takes; none stays in 8 bits.
pub type Choice = [Option<usize>];

/// A network in 8 bits, and what its parts may have instead.
pub struct Fitting<'a> {
    /// In 8 bits.
    pub int8: &'a Derived,
    /// Instead of them.
    pub offers: &'a [Offer<'a>],
    /// Parts that choose together.
    pub parts: Vec<Part>,
    /// Parts beyond half precision.
    beyond: Vec<bool>,
}

impl<'a> Fitting<'a> {
    /// The parts of the network; the values of the steps `beyond` are beyond half precision.
    pub fn new(int8: &'a Derived, offers: &'a [Offer<'a>], beyond: &[Step]) -> Self {
        let (network, size) = (int8.network(), int8.size());
        let parts = parts(network, size);
        let is_beyond: Vec<bool> = network.steps().map(|step| beyond.contains(&step)).collect();
        let beyond = parts.iter().map(|part| part.steps.iter().any(|&at| is_beyond[at])).collect();
        Self { int8, offers, parts, beyond }
    }

    /// Whether a part fits an offer.
    pub fn fits(&self, part: usize, offer: usize) -> bool {
        self.refusal(part, offer).is_none()
    }

    /// Why a part does not fit an offer.
    fn refusal(&self, part: usize, offer: usize) -> Option<String> {
        let offered = self.offers[offer];
        if offered.precision == Precision::Fp16 && self.beyond[part] {
            return Some("values beyond half precision".to_owned());
        }
        first_refusal(offered.steps, &self.parts[part])
    }

    /// The image whose parts take the offers `chosen`.
    ///
    /// # Errors
    /// If a step does not fit, or the steps make no valid image.
    pub fn image(&self, chosen: &Choice) -> Result<AlignedBytes> {
        let mut steps: Vec<&Tried> = self.int8.steps.iter().collect();
        for (part, offer) in self.parts.iter().zip(chosen).filter_map(|(part, offer)| Some((part, self.offers[(*offer)?]))) {
            part.steps.iter().for_each(|&at| steps[at] = &offer.steps[at]);
        }
        self.int8.with_steps(&steps.into_iter().cloned().collect::<Result<Vec<_>, _>>()?)
    }

    /// [`Fitting::image`], after parts in 8 bits that do not fit them have taken an offer: 16 bits
    /// before half precision.
    ///
    /// # Errors
    /// If a part fits nothing that is offered; says why not.
    pub fn complete(&self, chosen: &mut Choice) -> Result<(AlignedBytes, Vec<Forced>)> {
        let mut forced: Vec<(usize, String)> = Vec::new();
        for (at, part) in self.parts.iter().enumerate().filter(|(at, _)| chosen[*at].is_none()).collect::<Vec<_>>() {
            if let Some(why) = first_refusal(&self.int8.steps, part) {
                chosen[at] = Some(self.instead(at, &why, &[])?);
                forced.push((at, why));
            }
        }
        // The image's checks may refuse a step that passed its own.
        let mut failed: Vec<(usize, usize)> = Vec::new();
        loop {
            let error = match self.image(chosen) {
                Ok(image) => {
                    let name = |(at, why): (usize, String)| {
                        let precision = chosen[at].map_or("int8", |offer| self.offers[offer].precision.name());
                        Forced { part: self.parts[at].name.clone(), precision, why }
                    };
                    return Ok((image, forced.into_iter().map(name).collect()));
                }
                Err(error) => error,
            };
            let Some(at) = self.blamed(&error) else { return Err(error) };
            let why = format!("{error:#}");
            match chosen[at] {
                Some(offer) if forced.iter().any(|(part, _)| *part == at) => failed.push((at, offer)),
                Some(_) => return Err(error),
                None => forced.push((at, why.clone())),
            }
            let tried: Vec<usize> = failed.iter().filter(|(part, _)| *part == at).map(|(_, offer)| *offer).collect();
            chosen[at] = Some(self.instead(at, &why, &tried)?);
        }
    }

    /// The offer for a part that 8 bits refuse: none of `tried`.
    fn instead(&self, at: usize, why: &str, tried: &[usize]) -> Result<usize> {
        let mut order: Vec<usize> = (0..self.offers.len()).filter(|offer| !tried.contains(offer)).collect();
        order.sort_by_key(|&offer| self.offers[offer].precision == Precision::Fp16);
        if let Some(&offer) = order.iter().find(|&&offer| self.fits(at, offer)) {
            return Ok(offer);
        }
        let others: Vec<String> =
            order.iter().map(|&offer| format!("{}: {}", self.offers[offer].precision.name(), self.refusal(at, offer).unwrap_or_default())).collect();
        bail!("{} fits no precision on offer: int8: {why}; {}", self.parts[at].name, others.join("; "));
    }

    /// The part whose record an image's loader refuses.
    fn blamed(&self, error: &anyhow::Error) -> Option<usize> {
        let step = match error.downcast_ref::<LoadError>()? {
            LoadError::Step(id) => usize::from(id.0),
            LoadError::Op(index, _) => {
                let network = self.int8.network();
                let mut before = 0;
                network.steps().position(|step| {
                    before += network.ops(step).len();
                    usize::from(*index) < before
                })?
            }
            _ => return None,
        };
        self.parts.iter().position(|part| part.steps.contains(&step))
    }
}

fn first_refusal(steps: &[Tried], part: &Part) -> Option<String> {
    part.steps.iter().find_map(|&at| steps[at].as_ref().err()).map(ToString::to_string)
}
