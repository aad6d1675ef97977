//! Outcomes of many edits.

use std::fmt::{Display, Formatter};

use crate::edits::{Case, Family, Kind};
use crate::judge::Figures;

/// One edit and what quantising it gave.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Text of the edits.
    pub name: String,
    /// Property that the edits keep.
    pub family: Family,
    /// The edits.
    pub kinds: Vec<Kind>,
    /// Of the network without them.
    pub unedited: Figures,
    /// Of the edited network, or why it is refused.
    pub figures: Result<Figures, String>,
}

/// Cost of an edit.
#[derive(Clone, Copy, Debug)]
pub struct Loss {
    /// Signal to noise, in dB.
    pub db: f64,
    /// Agreement, in points.
    pub agreement: f64,
}

impl Outcome {
    /// Of `case`.
    pub fn new(case: &Case, unedited: Figures, figures: anyhow::Result<Figures>) -> Self {
        let figures = figures.map_err(|error| format!("{error:#}"));
        Self { name: case.name(), family: case.family(), kinds: case.kinds.clone(), unedited, figures }
    }

    /// Cost of the edit; none if the network is refused.
    pub fn loss(&self) -> Option<Loss> {
        let edited = self.figures.as_ref().ok()?;
        Some(Loss { db: self.unedited.db - edited.db, agreement: self.unedited.agreement - edited.agreement })
    }
}

impl Display for Outcome {
    fn fmt(&self, f: &mut Formatter<'_>) -> std::fmt::Result {
        let (db, agreement, loss) = match (&self.figures, self.loss()) {
            (Ok(figures), Some(loss)) => (figures.db, figures.agreement, loss),
            (Err(error), _) => return write!(f, "refused: {}: {error}", self.name),
            (Ok(_), None) => return write!(f, "{}", self.name),
        };
        write!(f, "{db:6.2} dB ({:+6.2})  {agreement:6.2} % ({:+5.2})  {}", -loss.db, -loss.agreement, self.name)
    }
}

/// Worst and median losses and the number of refusals, by family.
pub fn summary(outcomes: &[Outcome]) -> String {
    let mut lines = Vec::new();
    for family in [Family::Exact, Family::Decision, Family::Stress] {
        let own: Vec<&Outcome> = outcomes.iter().filter(|outcome| outcome.family == family).collect();
        let sorted = |value: fn(Loss) -> f64| {
            let mut values: Vec<f64> = own.iter().filter_map(|outcome| outcome.loss()).map(value).collect();
            values.sort_by(f64::total_cmp);
            values
        };
        let (decibels, points) = (sorted(|loss| loss.db), sorted(|loss| loss.agreement));
        if let (Some(worst), Some(least)) = (decibels.last(), points.last()) {
            let [median, middle] = [&decibels, &points].map(|values| values[values.len() / 2]);
            lines.push(format!(
                "{family:?}: {} edits, {} refused; lost worst {worst:.2} dB and {least:.2} points, median {median:.2} dB and {middle:.2} points",
                own.len(),
                own.len() - decibels.len()
            ));
        } else if !own.is_empty() {
            lines.push(format!("{family:?}: {} edits, all refused", own.len()));
        }
    }
    lines.join("\n")
}
