//! Several images of one network, each calibrated with other frames: how much of the drift is
//! chance.

use serde::Serialize;

use super::measure::Against;
use super::task::ClassCounts;

/// One image.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draw {
    /// Its file, or the number of the draw.
    pub name: String,
    /// Its mean IoU less float's, in points.
    pub delta_miou_points: Option<f64>,
    /// Share of all pixels on which it agrees with float.
    pub agreement: Option<f64>,
    /// The same where float's decision is clear.
    pub agreement_at_clear_margin: Option<f64>,
    /// SQNR of the logits in dB.
    pub logits_sqnr_db: Option<f64>,
}

/// Mean and deviation.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Spread {
    /// Mean.
    pub mean: f64,
    /// Standard deviation with `n - 1`; 0 of one value.
    pub deviation: f64,
}

impl Spread {
    /// Of the values that there are; `None` without any.
    pub fn of(values: impl Iterator<Item = Option<f64>>) -> Option<Self> {
        let known: Vec<f64> = values.flatten().collect();
        let count = known.len() as f64;
        let mean = known.iter().sum::<f64>() / count;
        let squares: f64 = known.iter().map(|value| (value - mean).powi(2)).sum();
        (!known.is_empty()).then(|| Self { mean, deviation: if known.len() > 1 { (squares / (count - 1.0)).sqrt() } else { 0.0 } })
    }
}

/// All draws.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Draws {
    /// How they were made.
    pub origin: String,
    /// One after the other.
    pub draws: Vec<Draw>,
    /// Of their differences in mean IoU, in points.
    pub delta_miou_points: Option<Spread>,
    /// Of their agreement with float.
    pub agreement: Option<Spread>,
    /// The same where float's decision is clear.
    pub agreement_at_clear_margin: Option<Spread>,
    /// Of their logits' SQNR in dB.
    pub logits_sqnr_db: Option<Spread>,
}

impl Draws {
    /// Sums up what was measured of every draw; `float` are the counts of the reference per frame.
    pub fn of(origin: String, names: &[String], float: &[ClassCounts], measured: &[Against], classes: usize) -> Self {
        let miou = |frames: &[ClassCounts]| {
            let mut all = ClassCounts::new(classes);
            frames.iter().for_each(|frame| all.merge(frame));
            all.miou()
        };
        let reference = miou(float);
        let draw = |(name, one): (&String, &Against)| Draw {
            name: name.clone(),
            delta_miou_points: miou(&one.classes).zip(reference).map(|(other, float)| 100.0 * (other - float)),
            agreement: one.counts.overall().agreement(),
            agreement_at_clear_margin: one.counts.clear().agreement(),
            logits_sqnr_db: one.sqnr.db(),
        };
        let draws: Vec<Draw> = names.iter().zip(measured).map(draw).collect();
        Self {
            origin,
            delta_miou_points: Spread::of(draws.iter().map(|draw| draw.delta_miou_points)),
            agreement: Spread::of(draws.iter().map(|draw| draw.agreement)),
            agreement_at_clear_margin: Spread::of(draws.iter().map(|draw| draw.agreement_at_clear_margin)),
            logits_sqnr_db: Spread::of(draws.iter().map(|draw| draw.logits_sqnr_db)),
            draws,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_a_sample() {
        assert_eq!(Spread::of([Some(1.0), None, Some(3.0)].into_iter()), Some(Spread { mean: 2.0, deviation: 2f64.sqrt() }));
        assert_eq!(Spread::of([Some(4.0)].into_iter()), Some(Spread { mean: 4.0, deviation: 0.0 }));
        assert_eq!(Spread::of(std::iter::empty()), None);
    }
}
