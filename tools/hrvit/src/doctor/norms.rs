//! Running statistics of BatchNorms.

use hrvit_reference::{Checkpoint, operators::normalise::EPSILON};

use super::{Finding, Severity, median, names};

/// Variances beyond this are no statistics of a network that was trained in single precision with
/// care.
const HUGE: f32 = 1e10;
/// A gain that stands out this much, by the smallness of a variance alone.
const STEEP: f64 = 32.0;

/// Oddities of the running variances.
pub fn batch_norms(checkpoint: &Checkpoint) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (name, tensor) in checkpoint.iter().filter(|(name, _)| name.ends_with(".running_var")) {
        let all = tensor.data.len();
        let mut add = |severity, channels: Vec<usize>, what: &str, why: &str| {
            if !channels.is_empty() {
                let what = format!("{what}: {}", names(&channels, all));
                findings.push(Finding { severity, tensor: name.to_owned(), what, why: why.to_owned(), channels });
            }
        };
        let channels = |fits: &dyn Fn(usize) -> bool| (0..all).filter(|&c| fits(c)).collect::<Vec<_>>();
        let epsilon = EPSILON as f32;
        let gain = |c: usize| (f64::from(tensor.data[c]) + EPSILON).sqrt().recip();
        let usual = median((0..all).map(gain));
        let tiny = |c: usize| tensor.data[c] < epsilon;
        let steep = |c: usize| gain(c) > STEEP * usual;
        let why = "the layer before it was nearly constant; its gain is set by the epsilon of 1e-5, and so is what little varies";
        add(Severity::Watch, channels(&|c| tiny(c) && steep(c)), "variance below the epsilon", why);
        add(Severity::Harmless, channels(&|c| tiny(c) && !steep(c)), "variance below the epsilon", why);
        add(
            Severity::Harmless,
            channels(&|c| tensor.data[c] > HUGE),
            "variance beyond 1e10",
            "the BatchNorm is folded into the layer before it, in double precision",
        );
    }
    findings
}
