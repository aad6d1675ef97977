//! Names that other code gives the same network, and how its tensors come from theirs.

use hrvit_format::{BRANCHES, Head};

use super::tensor::Tensor;
use crate::operators::normalise::EPSILON;
use crate::parameters::Parameter;

/// Whose names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Naming {
    /// Names of [`crate::parameters()`].
    Own,
    /// A classifier whose backbone's names start with `backbone.`.
    UnderBackbone,
    /// The original SegFormer head: `linear_c1` to `linear_c4`, `linear_fuse` of branches in
    /// reverse order, `linear_pred`.
    Original,
    /// A BatchNorm behind each branch's convolution without bias, as mmsegmentation has it.
    Normalised,
    /// The same, of convolutions with bias.
    NormalisedBiased,
}

/// How a tensor of the network comes from tensors of a file.
#[derive(Clone, Debug)]
pub(super) struct Recipe {
    /// Names and shapes in the file.
    pub(super) sources: Vec<Parameter>,
    how: How,
}

#[derive(Clone, Copy, Debug)]
enum How {
    /// The values of the one source, row-major.
    Same,
    /// The one source with its groups of input channels, one per branch, in reverse order.
    Reversed,
    /// A weight with the BatchNorm behind it folded in; sources: the weight, gamma, running
    /// variance.
    FoldedWeight,
    /// The bias that is left; sources: beta, gamma, running mean, running variance, the bias if
    /// there was one.
    FoldedBias,
}

impl Naming {
    /// Namings that a checkpoint with `head` may have.
    pub(super) fn of(head: Head) -> &'static [Self] {
        match head {
            Head::Segformer => &[Self::Own, Self::Original, Self::Normalised, Self::NormalisedBiased],
            Head::Classifier => &[Self::Own, Self::UnderBackbone],
        }
    }

    /// Description of the names, in words; none of the network's own.
    pub(super) fn description(self) -> Option<&'static str> {
        match self {
            Self::Own => None,
            Self::UnderBackbone => Some("names of the backbone after \"backbone.\""),
            Self::Original => Some("head named as the original SegFormer's"),
            Self::Normalised | Self::NormalisedBiased => Some("BatchNorms of decode_head.convs folded in"),
        }
    }

    /// Whether a tensor beside the network's is one that this code keeps and does not use.
    pub(super) fn leaves_unused(self, name: &str) -> bool {
        // The original head inherits the classifier of its base class.
        self == Self::Original && name.starts_with("decode_head.conv_seg.")
    }

    /// Origin of `parameter`.
    pub(super) fn recipe(self, parameter: &Parameter) -> Recipe {
        let Parameter { name, shape } = parameter;
        let one = |name: String, shape: &[usize], how| Recipe { sources: vec![Parameter { name, shape: shape.to_vec() }], how };
        let same = || one(name.clone(), shape, How::Same);
        let head = name.strip_prefix("decode_head.");
        let branch = head.and_then(|head| head.strip_prefix("convs.")).and_then(|rest| rest.split_once(".conv."));
        match (self, head, branch) {
            (Self::UnderBackbone, ..) if name.starts_with("stem.") || name.starts_with("features.") => one(format!("backbone.{name}"), shape, How::Same),
            (Self::Original, _, Some((branch, part))) => {
                let number = branch.parse::<usize>().unwrap_or(0) + 1;
                one(format!("decode_head.linear_c{number}.proj.{part}"), &shape[..shape.len().min(2)], How::Same)
            }
            (Self::Original, Some(head), None) => match head.split_once('.') {
                Some(("fusion_conv", "conv.weight")) => one("decode_head.linear_fuse.conv.weight".to_owned(), shape, How::Reversed),
                Some(("fusion_conv", rest)) => one(format!("decode_head.linear_fuse.{rest}"), shape, How::Same),
                Some(("conv_seg", rest)) => one(format!("decode_head.linear_pred.{rest}"), shape, How::Same),
                _ => same(),
            },
            (Self::Normalised | Self::NormalisedBiased, _, Some((branch, part))) => self.folded(branch, part, shape),
            _ => same(),
        }
    }

    fn folded(self, branch: &str, part: &str, shape: &[usize]) -> Recipe {
        let layer = format!("decode_head.convs.{branch}");
        let norm = |part: &str| Parameter { name: format!("{layer}.bn.{part}"), shape: shape[..1].to_vec() };
        let conv = Parameter { name: format!("{layer}.conv.{part}"), shape: shape.to_vec() };
        if part == "weight" {
            return Recipe { sources: vec![conv, norm("weight"), norm("running_var")], how: How::FoldedWeight };
        }
        let mut sources = ["bias", "weight", "running_mean", "running_var"].map(norm).to_vec();
        sources.extend((self == Self::NormalisedBiased).then_some(conv));
        Recipe { sources, how: How::FoldedBias }
    }
}

impl Recipe {
    /// The tensor of `shape` from `sources`, which have the shapes asked for.
    pub(super) fn apply(&self, shape: &[usize], mut sources: Vec<Tensor>) -> Tensor {
        let values: Vec<&[f32]> = sources.iter().map(|source| source.data.as_slice()).collect();
        let gain = |gamma: f32, variance: f32| f64::from(gamma) / (f64::from(variance) + EPSILON).sqrt();
        let data = match (self.how, &values[..]) {
            (How::Reversed, [weight]) => reversed(weight, shape),
            (How::FoldedWeight, [weight, gamma, variance]) => {
                let width = (weight.len() / gamma.len().max(1)).max(1);
                let one = |(i, &w): (usize, &f32)| (f64::from(w) * gain(gamma[i / width], variance[i / width])) as f32;
                weight.iter().enumerate().map(one).collect()
            }
            (How::FoldedBias, [beta, gamma, mean, variance, bias @ ..]) => (0..beta.len())
                .map(|c| {
                    let bias = bias.first().map_or(0.0, |bias| f64::from(bias[c]));
                    (f64::from(beta[c]) + (bias - f64::from(mean[c])) * gain(gamma[c], variance[c])) as f32
                })
                .collect(),
            _ => sources.pop().map(|source| source.data).unwrap_or_default(),
        };
        Tensor { shape: shape.to_vec(), data }
    }
}

/// A 1x1 weight `[out, branches * width]` with its groups of columns in reverse order.
fn reversed(weight: &[f32], shape: &[usize]) -> Vec<f32> {
    let columns = shape.get(1).copied().unwrap_or(1);
    let width = (columns / BRANCHES).max(1);
    weight.chunks(columns).flat_map(|row| row.chunks(width).rev().flatten().copied()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(name: &str, shape: &[usize]) -> Parameter {
        Parameter { name: name.to_owned(), shape: shape.to_vec() }
    }

    #[test]
    fn the_original_head_concatenates_branches_in_reverse() {
        let fusion = parameter("decode_head.fusion_conv.conv.weight", &[1, 8, 1, 1]);
        let recipe = Naming::Original.recipe(&fusion);
        assert_eq!(recipe.sources[0].name, "decode_head.linear_fuse.conv.weight");
        let source = Tensor { shape: fusion.shape.clone(), data: (0..8u8).map(f32::from).collect() };
        assert_eq!(recipe.apply(&fusion.shape, vec![source]).data, [6.0, 7.0, 4.0, 5.0, 2.0, 3.0, 0.0, 1.0]);
        let branch = Naming::Original.recipe(&parameter("decode_head.convs.2.conv.weight", &[4, 3, 1, 1]));
        assert_eq!(branch.sources, [parameter("decode_head.linear_c3.proj.weight", &[4, 3])]);
    }

    #[test]
    fn a_batch_norm_behind_a_convolution_is_folded() {
        let of = |shape: &[usize], data: &[f32]| Tensor { shape: shape.to_vec(), data: data.to_vec() };
        let weight = Naming::Normalised.recipe(&parameter("decode_head.convs.0.conv.weight", &[2, 1, 1, 1]));
        let (gamma, variance) = (of(&[2], &[2.0, 3.0]), of(&[2], &[4.0 - 1e-5, 1.0 - 1e-5]));
        let folded = weight.apply(&[2, 1, 1, 1], vec![of(&[2, 1, 1, 1], &[5.0, 7.0]), gamma.clone(), variance.clone()]);
        assert_eq!(folded.data, [5.0, 21.0]);
        let bias = parameter("decode_head.convs.0.conv.bias", &[2]);
        let norm = vec![of(&[2], &[0.5, 0.25]), gamma, of(&[2], &[1.0, 2.0]), variance];
        assert_eq!(Naming::Normalised.recipe(&bias).apply(&[2], norm.clone()).data, [-0.5, -5.75]);
        let with_bias = norm.into_iter().chain([of(&[2], &[1.0, 2.0])]).collect();
        assert_eq!(Naming::NormalisedBiased.recipe(&bias).apply(&[2], with_bias).data, [0.5, 0.25]);
    }
}
