//! How well each operator, and the whole network, survived.

use std::fmt;

use comfy_table::Table;
use hrvit_format::Step;
use serde::{Serialize, Serializer};

use super::lanes;
use crate::output;

/// Signal and squared error, summed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub struct Noise {
    /// Sum of the exact values' squares.
    pub signal: f64,
    /// Sum of squared differences.
    pub error: f64,
}

impl Noise {
    /// Of one tensor; both slices have one length.
    pub fn between(exact: &[f32], found: &[f32]) -> Self {
        debug_assert_eq!(exact.len(), found.len(), "tensors to compare have one shape");
        let square = |a: f32, b: f32| (f64::from(a) - f64::from(b)).powi(2);
        Self { signal: lanes::sum(exact, exact, |a, _| square(a, 0.0)), error: lanes::sum(exact, found, square) }
    }

    /// Both summed up.
    pub fn and(self, other: Self) -> Self {
        Self { signal: self.signal + other.signal, error: self.error + other.error }
    }

    /// Signal to quantisation noise, `10 log10(signal / error)` in dB; none without signal, 200
    /// without error.
    pub fn decibels(self) -> Option<f64> {
        (self.signal > 0.0).then(|| if self.error > 0.0 { 10.0 * (self.signal / self.error).log10() } else { 200.0 })
    }
}

/// One operator of the report.
#[derive(Clone, Debug, Serialize)]
pub struct OpReport {
    /// Step, as the engine names it.
    pub step: String,
    /// Operator within the step, with its source branch where that differs.
    pub op: String,
    /// Format of its output.
    pub format: &'static str,
    /// Real value of an input code; 0 if it differs per channel.
    pub in_scale: f32,
    /// Real value of an output code; 0 if it differs per channel.
    pub out_scale: f32,
    /// Left shift before requantisation.
    pub pre_shift: u8,
    /// SQNR in dB of the operator alone, on float inputs rounded to its input format.
    pub single_db: Option<f64>,
    /// SQNR in dB of its output inside the quantised network.
    pub entire_db: Option<f64>,
    /// Output values clipped, in percent.
    pub saturation_percent: f64,
    /// Smoothing exponent of a LayerNorm.
    pub smoothing: Option<f64>,
    /// Width of exponent codes.
    pub code_bits: Option<u8>,
    /// Loss of the step's result by codes of 8 bits instead of 15, in dB, if both were possible.
    pub code_loss_db: Option<f64>,
    /// Relative change of the mean bias magnitude by bias correction.
    pub bias_change: Option<f64>,
}

/// Difficulty of some steps. Serialises as its sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warning {
    /// The steps.
    pub steps: Vec<Step>,
    /// Whether it holds in 16 bits too.
    pub in_16_bits: bool,
    /// A sentence.
    pub text: String,
}

impl Serialize for Warning {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.text)
    }
}

impl fmt::Display for Warning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// Everything that quantising measured.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Frames used for ranges.
    pub frames: usize,
    /// Frames used for SQNR.
    pub measured_frames: usize,
    /// Per operator, in the order of the image.
    pub ops: Vec<OpReport>,
    /// Difficulties of this network, a sentence each.
    pub warnings: Vec<Warning>,
    /// SQNR in dB of the logits of the whole quantised network.
    pub logits_db: Option<f64>,
    /// Seconds that it took.
    pub seconds: f64,
}

impl Report {
    /// As a table for people.
    pub fn table(&self) -> Table {
        let mut table = output::table(&["step", "operator", "format", "single dB", "entire dB", "clipped %", "smoothing"], 3);
        let decibels = |value: Option<f64>| value.map_or_else(String::new, |db| format!("{db:.1}"));
        for op in &self.ops {
            let clipped = if op.saturation_percent == 0.0 { String::new() } else { format!("{:.3}", op.saturation_percent) };
            let smoothing = op.smoothing.map_or_else(String::new, |a| a.to_string());
            table.add_row([op.step.clone(), op.op.clone(), op.format.into(), decibels(op.single_db), decibels(op.entire_db), clipped, smoothing]);
        }
        table
    }

    /// The `count` operators with the lowest SQNR on their own, worst first.
    pub fn worst(&self, count: usize) -> Vec<&OpReport> {
        let mut known: Vec<&OpReport> = self.ops.iter().filter(|op| op.single_db.is_some()).collect();
        known.sort_by(|a, b| a.single_db.unwrap_or(0.0).total_cmp(&b.single_db.unwrap_or(0.0)));
        known.truncate(count);
        known
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenth_of_the_amplitude_is_twenty_decibels() {
        let noise = Noise::between(&[10.0, -10.0], &[11.0, -11.0]);
        assert!((noise.decibels().unwrap() - 20.0).abs() < 1e-9);
        assert_eq!(Noise::between(&[0.0], &[1.0]).decibels(), None);
        assert_eq!(Noise::between(&[1.0], &[1.0]).decibels(), Some(200.0));
    }

    #[test]
    fn worst_lists_the_lowest_first() {
        let op = |name: &str, single_db| OpReport {
            step: "stem".into(),
            op: name.into(),
            format: "s8",
            in_scale: 0.0,
            out_scale: 0.0,
            pre_shift: 0,
            single_db,
            entire_db: None,
            saturation_percent: 0.0,
            smoothing: None,
            code_bits: None,
            code_loss_db: None,
            bias_change: None,
        };
        let report = Report { ops: vec![op("a", Some(40.0)), op("b", None), op("c", Some(20.0))], ..Report::default() };
        assert_eq!(report.worst(5).iter().map(|op| op.op.as_str()).collect::<Vec<_>>(), ["c", "a"]);
        assert!(report.table().to_string().contains("20.0"));
    }
}
