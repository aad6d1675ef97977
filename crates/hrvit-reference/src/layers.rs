//! Which layers of a checkpoint an operator of the canonical graph is made of.

use hrvit_format::{Network, Op, OpKind, Step};

use crate::parameters::core_prefix;

/// The layer of an operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Layer {
    /// Its name: of its tensors without `.weight` and `.bias`. Of a branch of the SegFormer head
    /// the first of its two layers.
    pub name: String,
    /// The BatchNorm behind it.
    pub norm: Option<String>,
}

/// The layer of `op` in `step`; none where it has no weights.
pub fn layer(network: &Network, step: Step, op: &Op) -> Option<Layer> {
    let scope = scope(network, step, op);
    let embed = match step {
        Step::Stem => format!("{}features.1.patch_embed.0", core_prefix(network.head)),
        _ => scope.clone(),
    };
    let named = |name: &str, norm: Option<&str>| Layer { name: format!("{scope}.{name}"), norm: norm.map(|norm| format!("{scope}.{norm}")) };
    let embedding = |name: &str| Layer { name: format!("{embed}.{name}"), norm: None };
    Some(match op.kind {
        OpKind::StemConv1 | OpKind::IncreaseConv1 => named("conv1", Some("bn1")),
        OpKind::StemConv2 | OpKind::IncreaseConv2 => named("conv2", Some("bn2")),
        OpKind::IncreaseConv3 => named("conv3", Some("bn3")),
        OpKind::IncreaseShortcut => named("downsample.0", Some("downsample.1")),
        OpKind::IncreaseDownsample => {
            let down = format!("head.downsamp_modules.{}", op.source);
            Layer { name: format!("{down}.0"), norm: Some(format!("{down}.1")) }
        }
        OpKind::EmbedPointwise => embedding("proj.0"),
        OpKind::EmbedDepthwise => embedding("proj.1"),
        OpKind::EmbedDense => embedding("proj"),
        OpKind::EmbedNorm => embedding("norm"),
        OpKind::StageNorm => Layer { name: scope, norm: None },
        OpKind::Qkv => named("attn.to_qkv", None),
        OpKind::ParallelDepthwise => named("attn.parallel_conv.1", None),
        OpKind::ToOut => named("attn.to_out.0", (!network.spec.ablation().no_extra_norm).then_some("attn.attn_bn")),
        OpKind::DesRight => named("des.proj_right", None),
        OpKind::DesLeft => named("des.proj_left", None),
        OpKind::Fc1 => named("ffn.fc1", None),
        OpKind::FfnDepthwise3 => named("ffn.conv.conv_3", None),
        OpKind::FfnDepthwise5 => named("ffn.conv.conv_5", None),
        OpKind::Fc2 => named("ffn.fc2", None),
        OpKind::FusionDepthwise => named("0", Some("1")),
        OpKind::FusionPointwise => match step {
            Step::Fusion { branch, .. } if op.source < branch => named("2", Some("3")),
            _ => named("0", Some("1")),
        },
        OpKind::HeadPointwise => named(&format!("convs.{}.conv", op.source), Some("fusion_conv.bn")),
        OpKind::HeadClassifier => named("conv_seg", None),
        OpKind::FinalConv => named("final_layer.0", Some("final_layer.1")),
        OpKind::FinalLinear => named("classifier", None),
        OpKind::AttnNorm
        | OpKind::FfnNorm
        | OpKind::ParallelAct
        | OpKind::Scores
        | OpKind::Values
        | OpKind::AttnAct
        | OpKind::AttnNarrow
        | OpKind::FfnAct
        | OpKind::FusionNarrow
        | OpKind::FusionIdentity
        | OpKind::FusionAct
        | OpKind::HeadNarrow
        | OpKind::HeadAct
        | OpKind::IncreaseNarrow
        | OpKind::IncreaseAct => return None,
    })
}

/// Prefix of the names of a step's tensors (of a fusion: of one term's).
pub(crate) fn scope(network: &Network, step: Step, op: &Op) -> String {
    let core = core_prefix(network.head);
    match step {
        Step::Stem => format!("{core}stem"),
        Step::Fusion { module, branch } => format!("{core}features.{}.blocks.{branch}.{}", 2 * module, op.source),
        Step::PatchEmbed { module, branch } => format!("{core}features.{}.patch_embed.{branch}", 2 * module + 1),
        Step::Attention { module, branch, block } | Step::MixCfn { module, branch, block } => {
            format!("{core}features.{}.branches.{branch}.{block}", 2 * module + 1)
        }
        Step::StageNorm { module, branch } => format!("{core}features.{}.norm.{branch}", 2 * module + 1),
        Step::Logits | Step::LabelMap => "decode_head".into(),
        Step::Increase { branch } => format!("head.incre_modules.{branch}.0"),
        Step::Classify => "head".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use hrvit_format::{Head, Spec};

    use super::*;
    use crate::parameters;

    #[test]
    fn every_layer_is_one_of_the_checkpoint() {
        for head in [Head::Segformer, Head::Classifier] {
            let network = Network { spec: Spec::variant("b1").unwrap(), head, classes: 5 };
            let names: BTreeSet<String> = parameters(&network).into_iter().map(|parameter| parameter.name).collect();
            let mut layers = 0;
            for step in network.steps() {
                for layer in network.ops(step).iter().filter_map(|op| layer(&network, step, op)) {
                    let tensors = std::iter::once(format!("{}.weight", layer.name)).chain(layer.norm.map(|norm| format!("{norm}.running_var")));
                    tensors.for_each(|name| assert!(names.contains(&name), "{name}"));
                    layers += 1;
                }
            }
            assert!(layers > 100);
        }
    }
}
