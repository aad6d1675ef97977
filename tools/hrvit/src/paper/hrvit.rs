//! HRViT, whole or without one of its techniques (table 5), priced from the paper's text.
//!
//! The price of every network equals the engine's own accounting, to the last
//! parameter and MAC.

use hrvit_format::{BRANCHES, Head, Network, Size, Spec};

use super::heads;
use super::pricing::{Extent, Filter, Operators, Pairs};

/// The operators of `network` on frames of `size`.
pub fn operators(network: &Network, size: Size) -> Operators {
    let mut pricer = Pricer { operators: Operators::default(), spec: &network.spec, size };
    pricer.stem();
    for module in 0..network.spec.modules() {
        for branch in 0..network.spec.branches(module) {
            pricer.fusion(module, branch);
        }
        for branch in 0..network.spec.branches(module) {
            pricer.branch(module, branch);
        }
    }
    let mut operators = pricer.operators;
    let channels = network.spec.channels.map(u64::from);
    match network.head {
        Head::Segformer => heads::segformer(&mut operators, size, channels, network.spec.head_width.into(), network.classes.into()),
        Head::Classifier => heads::hrnet_classifier(&mut operators, size, channels, network.classes.into()),
    }
    operators
}

struct Pricer<'s> {
    operators: Operators,
    spec: &'s Spec,
    size: Size,
}

impl Pricer<'_> {
    fn map(&self, branch: usize) -> Extent {
        Extent::of_branch(self.size, branch)
    }

    fn stem(&mut self) {
        let (map, stem) = (self.map(0), u64::from(self.spec.stem));
        self.operators.layer("stem", Filter::dense(3, stem / 2, 3), map.times(2));
        self.operators.norm(stem / 2);
        self.operators.layer("stem", Filter::dense(stem / 2, stem, 3), map);
        self.operators.norm(stem);
    }

    fn fusion(&mut self, module: usize, branch: usize) {
        let outputs = u64::from(self.spec.fused_channels(module, branch));
        for source in self.spec.fusion_sources(module, branch).filter(|&source| source != branch) {
            let inputs = u64::from(self.spec.channels(source));
            if source < branch {
                let stride = 1 << (branch - source);
                self.operators.layer("fusion depthwise", Filter::depthwise(inputs, stride + 1).unbiased(), self.map(branch));
                self.operators.norm(inputs);
            }
            self.operators.layer("fusion pointwise", Filter::dense(inputs, outputs, 1), self.map(source.max(branch)));
            self.operators.norm(outputs);
        }
    }

    fn branch(&mut self, module: usize, branch: usize) {
        let (map, inputs, c) = (self.map(branch), u64::from(self.spec.fused_channels(module, branch)), u64::from(self.spec.channels(branch)));
        if self.spec.ablation.dense_embedding {
            self.operators.layer("patch embedding", Filter::dense(inputs, c, 3), map);
        } else {
            self.operators.layer("patch embedding pointwise", Filter::dense(inputs, c, 1), map);
            self.operators.layer("patch embedding depthwise", Filter::depthwise(c, 3), map);
        }
        self.operators.norm(c);
        for _ in 0..self.spec.block_count(module, branch) {
            self.attention(branch, c);
            self.feed_forward(branch, c);
        }
        self.operators.norm(c);
    }

    fn attention(&mut self, branch: usize, c: u64) {
        let (map, window) = (self.map(branch), self.spec.window(branch) as u64);
        let heads = u64::from(self.spec.attention_heads(branch)) / 2;
        self.operators.norm(c);
        let projections = if self.spec.ablation.own_keys { 3 } else { 2 };
        self.operators.layer("queries, values", Filter::dense(c, projections * c, 1), map);
        if !self.spec.ablation.no_parallel_path {
            self.operators.layer("parallel path", Filter::depthwise(c, 3), map);
        }
        self.operators.attention(Pairs::strips(map, window), heads, c / 2, map);
        self.operators.attention(Pairs::strips(map.turned(), window), heads, c / 2, map);
        self.operators.layer("attention output", Filter::dense(c, c, 1), map);
        if !self.spec.ablation.no_extra_norm {
            self.operators.norm(c);
        }
        if !self.spec.ablation.no_des {
            let (k, p) = self.spec.des_shape(branch);
            let (k, p) = (u64::from(k), u64::from(p));
            // One p x p product per row of [k, p], one k x k product per column.
            self.operators.layer("shortcut right", Filter::dense(p, p, 1), Extent { rows: map.rows * k, ..map });
            self.operators.layer("shortcut left", Filter::dense(k, k, 1), Extent { rows: map.rows * p, ..map });
        }
    }

    fn feed_forward(&mut self, branch: usize, c: u64) {
        let (map, hidden) = (self.map(branch), u64::from(self.spec.hidden(branch)));
        self.operators.norm(c);
        self.operators.layer("feed-forward 1", Filter::dense(c, hidden, 1), map);
        for (channels, side) in self.spec.ablation.between.shares(self.spec.hidden(branch)).into_iter().zip([3, 5]).filter(|(channels, _)| *channels > 0) {
            self.operators.layer("feed-forward depthwise", Filter::depthwise(channels.into(), side), map);
        }
        self.operators.layer("feed-forward 2", Filter::dense(hidden, c, 1), map);
    }
}

/// Branches of a network, so that its widths fit the heads'.
const _: () = assert!(BRANCHES == 4, "heads are priced for four branches");

#[cfg(test)]
mod tests {
    use hrvit_format::{Ablation, Between, VARIANTS};
    use hrvit_reference::{Parameter, accounting, parameters};

    use super::*;

    #[test]
    fn the_whole_network_is_priced_as_the_accounting_does() {
        for (variant, head, size) in VARIANTS.iter().flat_map(|&variant| {
            [(Head::Classifier, (224, 224)), (Head::Segformer, (512, 512)), (Head::Segformer, (192, 256))].map(|(head, size)| (variant, head, size))
        }) {
            let network = Network { spec: Spec::variant(variant).unwrap(), head, classes: 19 };
            let size = Size::new(size.0, size.1).unwrap();
            let price = operators(&network, size).price();
            let params: u64 = accounting::rows(&network, size).iter().map(|row| row.params).sum();
            assert_eq!(price.params, params, "{variant} {head} {size}");
            assert_eq!(price.macs, accounting::macs_as_written(&network, size), "{variant} {head} {size}");
            assert_eq!(price.macs_folded, accounting::macs_folded(&network, size), "{variant} {head} {size}");
        }
    }

    fn without(network: &Network, ablation: Ablation) -> Network {
        let mut network = network.clone();
        network.spec.ablation = ablation;
        network
    }

    #[test]
    fn every_ablation_is_priced_as_the_accounting_does() {
        let (network, size) = (Network { spec: Spec::variant("b1").unwrap(), head: Head::Segformer, classes: 19 }, Size::new(96, 160).unwrap());
        for network in (0..256).filter_map(Ablation::of_bits).map(|ablation| without(&network, ablation)) {
            network.validate().unwrap();
            let price = operators(&network, size).price();
            let params: u64 = accounting::rows(&network, size).iter().map(|row| row.params).sum();
            let learnt: usize = parameters(&network).iter().filter(|p| p.is_learnt()).map(Parameter::count).sum();
            assert_eq!((price.params, learnt as u64), (params, params), "{:?}", network.spec.ablation);
            assert_eq!(price.macs, accounting::macs_as_written(&network, size), "{:?}", network.spec.ablation);
        }
    }

    #[test]
    fn every_technique_changes_what_it_should() {
        let network = Network { spec: Spec::variant("b1").unwrap(), head: Head::Segformer, classes: 19 };
        let size = Size::new(64, 64).unwrap();
        let price = |ablation| operators(&without(&network, ablation), size).price();
        let whole = price(Ablation::NONE);
        let channels = [32u64, 64, 128, 256];
        // Blocks of every branch.
        let blocks = [6u64, 5, 20, 4];
        let over_blocks = |count: fn(u64) -> u64| channels.iter().zip(blocks).map(|(&c, blocks)| blocks * count(c)).sum::<u64>();
        let own_keys = price(Ablation { own_keys: true, ..Ablation::NONE });
        assert_eq!(own_keys.params - whole.params, over_blocks(|c| c * c + c));
        let no_path = price(Ablation { no_parallel_path: true, ..Ablation::NONE });
        assert_eq!(whole.params - no_path.params, over_blocks(|c| 10 * c));
        let no_norm = price(Ablation { no_extra_norm: true, ..Ablation::NONE });
        assert_eq!((whole.params - no_norm.params, whole.macs), (over_blocks(|c| 2 * c), no_norm.macs));
        let nothing = price(Ablation { between: Between::Nothing, ..Ablation::NONE });
        assert_eq!(whole.params - nothing.params, over_blocks(|c| 2 * c * (9 + 25) + 4 * c));
        let three = price(Ablation { between: Between::Scale3, ..Ablation::NONE });
        assert_eq!(three.params - nothing.params, over_blocks(|c| 4 * c * 10));
        let sparse = price(Ablation { sparse_fusion: true, ..Ablation::NONE });
        assert!(sparse.params < whole.params && sparse.macs < whole.macs);
    }
}
