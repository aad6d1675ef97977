//! Parameters, multiply-accumulates and activation bytes, operator by operator.
//!
//! MACs are convolutions, linear layers, the diversity-enhancing shortcut, q·v and p·v over real
//! keys; biases, norms, activations, softmax and resizes are not counted. (The paper's GFLOPs are
//! MACs.)

use hrvit_format::{Network, Op, OpKind, Size, Step};

/// Subject of one row of [`rows`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Item {
    /// An operator of the canonical graph.
    Op {
        /// Position in [`Network::ops`] of the step.
        index: usize,
        /// Its kind.
        kind: OpKind,
    },
    /// A layer that the rewrites leave nothing of: `decode_head.fusion_conv`, as trained at branch
    /// 0's size.
    FusionConv,
}

/// Cost of one operator.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its step.
    pub step: Step,
    /// Subject that is counted.
    pub item: Item,
    /// Learnt values behind it in a checkpoint: weights, biases and the affine part of its norm.
    pub params: u64,
    /// Multiply-accumulates as trained.
    pub macs_as_written: u64,
    /// Multiply-accumulates after the exact rewrites.
    pub macs_folded: u64,
    /// Bytes of its whole output in the int8 engine's formats (s8 or s16 a value; an exponent code
    /// of [`OpKind::Scores`] one byte). Tiling stores less.
    pub activation_bytes: u64,
}

/// Every operator of `network` on frames of `size`, in canonical order.
pub fn rows(network: &Network, size: Size) -> Vec<Row> {
    let mut rows = Vec::new();
    for step in network.steps() {
        for (index, op) in network.ops(step).iter().enumerate() {
            let macs = macs(network, size, step, op);
            rows.push(Row {
                step,
                item: Item::Op { index, kind: op.kind },
                params: params(network, op),
                macs_as_written: macs,
                macs_folded: macs,
                activation_bytes: activation_bytes(network, size, step, op),
            });
        }
        if step == Step::Logits {
            let width = u64::from(network.spec.head_width);
            let weights = 4 * width * width;
            let macs_as_written = size.tokens(0) as u64 * weights;
            rows.push(Row { step, item: Item::FusionConv, params: weights + 2 * width, macs_as_written, macs_folded: 0, activation_bytes: 0 });
        }
    }
    rows
}

/// Multiply-accumulates of one frame as trained.
pub fn macs_as_written(network: &Network, size: Size) -> u64 {
    rows(network, size).iter().map(|row| row.macs_as_written).sum()
}

/// Multiply-accumulates of one frame after the exact rewrites.
pub fn macs_folded(network: &Network, size: Size) -> u64 {
    rows(network, size).iter().map(|row| row.macs_folded).sum()
}

/// Tokens that `op` writes.
fn tokens(size: Size, step: Step, op: &Op) -> u64 {
    let source = usize::from(op.source);
    let tokens = match (op.kind, step) {
        (OpKind::StemConv1, _) => size.pixels() / 4,
        (OpKind::FinalLinear, _) => 1,
        // A fusion term from above is at the output's size from its depthwise convolution on.
        (OpKind::FusionDepthwise | OpKind::FusionPointwise, Step::Fusion { branch, .. }) => size.tokens(source.max(usize::from(branch))),
        (OpKind::IncreaseDownsample, _) => size.tokens(source + 1),
        _ => size.tokens(source),
    };
    tokens as u64
}

/// Query-key pairs of every head, summed over heads: per half of the heads, strips of full rows or
/// columns of real tokens.
fn pairs(network: &Network, size: Size, branch: usize) -> u64 {
    let (rows, columns) = size.map(branch);
    let window = network.spec.window(branch);
    let squares = |length: usize, across: usize| -> u64 {
        let strips = (0..length).step_by(window).map(|start| ((start + window).min(length) - start) * across);
        strips.map(|keys| (keys * keys) as u64).sum()
    };
    let heads = u64::from(network.spec.attention_heads(branch)) / 2;
    heads * (squares(rows, columns) + squares(columns, rows))
}

fn macs(network: &Network, size: Size, step: Step, op: &Op) -> u64 {
    let source = usize::from(op.source);
    let groups = match op.kind {
        OpKind::Scores | OpKind::Values => return pairs(network, size, source) * u64::from(network.spec.attention_dim(source)),
        // One p x p product per row of [k, p], one k x k product per column.
        OpKind::DesRight | OpKind::DesLeft => u64::from(network.spec.channels(source)) / u64::from(op.cin),
        _ => 1,
    };
    tokens(size, step, op) * groups * op.weight_count() as u64
}

fn params(network: &Network, op: &Op) -> u64 {
    let c = u64::from(op.cout);
    let beside_weights = match op.kind {
        OpKind::EmbedNorm | OpKind::AttnNorm | OpKind::FfnNorm | OpKind::StageNorm => 2 * c,
        OpKind::ToOut if network.spec.ablation().no_extra_norm => c,
        // A bias and a BatchNorm.
        OpKind::StemConv1 | OpKind::StemConv2 | OpKind::ToOut | OpKind::FusionPointwise | OpKind::IncreaseDownsample | OpKind::FinalConv => 3 * c,
        // A BatchNorm.
        OpKind::FusionDepthwise | OpKind::IncreaseConv1 | OpKind::IncreaseConv2 | OpKind::IncreaseConv3 | OpKind::IncreaseShortcut => 2 * c,
        _ if op.kernel > 0 => c,
        _ => 0,
    };
    op.weight_count() as u64 + beside_weights
}

fn activation_bytes(network: &Network, size: Size, step: Step, op: &Op) -> u64 {
    let channels = match op.kind {
        OpKind::Scores => return pairs(network, size, op.source.into()),
        OpKind::DesRight | OpKind::DesLeft => network.spec.channels(op.source.into()),
        _ => op.cout,
    };
    let bytes = match op.kind {
        OpKind::EmbedDepthwise
        | OpKind::EmbedDense
        | OpKind::EmbedNorm
        | OpKind::ParallelDepthwise
        | OpKind::Values
        | OpKind::ToOut
        | OpKind::DesRight
        | OpKind::DesLeft
        | OpKind::FfnDepthwise3
        | OpKind::FfnDepthwise5
        | OpKind::Fc2
        | OpKind::StageNorm
        | OpKind::FusionPointwise
        | OpKind::FusionIdentity
        | OpKind::HeadPointwise
        | OpKind::HeadClassifier
        | OpKind::IncreaseConv3
        | OpKind::IncreaseShortcut
        | OpKind::IncreaseDownsample
        | OpKind::FinalLinear => 2,
        _ => 1,
    };
    tokens(size, step, op) * u64::from(channels) * bytes
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parameters::{Parameter, parameters};
    use hrvit_format::{Head, Spec};

    fn network(variant: &str, head: Head, classes: u16) -> Network {
        Network { spec: Spec::variant(variant).unwrap(), head, classes }
    }

    #[test]
    fn segmentor_macs_of_the_variants_at_512() {
        let size = Size::new(512, 512).unwrap();
        for (variant, written, folded) in [
            ("b1", 15_015_067_648, 10_720_100_352),
            ("b2", 29_163_782_144, 24_868_814_848),
            ("b3", 68_314_431_488, 29_659_725_824),
            ("nano", 2_875_842_560, 2_607_407_104),
        ] {
            let network = network(variant, Head::Segformer, 19);
            assert_eq!((macs_as_written(&network, size), macs_folded(&network, size)), (written, folded), "{variant}");
        }
    }

    #[test]
    fn classifier_macs_of_the_variants_at_224() {
        let size = Size::new(224, 224).unwrap();
        // In units of 10^6, rounded.
        for (variant, macs) in [("b1", 2_776), ("b2", 5_288), ("b3", 5_900), ("nano", 1_394)] {
            let found = macs_as_written(&network(variant, Head::Classifier, 1000), size);
            assert_eq!((found + 500_000) / 1_000_000, macs, "{variant}");
        }
    }

    #[test]
    fn rows_count_every_learnt_parameter_once() {
        let size = Size::new(64, 64).unwrap();
        for variant in ["b1", "b2", "b3", "nano"] {
            for head in [Head::Classifier, Head::Segformer] {
                let network = network(variant, head, 19);
                let learnt: usize = parameters(&network).iter().filter(|p| p.is_learnt()).map(Parameter::count).sum();
                let counted: u64 = rows(&network, size).iter().map(|row| row.params).sum();
                assert_eq!(counted, learnt as u64, "{variant} {head:?}");
            }
        }
    }
}
