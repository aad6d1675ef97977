//! Whether calibration frames flatter an image: their figures against those of frames held out,
//! with a bootstrap interval.

use std::fmt;

use serde::Serialize;

use super::measure::{Decided, Measured};
use crate::{quantize::sample::SplitMix, sqnr::Terms};

/// Fewest units that a bootstrap draws from.
const FEWEST_UNITS: usize = 4;
/// Bootstrap resamples.
const RESAMPLES: u64 = 2000;
/// Seed that they are drawn from.
const SEED: u64 = 0;
/// Share of decisions below which a gap is of no consequence.
const LEAST_AGREEMENT: f64 = 0.0025;
/// Decibels below which a gap is of no consequence.
const LEAST_DB: f64 = 1.0;

/// Lengths of what the bootstrap draws: blocks of frames where there are enough of them, else
/// frames.
pub fn units(blocks: &[usize]) -> Vec<usize> {
    if blocks.len() >= FEWEST_UNITS { blocks.to_vec() } else { vec![1; blocks.iter().sum()] }
}

/// One figure on frames held out less the same on calibration frames.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Gap {
    /// Name of the figure.
    pub figure: &'static str,
    /// On frames held out.
    pub held_out: f64,
    /// On calibration frames.
    pub calibration: f64,
    /// 2.5th percentile of the difference over the bootstrap's resamples.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
    /// Whether the whole interval is below zero and the gap of consequence.
    pub flatters: bool,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (unit, less, factor, digits) = if self.figure == AGREEMENT { ("%", "points", 100.0, 2) } else { ("dB", "dB", 1.0, 1) };
        let [held, calibrated, least, most] = [self.held_out, self.calibration, -self.high, -self.low].map(|value| factor * value);
        write!(
            f,
            "{} is {held:.digits$} {unit} on frames held out and {calibrated:.digits$} {unit} on calibration frames, {:.digits$} {less} less \
             (95 %: {least:.digits$} to {most:.digits$}): calibration frames do not stand for others; add frames of the scenes that are missing",
            self.figure,
            calibrated - held
        )
    }
}

const AGREEMENT: &str = "agreement";
const SQNR: &str = "logits SQNR";

/// Gaps of agreement and signal to noise of the logits; none where there are too few units. Units
/// of both sets are drawn with replacement, as many as there are, independently of each other. The
/// SQNR is over the classes that float picks on the whole set.
pub fn gaps(held: &Measured, calibrated: &Measured) -> Vec<Gap> {
    if held.units.len() < FEWEST_UNITS || calibrated.units.len() < FEWEST_UNITS {
        return Vec::new();
    }
    let sets = [held, calibrated].map(Units::of);
    let all = sets.each_ref().map(|set| set.figures(0..set.terms.len()));
    let differences: Vec<[Option<f64>; 2]> = (0..RESAMPLES)
        .map(|number| {
            let mut random = SplitMix(SEED.wrapping_add(number << 32));
            let [held, calibrated] = sets.each_ref().map(|set| {
                let count = set.terms.len();
                set.figures((0..count).map(|_| (random.next_u64() % count as u64) as usize).collect::<Vec<_>>())
            });
            [0, 1].map(|figure| Some(held[figure]? - calibrated[figure]?))
        })
        .collect();
    let gap = |(at, (figure, least)): (usize, (&'static str, f64))| {
        let (held_out, calibration) = (all[0][at]?, all[1][at]?);
        let mut spread: Vec<f64> = differences.iter().filter_map(|one| one[at]).filter(|value| !value.is_nan()).collect();
        spread.sort_by(f64::total_cmp);
        let place = |share: f64| spread.get((share * spread.len().saturating_sub(1) as f64).round() as usize).copied();
        let (low, high) = (place(0.025)?, place(0.975)?);
        Some(Gap { figure, held_out, calibration, low, high, flatters: high < 0.0 && calibration - held_out >= least })
    };
    [(AGREEMENT, LEAST_AGREEMENT), (SQNR, LEAST_DB)].into_iter().enumerate().filter_map(gap).collect()
}

/// Share of each unit in the figures of a set.
struct Units {
    decided: Vec<Decided>,
    terms: Vec<Terms>,
}

impl Units {
    fn of(measured: &Measured) -> Self {
        let deciding = measured.total().sqnr.deciding();
        Self {
            decided: measured.units.iter().map(|unit| Decided { classes: Vec::new(), ..unit.decided.clone() }).collect(),
            terms: measured.units.iter().map(|unit| unit.sqnr.terms(&deciding)).collect(),
        }
    }

    /// Agreement and signal to noise in dB over the `drawn` units.
    fn figures(&self, drawn: impl IntoIterator<Item = usize>) -> [Option<f64>; 2] {
        let (mut decided, mut terms) = (Decided::default(), Terms::default());
        for at in drawn {
            decided.merge(&self.decided[at]);
            terms.add(&self.terms[at]);
        }
        [decided.all.agreement(), terms.db().filter(|db| db.is_finite())]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{hold_out::measure::Unit, report::agreement::Pixels, sqnr::Sqnr};

    /// Units of 1000 decisions that agree so often, their logits of two classes with errors in
    /// proportion.
    fn measured(same: &[u64]) -> Measured {
        let unit = |&same: &u64| {
            let error = (1001 - same) as f32 / 1000.0;
            let mut sqnr = Sqnr::default();
            sqnr.add_tokens(&[1.0, 0.0, 0.0, 1.0], &[1.0 + error, 0.0, 0.0, 1.0 - error], 2);
            Unit { decided: Decided { all: Pixels { same, all: 1000 }, ..Decided::default() }, sqnr }
        };
        Measured { units: same.iter().map(unit).collect(), frames: same.len(), deviation: 1.0 }
    }

    #[test]
    fn a_gap_beyond_the_spread_of_both_sets_flatters() {
        let gaps = gaps(&measured(&[950, 940, 955, 945]), &measured(&[991, 989, 993, 990]));
        assert_eq!(gaps.iter().map(|gap| (gap.figure, gap.flatters)).collect::<Vec<_>>(), [(AGREEMENT, true), (SQNR, true)]);
        let text = gaps[0].to_string();
        assert!(text.contains("94.75 % on frames held out and 99.08 % on calibration frames, 4.33 points less"), "{text}");
        assert!(gaps[0].low < -0.0433 && gaps[0].high > -0.0432);
    }

    #[test]
    fn a_gap_within_the_spread_or_of_no_consequence_does_not_flatter() {
        let flatters = |held: &[u64], calibrated: &[u64]| gaps(&measured(held), &measured(calibrated))[0].flatters;
        assert!(!flatters(&[950, 999, 960, 998], &[991, 970, 993, 990]));
        assert!(!flatters(&[991, 992, 991, 992], &[993, 993, 993, 993]), "0.15 points");
        assert!(!flatters(&[999, 999, 999, 999], &[950, 950, 950, 950]), "better than calibration frames");
    }

    #[test]
    fn few_frames_tell_nothing_and_few_blocks_are_cut() {
        assert!(gaps(&measured(&[1, 1, 1]), &measured(&[999, 999, 999])).is_empty());
        assert_eq!(units(&[3, 2]), [1; 5]);
        assert_eq!(units(&[3, 2, 4, 2]), [3, 2, 4, 2]);
    }

    #[test]
    fn the_interval_repeats() {
        let of = || gaps(&measured(&[950, 940, 955, 945]), &measured(&[991, 989, 993, 990]));
        assert_eq!(of(), of());
    }
}
