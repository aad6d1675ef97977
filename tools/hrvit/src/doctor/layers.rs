//! Layers after the exact rewrites: what is left of them in the network that is quantised.

use hrvit_format::{Op, OpKind, Step};
use hrvit_reference::{Folded, OpWeights, layers::layer};

use super::{Finding, Severity, median, names};
use crate::quantize::{unread, weights::place};

/// A channel this many times the median is an outlier.
const OUTLIER: f64 = 32.0;
/// If channels share 8 bits, one this many times the median leaves the others two or three.
const HARD_BYTE: f64 = 100.0;
/// The same where they share the 16 bits of a residual stream.
const HARD_STREAM: f64 = 1000.0;
/// Octaves between the weights of two keys, one deviation apart, from which attention is sharp, and
/// from which integers cannot hold it.
const SHARP: [f64; 2] = [16.0, 48.0];
/// A class this many times farther behind than the others are apart takes no part.
const OUT_OF_RACE: f64 = 100.0;

/// Everything odd about the layers of a network.
pub fn examine(folded: &Folded) -> Vec<Finding> {
    let mut quiet = folded.clone();
    unread::quieten(&mut quiet);
    let mut findings = Vec::new();
    for step in folded.network().steps() {
        for (at, op) in folded.network().ops(step).iter().enumerate() {
            let (Some(real), Some(quiet)) = (folded.weights(step, at), quiet.weights(step, at)) else { continue };
            let Some(layer) = layer(folded.network(), step, op) else { continue };
            let mut look = Look { folded, step, op, real: quiet, layer: layer.name, findings: &mut findings };
            look.silence(real);
            look.outliers();
            look.stream();
            look.attention();
            look.classes();
        }
    }
    findings
}

/// One layer that is looked at.
struct Look<'a> {
    folded: &'a Folded,
    step: Step,
    op: &'a Op,
    real: &'a OpWeights,
    layer: String,
    findings: &'a mut Vec<Finding>,
}

impl Look<'_> {
    fn add(&mut self, severity: Severity, part: &str, what: String, why: &str, channels: Vec<usize>) {
        self.findings.push(Finding { severity, tensor: format!("{}{part}", self.layer), what, why: why.to_owned(), channels });
    }

    /// Size of each output channel: the root of its squared weights; of a LayerNorm its gain.
    fn rows(&self) -> Vec<f64> {
        let mut squares = vec![0.0; self.real.bias.len()];
        for (at, weight) in self.real.weight.iter().enumerate() {
            squares[place(self.op, at).0] += f64::from(*weight).powi(2);
        }
        squares.into_iter().map(f64::sqrt).collect()
    }

    /// Channels that are zero, or that nothing reads.
    fn silence(&mut self, before: &OpWeights) {
        let all = self.real.bias.len();
        let (was, is) = (unread::alive(self.op, before), unread::alive(self.op, self.real));
        let dead: Vec<usize> = (0..all).filter(|&c| !was[c]).collect();
        let unread: Vec<usize> = (0..all).filter(|&c| was[c] && !is[c]).collect();
        if !dead.is_empty() {
            self.add(Severity::Harmless, ".weight", format!("zero: {}", names(&dead, all)), "dead channels take no codes from the others", dead);
        }
        if !unread.is_empty() {
            let what = format!("nothing reads {}", names(&unread, all));
            self.add(Severity::Harmless, ".weight", what, "they are zeroed before anything is measured", unread);
        }
    }

    /// Output channels far larger than the others.
    fn outliers(&mut self) {
        use OpKind as K;
        // Formats that channels of the output share.
        let shared = match self.op.kind {
            K::StemConv2 | K::FfnDepthwise3 | K::FfnDepthwise5 | K::FusionPointwise => Some("a GELU with one scale of 8 bits for all channels lies behind it"),
            K::ParallelDepthwise => Some("the attention's sum has one scale of 16 bits, its Hardswish one of 8"),
            K::EmbedDepthwise | K::EmbedDense => Some("the LayerNorm behind it reads one scale of 16 bits"),
            K::ToOut | K::DesLeft | K::Fc2 | K::EmbedNorm | K::DesRight | K::HeadClassifier | K::FinalLinear => return,
            _ => None,
        };
        let rows = self.rows();
        let usual = median(rows.iter().copied().filter(|row| *row > 0.0));
        let loud: Vec<usize> = (0..rows.len()).filter(|&c| rows[c] > OUTLIER * usual).collect();
        if loud.is_empty() {
            return;
        }
        let largest = rows.iter().copied().fold(0.0, f64::max) / usual;
        let what = format!("weights up to {largest:.0} times the median: {}", names(&loud, rows.len()));
        match shared {
            None => self.add(Severity::Harmless, ".weight", what, "channels have scales of their own up to the next layer, which takes them back", loud),
            Some(why) => self.add(if largest > HARD_BYTE { Severity::Hard } else { Severity::Watch }, ".weight", what, why, loud),
        }
    }

    /// Constants on channels of a residual stream, against the gains of the LayerNorm that begins
    /// it.
    fn stream(&mut self) {
        use OpKind as K;
        let (module, branch) = match (self.op.kind, self.step) {
            (K::EmbedNorm, Step::Stem) => (0, 0),
            (K::EmbedNorm, Step::PatchEmbed { module, branch })
            | (K::ToOut | K::DesLeft, Step::Attention { module, branch, .. })
            | (K::Fc2, Step::MixCfn { module, branch, .. }) => (module, branch),
            _ => return,
        };
        let first = if module == 0 { Step::Stem } else { Step::PatchEmbed { module, branch } };
        let at = self.folded.network().ops(first).iter().position(|op| op.kind == K::EmbedNorm);
        let Some(norm) = at.and_then(|at| self.folded.weights(first, at)) else { return };
        // A normalised value is rarely beyond 3.
        let usual = median(norm.weight.iter().map(|gain| f64::from(gain.abs())));
        let reach: Vec<f64> = match self.op.kind {
            K::EmbedNorm => norm.weight.iter().zip(&norm.bias).map(|(gain, shift)| 3.0 * f64::from(gain.abs()) + f64::from(shift.abs())).collect(),
            _ => self.real.bias.iter().map(|bias| f64::from(bias.abs())).collect(),
        };
        let loud: Vec<usize> = (0..reach.len()).filter(|&c| reach[c] > OUTLIER * usual).collect();
        if loud.is_empty() || usual == 0.0 {
            return;
        }
        let largest = reach.iter().copied().fold(0.0, f64::max) / usual;
        let what = format!("the residual stream gets constants up to {largest:.0} times its usual deviation: {}", names(&loud, reach.len()));
        let why = "all channels of a stream share 16 bits; its LayerNorms take finer fractions";
        self.add(if largest > HARD_STREAM { Severity::Hard } else { Severity::Watch }, ".bias", what, why, loud);
    }

    /// Heads whose products of q and v spread over many octaves, if normalised channels are
    /// independent.
    fn attention(&mut self) {
        if self.op.kind != OpKind::Qkv {
            return;
        }
        let channels = usize::from(self.op.cin);
        let dim = self.folded.network().spec.attention_dim(usize::from(self.op.source));
        let row = |at: usize| &self.real.weight[at * channels..][..channels];
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
        // Of x and y independent, (Wq x)(Wv y) has the variance trace((Wq Wq')(Wv Wv')).
        let octaves = |head: usize| {
            let own = || head * usize::from(dim)..(head + 1) * usize::from(dim);
            own()
                .flat_map(|d| own().map(move |e| (d, e)))
                .map(|(d, e)| dot(row(d), row(e)) * dot(row(channels + d), row(channels + e)))
                .sum::<f64>()
                .max(0.0)
                .sqrt()
        };
        let spread: Vec<f64> = (0..channels / usize::from(dim)).map(octaves).collect();
        let largest = spread.iter().copied().fold(0.0, f64::max);
        let sharp: Vec<usize> = (0..spread.len()).filter(|&head| spread[head] > SHARP[0]).collect();
        if !sharp.is_empty() {
            let what = format!("products of q and v deviate by {largest:.0} octaves: {} of {} heads attend to single keys", sharp.len(), spread.len());
            let why = "the rounding of q decides between keys; past what integers hold, distances count as shorter, in the same order";
            self.add(if largest > SHARP[1] { Severity::Hard } else { Severity::Watch }, ".weight", what, why, Vec::new());
        }
    }

    /// Classes that are never picked.
    fn classes(&mut self) {
        if !matches!(self.op.kind, OpKind::HeadClassifier | OpKind::FinalLinear) || self.real.bias.len() < 3 {
            return;
        }
        let biases: Vec<f64> = self.real.bias.iter().map(|bias| f64::from(*bias)).collect();
        let middle = median(biases.iter().copied());
        let usual = median(biases.iter().map(|bias| (bias - middle).abs())).max(median(self.rows()));
        let behind: Vec<usize> = (0..biases.len()).filter(|&class| middle - biases[class] > OUT_OF_RACE * usual).collect();
        if !behind.is_empty() {
            let what = format!("classes {behind:?} are far behind the others by their bias");
            self.add(Severity::Harmless, ".bias", what, "a class that is never picked on calibration frames takes no resolution from the others", behind);
        }
    }
}
