//! Difficulties of a checkpoint, before any frame is seen: outliers, dead channels, tiny variances,
//! huge gains, sharp attention.
//!
//! Judged by the weights alone: which ranges a tensor really has, only calibration tells.
//! `docs/quantiser.md` says what the quantiser does about each.

mod layers;
mod norms;

use std::fmt;

use hrvit_reference::{Checkpoint, Folded};
use serde::Serialize;

/// How much attention a finding asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Costs nothing; said because it looks odd.
    Harmless,
    /// May cost accuracy in 8 bits.
    Watch,
    /// Will cost accuracy in 8 bits, or is no number.
    Hard,
}

impl fmt::Display for Severity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Harmless => "harmless",
            Self::Watch => "watch",
            Self::Hard => "hard",
        })
    }
}

/// One finding about one tensor.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Finding {
    /// How much it matters.
    pub severity: Severity,
    /// The tensor, by its name in the checkpoint.
    pub tensor: String,
    /// The finding, with its figure.
    pub what: String,
    /// Its consequence for a quantised network.
    pub why: String,
    /// The channels, where not all are concerned.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<usize>,
}

/// Every finding, the hardest first, within a severity in the order of the network.
pub fn examine(checkpoint: &Checkpoint) -> Vec<Finding> {
    let folded = Folded::new(checkpoint);
    let mut findings = norms::batch_norms(checkpoint);
    findings.extend(layers::examine(&folded));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// The middle one of some magnitudes; 0 of none.
fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// `3, 17 and 4 more of 64 channels`.
fn names(channels: &[usize], all: usize) -> String {
    const NAMED: usize = 4;
    let named: Vec<String> = channels.iter().take(NAMED).map(ToString::to_string).collect();
    match channels.len().checked_sub(NAMED) {
        Some(more @ 1..) => format!("channels {} and {more} more of {all}", named.join(", ")),
        _ if channels.len() == 1 => format!("channel {} of {all}", named.join(", ")),
        _ => format!("channels {} of {all}", named.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use hrvit_format::{Head, Network, Spec};
    use hrvit_reference::Tensor;

    use super::*;

    fn network() -> Network {
        Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 5 }
    }

    /// A synthetic checkpoint with one tensor changed.
    fn edited(name: &str, change: impl Fn(&mut Vec<f32>)) -> Vec<Finding> {
        let plain = Checkpoint::synthetic(&network(), 1).unwrap();
        let mut tensors: BTreeMap<String, Tensor> = plain.iter().map(|(name, tensor)| (name.to_owned(), tensor.clone())).collect();
        change(&mut tensors.get_mut(name).unwrap_or_else(|| panic!("no tensor {name}")).data);
        examine(&Checkpoint::new(&network(), tensors, "edited".into()).unwrap())
    }

    fn found(findings: &[Finding], severity: Severity, tensor: &str, what: &str) -> bool {
        findings.iter().any(|finding| finding.severity == severity && finding.tensor.starts_with(tensor) && finding.what.contains(what))
    }

    #[test]
    fn a_tame_network_has_nothing_hard() {
        let findings = examine(&Checkpoint::synthetic(&network(), 1).unwrap());
        assert!(findings.iter().all(|finding| finding.severity < Severity::Hard), "{findings:#?}");
    }

    #[test]
    fn each_fault_is_named_by_its_tensor() {
        let block = "backbone.features.5.branches.1.0";
        let embed = "backbone.features.5.patch_embed.1";
        type Case<'a> = (&'a str, fn(&mut Vec<f32>), Severity, &'a str);
        let [norm, fc2, conv3, qkv, fc2_weight] = [
            format!("{embed}.norm.bias"),
            format!("{block}.ffn.fc2.bias"),
            format!("{block}.ffn.conv.conv_3.weight"),
            format!("{block}.attn.to_qkv.weight"),
            format!("{block}.ffn.fc2.weight"),
        ];
        let cases: [Case<'_>; 8] = [
            ("backbone.stem.bn1.running_var", |data| data[1] = 1e-9, Severity::Watch, "below"),
            ("decode_head.fusion_conv.bn.weight", |data| data[3] *= 1000.0, Severity::Harmless, "times the median"),
            (&norm, |data| data[2] = 3000.0, Severity::Hard, "residual stream"),
            (&fc2, |data| data[2] = 300.0, Severity::Watch, "residual stream"),
            (&conv3, |data| data[..9].iter_mut().for_each(|x| *x *= 1e4), Severity::Hard, "times the median"),
            (&qkv, |data| data.iter_mut().for_each(|x| *x *= 30.0), Severity::Hard, "octaves"),
            (&fc2_weight, |data| data.fill(0.0), Severity::Harmless, "nothing reads"),
            ("decode_head.conv_seg.bias", |data| data[4] = -1e5, Severity::Harmless, "behind"),
        ];
        for (name, change, severity, what) in cases {
            let findings = edited(name, change);
            // Among linear layers another one may be named: the layer that a gain is folded into,
            // or the layer that is no longer read.
            let layer = name.rsplit_once('.').map_or(name, |(layer, _)| layer);
            let tensor = match name {
                "decode_head.fusion_conv.bn.weight" => "decode_head.convs.0.conv",
                name if name == fc2_weight => &conv3,
                _ => layer,
            };
            assert!(found(&findings, severity, tensor, what), "{name}: {findings:#?}");
        }
    }
}
