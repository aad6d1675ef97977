//! Demands on a model image, and whether they are met.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::{Context, Result};
use serde::Deserialize;

use super::draws::Spread;
use super::macs::Macs;
use super::steps::StepDrift;
use super::task::Estimate;
use super::verdict::Verdict;
use super::{Report, classifier};

/// One set of bars.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bars {
    /// Segmentors: largest magnitude of the difference in mean IoU, in points: the mean over the
    /// draws where there are several.
    pub delta_miou_points: Option<f64>,
    /// Classifiers: largest magnitude of the difference in top-1 accuracy, in points, likewise.
    pub delta_top1_points: Option<f64>,
    /// Smallest share of pixels (of frames of a classifier) that agree, in percent.
    pub agreement_percent: f64,
    /// The same where float's decision is clear.
    pub agreement_at_clear_margin_percent: f64,
    /// Smallest signal to quantisation noise of the logits in dB.
    pub logits_sqnr_db: f64,
    /// Smallest share of multiply-accumulates of two 8-bit operands, in percent.
    pub macs_8x8_percent: f64,
    /// Smallest SQNR in dB of a step alone, per kind of block ([`hrvit_format::Step::kind`]).
    #[serde(default)]
    pub single_db: BTreeMap<String, f64>,
    /// Smallest SQNR in dB of a step against the float network, per kind of block.
    #[serde(default)]
    pub entire_db: BTreeMap<String, f64>,
}

impl Bars {
    /// The set `name` of a TOML file.
    ///
    /// # Errors
    /// If the file cannot be read, a set of it is not one of bars, or it has none of that name.
    pub fn read(path: &Path, name: &str) -> Result<Self> {
        let text = std::fs::read_to_string(path).with_context(|| format!("reading bars {}", path.display()))?;
        let mut sets: BTreeMap<String, Self> = toml::from_str(&text).with_context(|| format!("bars {}", path.display()))?;
        let known = sets.keys().cloned().collect::<Vec<_>>().join(", ");
        sets.remove(name).with_context(|| format!("bars {}: no set {name:?}, expected one of: {known} (--bar-set NAME)", path.display()))
    }

    /// Judges every precision of a segmentor's report. Kinds of block without a floor pass; a floor
    /// for a kind that no step is of does not.
    pub fn judge(&self, report: &Report) -> Vec<Verdict> {
        let judged = report.drift.iter().flat_map(|drift| {
            let image = ("", drift.agreement.overall, drift.agreement.at_clear_margin.agreement, drift.logits_sqnr_db);
            let draws = drift.draws.iter().flat_map(|draws| &draws.draws);
            let draws = draws.map(|draw| (draw.name.as_str(), draw.agreement, draw.agreement_at_clear_margin, draw.logits_sqnr_db));
            let spread = drift.draws.as_ref().map(|draws| (draws.draws.len(), draws.delta_miou_points));
            let delta = self.delta_miou_points.map(|bar| delta(drift.precision, "mIoU", drift.delta.miou_points, spread, bar));
            let agreement = self.agreement(drift.precision, "pixel", std::iter::once(image).chain(draws));
            delta.into_iter().chain(agreement).chain(self.machine(drift.precision, &drift.macs, &drift.steps)).collect::<Vec<_>>()
        });
        judged.collect()
    }

    /// The same of a classifier's report.
    pub fn judge_classifier(&self, report: &classifier::Report) -> Vec<Verdict> {
        let judged = report.drift.iter().flat_map(|drift| {
            let image = ("", drift.agreement.top1, drift.agreement.at_clear_margin.top1, drift.logits_sqnr_db);
            let draws = drift.draws.iter().flat_map(|draws| &draws.draws);
            let draws = draws.map(|draw| (draw.name.as_str(), draw.agreement, draw.agreement_at_clear_margin, draw.logits_sqnr_db));
            let spread = drift.draws.as_ref().map(|draws| (draws.draws.len(), draws.delta_top1_points));
            let delta = self.delta_top1_points.map(|bar| delta(drift.precision, "top-1", drift.delta.top1_points, spread, bar));
            let agreement = self.agreement(drift.precision, "top-1", std::iter::once(image).chain(draws));
            delta.into_iter().chain(agreement).chain(self.machine(drift.precision, &drift.macs, &drift.steps)).collect::<Vec<_>>()
        });
        judged.collect()
    }

    /// Agreement and noise of the image, whose name is empty, and of its draws.
    fn agreement<'a>(&self, precision: &str, of: &str, images: impl Iterator<Item = Image<'a>>) -> Vec<Verdict> {
        let percent = |share: Option<f64>| share.map(|share| 100.0 * share);
        let judged = images.flat_map(|(name, agreement, clear, sqnr)| {
            let who = if name.is_empty() { precision.to_owned() } else { format!("{precision}, draw {name}") };
            [
                Verdict::at_least(format!("{who}: {of} agreement"), percent(agreement), self.agreement_percent, "%"),
                Verdict::at_least(format!("{who}: {of} agreement at a clear margin"), percent(clear), self.agreement_at_clear_margin_percent, "%"),
                Verdict::at_least(format!("{who}: logits SQNR"), sqnr, self.logits_sqnr_db, "dB"),
            ]
        });
        judged.collect()
    }

    /// Products and steps.
    fn machine(&self, precision: &str, macs: &Macs, steps: &[StepDrift]) -> Vec<Verdict> {
        let mut verdicts = vec![Verdict::at_least(format!("{precision}: MACs in 8x8"), Some(100.0 * macs.share()), self.macs_8x8_percent, "%")];
        for (name, floors) in [("single", &self.single_db), ("entire", &self.entire_db)] {
            for (kind, &bar) in floors {
                let steps: Vec<_> = steps.iter().filter(|step| step.kind == kind).collect();
                if steps.is_empty() {
                    verdicts.push(Verdict::at_least(format!("{precision}: steps of kind {kind} (there is none), {name} SQNR"), None, bar, "dB"));
                }
                verdicts.extend(steps.into_iter().map(|step| {
                    let found = if name == "single" { step.single_db } else { step.entire_db };
                    Verdict::at_least(format!("{precision}: step {} ({kind}), {name} SQNR", step.step), found, bar, "dB")
                }));
            }
        }
        verdicts
    }
}

/// Name, agreement, agreement at a clear margin, logits SQNR of one image.
type Image<'a> = (&'a str, Option<f64>, Option<f64>, Option<f64>);

/// Judges a difference of a task metric: its mean over the draws, with their number and spread,
/// else the image's own.
fn delta(precision: &str, metric: &str, image: Option<Estimate>, draws: Option<(usize, Option<Spread>)>, bar: f64) -> Verdict {
    let (what, found) = match draws {
        Some((count, spread)) => (format!("{precision}: magnitude of the mean {metric} difference over {count} draws"), spread.map(|spread| spread.mean.abs())),
        None => (format!("{precision}: magnitude of the {metric} difference"), image.map(|delta| delta.value.abs())),
    };
    Verdict::at_most(what, found, bar, "points")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_measured_does_not_pass() {
        assert!(!Verdict::at_least("a".into(), None, 1.0, "dB").passed);
        assert!(!Verdict::at_most("a".into(), Some(f64::NAN), 1.0, "dB").passed);
        assert!(Verdict::at_most("a".into(), Some(1.0), 1.0, "dB").passed && Verdict::at_least("a".into(), Some(1.0), 1.0, "dB").passed);
    }

    #[test]
    fn a_missing_set_names_those_there_are_and_an_unknown_bar_is_refused() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bars = "delta_miou_points = 1\nagreement_percent = 2\nagreement_at_clear_margin_percent = 3\nlogits_sqnr_db = 4\nmacs_8x8_percent = 5\n";
        std::fs::write(file.path(), format!("[full]\n{bars}[full.single_db]\nPatchEmbed = 20\n")).unwrap();
        assert_eq!(Bars::read(file.path(), "full").unwrap().single_db["PatchEmbed"], 20.0);
        assert!(Bars::read(file.path(), "small").unwrap_err().to_string().contains("expected one of: full"));
        std::fs::write(file.path(), format!("[full]\n{bars}agrement = 2\n")).unwrap();
        assert!(format!("{:#}", Bars::read(file.path(), "full").unwrap_err()).contains("agrement"));
    }
}
