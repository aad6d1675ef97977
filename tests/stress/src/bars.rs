//! Bars that outcomes must meet: `tests/data/stress_bars.toml`.

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::edits::{Family, Kind};
use crate::judge::bundled;
use crate::table::Outcome;

/// Agreement is judged of at least this many decisions: of a classifier's few frames one is whole
/// points.
const DECISIONS: usize = 1000;

/// Bars of every group of edits.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// How many networks may be refused.
    pub refused: usize,
    /// Of edits that keep the function.
    pub exact: Bar,
    /// Of edits that keep the decisions.
    pub decision: Bar,
    /// Of 100 on one channel of a residual stream.
    pub stream_100: Bar,
}

/// Cost that a group of edits may add to the unedited network's.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bar {
    /// Of any edit, in dB.
    pub worst_loss_db: f64,
    /// Of the median edit, in dB.
    pub median_loss_db: Option<f64>,
    /// Of any edit's agreement with float, in points.
    pub worst_agreement_loss_points: Option<f64>,
}

impl Bars {
    /// The bundled bars.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn bundled() -> Result<Self> {
        let path = bundled("tests/data/stress_bars.toml");
        let text = std::fs::read_to_string(&path).with_context(|| format!("reading bars {}", path.display()))?;
        toml::from_str(&text).with_context(|| format!("bars {}", path.display()))
    }

    /// Everything that `outcomes` do not meet, a sentence each.
    pub fn missed(&self, outcomes: &[Outcome]) -> Vec<String> {
        let mut missed = Vec::new();
        let refused = outcomes.iter().filter(|outcome| outcome.figures.is_err()).count();
        if refused > self.refused {
            missed.push(format!("{refused} networks are refused, at most {} may be", self.refused));
        }
        type Group = fn(&Outcome) -> bool;
        let groups: [(&str, &Bar, Group); 3] = [
            ("exact", &self.exact, |outcome| outcome.family == Family::Exact),
            ("decision", &self.decision, |outcome| outcome.family == Family::Decision),
            ("stream_100", &self.stream_100, |outcome| outcome.kinds == [Kind::Stream100]),
        ];
        for (name, bar, belongs) in groups {
            let group: Vec<&Outcome> = outcomes.iter().filter(|outcome| belongs(outcome)).collect();
            bar.judge(name, &group, &mut missed);
        }
        missed
    }
}

impl Bar {
    fn judge(&self, group: &str, outcomes: &[&Outcome], missed: &mut Vec<String>) {
        let mut losses = Vec::new();
        for outcome in outcomes {
            let Some(loss) = outcome.loss() else { continue };
            losses.push(loss.db);
            if loss.db.is_nan() || loss.db > self.worst_loss_db {
                missed.push(format!("{group}: {:.2} dB lost, at most {} may be: {}", loss.db, self.worst_loss_db, outcome.name));
            }
            let most = self.worst_agreement_loss_points.filter(|_| outcome.unedited.decisions >= DECISIONS);
            if let Some(most) = most.filter(|most| loss.agreement > *most) {
                missed.push(format!("{group}: {:.2} points of agreement lost, at most {most} may be: {}", loss.agreement, outcome.name));
            }
        }
        losses.sort_by(f64::total_cmp);
        if let (Some(&median), Some(most)) = (losses.get(losses.len() / 2), self.median_loss_db)
            && median > most
        {
            missed.push(format!("{group}: the median edit loses {median:.2} dB, at most {most} may be"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::judge::Figures;

    fn outcome(family: Family, kind: Kind, edited: Result<[f64; 2], String>) -> Outcome {
        let figures = |[db, agreement]: [f64; 2]| Figures { db, agreement, decisions: DECISIONS };
        Outcome { name: "edit".into(), family, kinds: vec![kind], unedited: figures([30.0, 98.0]), figures: edited.map(figures) }
    }

    #[test]
    fn bars_are_missed_by_what_loses_more_and_by_what_is_refused() {
        let bars = Bars::bundled().unwrap();
        let exact = |db, agreement| outcome(Family::Exact, Kind::Relu, Ok([db, agreement]));
        assert_eq!(bars.missed(&[exact(29.9, 97.9), exact(31.0, 98.1)]), [""; 0]);
        assert!(bars.missed(&[exact(29.9, 97.9), exact(29.9, 97.9), exact(28.9, 97.9)])[0].contains("1.10 dB"));
        assert!(bars.missed(&[exact(30.0, 97.6)])[0].contains("0.40 points"));
        assert!(bars.missed(&[exact(29.5, 98.0), exact(29.5, 98.0)])[0].contains("median"));
        assert_eq!(bars.missed(&[exact(f64::NEG_INFINITY, 98.0)]).len(), 2);
        assert!(bars.missed(&[exact(f64::NAN, 98.0)])[0].contains("NaN"));
        assert!(bars.missed(&[outcome(Family::Stress, Kind::DeadRow, Err("no".into()))])[0].contains("1 networks are refused"));
        assert_eq!(bars.missed(&[outcome(Family::Stress, Kind::DeadRow, Ok([20.0, 90.0]))]), [""; 0]);
        assert_eq!(bars.missed(&[outcome(Family::Stress, Kind::Stream100, Ok([27.0, 90.0]))]).len(), 1);
    }
}
