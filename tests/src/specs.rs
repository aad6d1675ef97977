//! Small networks.

use hrvit_format::spec::Activation;
use hrvit_format::{Ablation, Head, Network, Size, Spec};

/// A spec from slices. Panics where a table does not fit: tests write them down.
pub fn spec(stem: u16, channels: [u16; 4], blocks: &[&[u8]], head_dim: u16, windows: [u8; 4], ratios: [u8; 4], head_width: u16) -> Spec {
    let blocks = blocks.iter().map(|module| module.iter().copied().collect()).collect();
    Spec { stem, channels, blocks, head_dim, windows, ratios, head_width, des_activation: Activation::Gelu, ablation: Ablation::NONE }
}

/// The smallest network in which every kind of operator occurs.
pub fn tiny(head: Head) -> Network {
    let spec = spec(4, [8, 8, 12, 16], &[&[1], &[0, 1], &[1, 0, 1], &[0, 1, 0, 1]], 6, [1, 2, 7, 7], [1, 2, 1, 2], 8);
    Network { spec, head, classes: 5 }
}

/// A built-in variant with a head. Panics where there is no such variant.
pub fn variant(name: &str, head: Head, classes: u16) -> Network {
    Network { spec: Spec::variant(name).unwrap_or_else(|| panic!("no variant {name}")), head, classes }
}

/// An input size. Panics where it is none.
pub fn size(height: u16, width: u16) -> Size {
    Size::new(height, width).unwrap_or_else(|error| panic!("{error}"))
}
