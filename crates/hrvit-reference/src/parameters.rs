//! Names and shapes of a checkpoint's tensors.
//!
//! Names are those of the public reference implementation: `stem.*`, `features.{2m}` (fusion of
//! module m), `features.{2m+1}` (its stage) and `head.*` for a classifier; `backbone.*` and
//! `decode_head.*` for a segmentor. Linear weights are `[out, in]`, convolutions
//! `[out, in / groups, rows, columns]`.

use hrvit_format::spec::{BOTTLENECK_EXPANSION, CLASSIFIER_FINAL, CLASSIFIER_WIDTHS};
use hrvit_format::{BRANCHES, Head, Network};

/// One tensor of a checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Parameter {
    /// Full name, for example `backbone.features.1.branches.0.0.attn.to_qkv.weight`.
    pub name: String,
    /// Shape, outermost first.
    pub shape: Vec<usize>,
}

impl Parameter {
    /// Number of values.
    pub fn count(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether training learns it; a BatchNorm's running mean and variance are not learnt.
    pub fn is_learnt(&self) -> bool {
        !self.name.ends_with("running_mean") && !self.name.ends_with("running_var")
    }
}

/// Every tensor of a checkpoint of `network`, in the order of the forward pass.
/// `num_batches_tracked` is not among them.
pub fn parameters(network: &Network) -> Vec<Parameter> {
    let mut list = List { parameters: Vec::new(), root: core_prefix(network.head) };
    list.backbone(network);
    match network.head {
        Head::Segformer => list.segformer(network),
        Head::Classifier => list.classifier(network),
    }
    list.parameters
}

/// Prefix of the backbone's names.
pub fn core_prefix(head: Head) -> &'static str {
    match head {
        Head::Segformer => "backbone.",
        Head::Classifier => "",
    }
}

struct List {
    parameters: Vec<Parameter>,
    root: &'static str,
}

impl List {
    fn add(&mut self, name: &str, shape: &[usize]) {
        self.parameters.push(Parameter { name: format!("{}{name}", self.root), shape: shape.to_vec() });
    }

    fn bias(&mut self, name: &str, channels: usize) {
        self.add(&format!("{name}.bias"), &[channels]);
    }

    fn linear(&mut self, name: &str, cin: usize, cout: usize) {
        self.add(&format!("{name}.weight"), &[cout, cin]);
        self.bias(name, cout);
    }

    /// A convolution without bias; `cin` is per group.
    fn kernel(&mut self, name: &str, cin: usize, cout: usize, side: usize) {
        self.add(&format!("{name}.weight"), &[cout, cin, side, side]);
    }

    fn convolution(&mut self, name: &str, cin: usize, cout: usize, side: usize) {
        self.kernel(name, cin, cout, side);
        self.bias(name, cout);
    }

    fn layer_norm(&mut self, name: &str, channels: usize) {
        self.add(&format!("{name}.weight"), &[channels]);
        self.bias(name, channels);
    }

    fn batch_norm(&mut self, name: &str, channels: usize) {
        self.layer_norm(name, channels);
        self.add(&format!("{name}.running_mean"), &[channels]);
        self.add(&format!("{name}.running_var"), &[channels]);
    }

    fn backbone(&mut self, network: &Network) {
        let spec = &network.spec;
        let stem = usize::from(spec.stem);
        self.convolution("stem.conv1", 3, stem / 2, 3);
        self.batch_norm("stem.bn1", stem / 2);
        self.convolution("stem.conv2", stem / 2, stem, 3);
        self.batch_norm("stem.bn2", stem);
        for module in 0..spec.modules() {
            for branch in 0..spec.branches(module) {
                self.fusion(network, module, branch);
            }
            let stage = format!("features.{}", 2 * module + 1);
            for branch in 0..spec.branches(module) {
                let (fused, c) = (usize::from(spec.fused_channels(module, branch)), usize::from(spec.channels(branch)));
                let embed = format!("{stage}.patch_embed.{branch}");
                if spec.ablation().dense_embedding {
                    self.convolution(&format!("{embed}.proj"), fused, c, 3);
                } else {
                    self.convolution(&format!("{embed}.proj.0"), fused, c, 1);
                    self.convolution(&format!("{embed}.proj.1"), 1, c, 3);
                }
                self.layer_norm(&format!("{embed}.norm"), c);
                for block in 0..spec.block_count(module, branch) {
                    self.block(network, branch, &format!("{stage}.branches.{branch}.{block}"));
                }
                self.layer_norm(&format!("{stage}.norm.{branch}"), c);
            }
        }
    }

    fn fusion(&mut self, network: &Network, module: usize, branch: usize) {
        let spec = &network.spec;
        let width = usize::from(spec.fused_channels(module, branch));
        for source in spec.fusion_sources(module, branch).filter(|&source| source != branch) {
            let term = format!("features.{}.blocks.{branch}.{source}", 2 * module);
            let c = usize::from(spec.channels(source));
            if source < branch {
                self.kernel(&format!("{term}.0"), 1, c, (1 << (branch - source)) + 1);
                self.batch_norm(&format!("{term}.1"), c);
                self.convolution(&format!("{term}.2"), c, width, 1);
                self.batch_norm(&format!("{term}.3"), width);
            } else {
                self.convolution(&format!("{term}.0"), c, width, 1);
                self.batch_norm(&format!("{term}.1"), width);
            }
        }
    }

    fn block(&mut self, network: &Network, branch: usize, name: &str) {
        let c = usize::from(network.spec.channels(branch));
        let hidden = usize::from(network.spec.hidden(branch));
        let (k, p) = network.spec.des_shape(branch);
        let ablation = network.spec.ablation();
        self.layer_norm(&format!("{name}.attn_norm"), c);
        self.linear(&format!("{name}.attn.to_qkv"), c, if ablation.own_keys { 3 } else { 2 } * c);
        self.linear(&format!("{name}.attn.to_out.0"), c, c);
        if !ablation.no_extra_norm {
            self.batch_norm(&format!("{name}.attn.attn_bn"), c);
        }
        if !ablation.no_parallel_path {
            self.convolution(&format!("{name}.attn.parallel_conv.1"), 1, c, 3);
        }
        if !ablation.no_des {
            self.linear(&format!("{name}.des.proj_right"), p.into(), p.into());
            self.linear(&format!("{name}.des.proj_left"), k.into(), k.into());
        }
        self.layer_norm(&format!("{name}.ffn_norm"), c);
        self.linear(&format!("{name}.ffn.fc1"), c, hidden);
        for (channels, side) in ablation.between.shares(network.spec.hidden(branch)).into_iter().zip([3, 5]).filter(|(channels, _)| *channels > 0) {
            self.convolution(&format!("{name}.ffn.conv.conv_{side}"), 1, channels.into(), side);
        }
        self.linear(&format!("{name}.ffn.fc2"), hidden, c);
    }

    fn segformer(&mut self, network: &Network) {
        self.root = "";
        let width = usize::from(network.spec.head_width);
        for branch in 0..BRANCHES {
            self.convolution(&format!("decode_head.convs.{branch}.conv"), network.spec.channels(branch).into(), width, 1);
        }
        self.kernel("decode_head.fusion_conv.conv", BRANCHES * width, width, 1);
        self.batch_norm("decode_head.fusion_conv.bn", width);
        self.convolution("decode_head.conv_seg", width, network.classes.into(), 1);
    }

    fn classifier(&mut self, network: &Network) {
        let widths = CLASSIFIER_WIDTHS.map(usize::from);
        let expanded = widths.map(|width| width * usize::from(BOTTLENECK_EXPANSION));
        for branch in 0..BRANCHES {
            let (name, c) = (format!("head.incre_modules.{branch}.0"), usize::from(network.spec.channels(branch)));
            self.kernel(&format!("{name}.conv1"), c, widths[branch], 1);
            self.batch_norm(&format!("{name}.bn1"), widths[branch]);
            self.kernel(&format!("{name}.conv2"), widths[branch], widths[branch], 3);
            self.batch_norm(&format!("{name}.bn2"), widths[branch]);
            self.kernel(&format!("{name}.conv3"), widths[branch], expanded[branch], 1);
            self.batch_norm(&format!("{name}.bn3"), expanded[branch]);
            self.kernel(&format!("{name}.downsample.0"), c, expanded[branch], 1);
            self.batch_norm(&format!("{name}.downsample.1"), expanded[branch]);
        }
        for (i, pair) in expanded.windows(2).enumerate() {
            self.convolution(&format!("head.downsamp_modules.{i}.0"), pair[0], pair[1], 3);
            self.batch_norm(&format!("head.downsamp_modules.{i}.1"), pair[1]);
        }
        let last = usize::from(CLASSIFIER_FINAL);
        self.convolution("head.final_layer.0", expanded[BRANCHES - 1], last, 1);
        self.batch_norm("head.final_layer.1", last);
        self.linear("head.classifier", last, network.classes.into());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use hrvit_format::Spec;

    fn learnt(variant: &str, head: Head, classes: u16) -> usize {
        let network = Network { spec: Spec::variant(variant).unwrap(), head, classes };
        parameters(&network).iter().filter(|p| p.is_learnt()).map(Parameter::count).sum()
    }

    #[test]
    fn parameter_counts_of_the_variants() {
        for (variant, classifier, segmentor) in
            [("b1", 19_685_152, 8_149_451), ("b2", 32_486_408, 20_776_115), ("b3", 37_870_304, 28_623_755), ("nano", 13_249_876, 1_573_695)]
        {
            assert_eq!(learnt(variant, Head::Classifier, 1000), classifier, "{variant} classifier");
            assert_eq!(learnt(variant, Head::Segformer, 19), segmentor, "{variant} segmentor");
        }
        assert_eq!(learnt("nano", Head::Segformer, 11), 1_573_175);
    }

    #[test]
    fn names_are_unique() {
        for head in [Head::Classifier, Head::Segformer] {
            let all = parameters(&Network { spec: Spec::variant("b3").unwrap(), head, classes: 19 });
            let names: std::collections::BTreeSet<_> = all.iter().map(|p| &p.name).collect();
            assert_eq!(names.len(), all.len());
        }
    }
}
