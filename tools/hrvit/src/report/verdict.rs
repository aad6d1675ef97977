//! One demand on a model image, and the figure found.

use serde::Serialize;

/// One demand.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Verdict {
    /// The metric, and the step or draw where there are several.
    pub what: String,
    /// The figure found; none if it could not be measured.
    pub found: Option<f64>,
    /// The figure demanded.
    pub bar: f64,
    /// Whether the bar is a largest value rather than a smallest.
    pub at_most: bool,
    /// Unit of both.
    pub unit: &'static str,
    /// Whether it is met.
    pub passed: bool,
}

impl Verdict {
    pub(super) fn at_least(what: String, found: Option<f64>, bar: f64, unit: &'static str) -> Self {
        Self { what, found, bar, at_most: false, unit, passed: found.is_some_and(|found| found >= bar) }
    }

    pub(super) fn at_most(what: String, found: Option<f64>, bar: f64, unit: &'static str) -> Self {
        Self { what, found, bar, at_most: true, unit, passed: found.is_some_and(|found| found <= bar) }
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (what, unit, bar) = (&self.what, self.unit, self.bar);
        let found = self.found.map_or_else(|| "nothing was measured".to_owned(), |found| format!("found {found:.3} {unit}"));
        write!(f, "{what}: {found}, expected {} {bar} {unit}", if self.at_most { "at most" } else { "at least" })
    }
}
