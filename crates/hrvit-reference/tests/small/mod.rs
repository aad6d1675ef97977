//! The smallest network that has every operator.

use hrvit_format::{Head, Network, Spec};

/// Four modules, one block on every branch, a few channels, 5 classes.
pub fn network(head: Head) -> Network {
    let mut spec = Spec::variant("nano").unwrap();
    spec.blocks.truncate(5);
    spec.blocks.remove(3);
    spec.blocks.iter_mut().for_each(|module| module.fill(1));
    (spec.stem, spec.channels, spec.head_width, spec.head_dim) = (8, [8, 8, 16, 16], 12, 4);
    let network = Network { spec, head, classes: 5 };
    network.validate().unwrap();
    network
}
