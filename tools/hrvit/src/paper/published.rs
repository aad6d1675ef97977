//! The figures that the paper prints, table by table: millions of parameters, thousand millions of
//! multiply-accumulates (its GFLOPs).

use serde::Serialize;

/// One branch of a variant in table 2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Branch {
    /// Height and width of attention strips.
    pub window: u8,
    /// Expansion of the MixCFN.
    pub ratio: u8,
    /// Channels.
    pub channels: u16,
    /// Channels of a head.
    pub head_dim: u16,
}

const fn branch(window: u8, ratio: u8, channels: u16, head_dim: u16) -> Branch {
    Branch { window, ratio, channels, head_dim }
}

/// Table 2: variants, and their branches from high to low resolution.
pub const TABLE2: [(&str, [Branch; 4]); 3] = [
    ("HRViT-b1", [branch(1, 4, 32, 16), branch(2, 4, 64, 32), branch(7, 4, 128, 32), branch(7, 4, 256, 32)]),
    ("HRViT-b2", [branch(1, 2, 48, 24), branch(2, 3, 96, 24), branch(7, 3, 240, 24), branch(7, 3, 384, 24)]),
    ("HRViT-b3", [branch(1, 2, 64, 32), branch(2, 2, 128, 32), branch(7, 2, 256, 32), branch(7, 2, 512, 32)]),
];

/// Section 2.4: fewest and most blocks on the third and fourth branches.
pub const BLOCKS: [(u8, u8); 2] = [(20, 24), (4, 6)];

/// One row of tables 3 to 6.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Published {
    /// Name of the row.
    pub name: &'static str,
    /// Parameters, millions.
    pub params: f64,
    /// MACs of a frame, thousand millions.
    pub gmacs: f64,
    /// Accuracy on ImageNet-1K, percent.
    pub imagenet: Option<f64>,
    /// Mean intersection over union on Cityscapes val, percent.
    pub cityscapes: Option<f64>,
}

const fn row(name: &'static str, params: f64, gmacs: f64, imagenet: Option<f64>, cityscapes: Option<f64>) -> Published {
    Published { name, params, gmacs, imagenet, cityscapes }
}

/// Table 3: classifiers at 224x224.
pub const TABLE3: [Published; 3] =
    [row("HRViT-b1", 19.7, 2.7, Some(80.5), None), row("HRViT-b2", 32.5, 5.1, Some(82.3), None), row("HRViT-b3", 37.9, 5.7, Some(82.8), None)];

/// Table 4: segmentors with a SegFormer head, MACs at 512x512.
pub const TABLE4: [Published; 11] = [
    row("MiT-B0", 3.8, 8.4, None, Some(76.20)),
    row("MiT-B1", 13.7, 15.9, None, Some(78.50)),
    row("CSWin-Ti", 5.9, 11.4, None, Some(79.16)),
    row("HRViT-b1", 8.1, 14.1, None, Some(81.63)),
    row("MiT-B2", 27.5, 62.4, None, Some(81.00)),
    row("CSWin-T", 22.4, 28.3, None, Some(81.56)),
    row("HRViT-b2", 20.8, 27.4, None, Some(82.81)),
    row("MiT-B3", 47.3, 79.0, None, Some(81.70)),
    row("MiT-B4", 64.1, 95.7, None, Some(82.30)),
    row("CSWin-S", 37.3, 78.1, None, Some(82.58)),
    row("HRViT-b3", 28.6, 66.3, None, Some(83.16)),
];

/// Table 5: b1 without one technique each, MACs at 512x512.
pub const TABLE5: [Published; 9] = [
    row("HRViT-b1", 8.1, 14.1, Some(80.52), Some(81.63)),
    row("- Key-value sharing", 8.8, 14.7, Some(80.52), Some(81.00)),
    row("- Eff. patch embed", 9.9, 16.5, Some(80.19), Some(81.18)),
    row("- MixCFN", 7.9, 13.6, Some(79.86), Some(80.52)),
    row("- Parallel CONV path", 8.1, 14.0, Some(80.06), Some(80.82)),
    row("- Nonlinearity/BN", 8.1, 14.1, Some(80.37), Some(81.12)),
    row("- Dense fusion", 8.0, 14.0, Some(79.95), Some(81.26)),
    row("- DES", 8.1, 14.0, Some(80.36), Some(81.38)),
    row("- All block opt.", 10.1, 16.3, Some(79.79), Some(80.45)),
];

/// Table 6: HRNetV2 with other blocks, MACs at 512x512.
pub const TABLE6: [Published; 9] = [
    row("HRNet18-MiT", 8.4, 29.3, Some(79.3), Some(80.30)),
    row("HRNet18-CSWin", 8.1, 22.3, Some(79.5), Some(80.95)),
    row("HRViT-b1", 8.1, 14.1, Some(80.5), Some(81.63)),
    row("HRNet32-MiT", 24.4, 52.4, Some(81.1), Some(82.05)),
    row("HRNet32-CSWin", 23.9, 42.2, Some(81.1), Some(82.11)),
    row("HRViT-b2", 20.8, 27.4, Some(82.3), Some(82.81)),
    row("HRNet40-MiT", 40.1, 108.0, Some(82.3), Some(82.10)),
    row("HRNet40-CSWin", 39.5, 96.3, Some(82.4), Some(82.38)),
    row("HRViT-b3", 28.6, 66.3, Some(82.8), Some(83.16)),
];

/// ADE20K val, single scale, as far as it is printed. HRViT's are in its public repository, b3's in
/// the abstract too. MiT's follow from the differences in section 3. The paper draws CSWin's alone.
pub const ADE20K: [(&str, f64); 6] =
    [("HRViT-b1", 45.88), ("HRViT-b2", 48.76), ("HRViT-b3", 50.20), ("MiT-B1", 45.88 - 3.68), ("MiT-B2", 48.76 - 2.26), ("MiT-B3", 50.20 - 0.80)];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn averages_of_table_6_follow_from_its_rows() {
        let pairs = [("HRViT-b1", "HRNet18"), ("HRViT-b2", "HRNet32"), ("HRViT-b3", "HRNet40")];
        let average = |gain: fn(&Published, &Published) -> f64| {
            let gains = pairs.iter().flat_map(|(name, rival)| {
                let ours = TABLE6.iter().find(|row| row.name == *name).unwrap();
                TABLE6.iter().filter(move |row| row.name.starts_with(rival)).map(move |rival| gain(ours, rival))
            });
            gains.sum::<f64>() / 6.0
        };
        let near = |found: f64, printed: f64, within: f64| assert!((found - printed).abs() < within, "{found} instead of {printed}");
        near(average(|ours, rival| 100.0 * (ours.params / rival.params - 1.0)), -14.4, 0.3);
        near(average(|ours, rival| ours.imagenet.unwrap() - rival.imagenet.unwrap()), 0.92, 0.01);
        near(average(|ours, rival| ours.cityscapes.unwrap() - rival.cityscapes.unwrap()), 0.89, 0.01);
    }

    #[test]
    fn a_network_has_the_same_figures_in_every_table() {
        for row in TABLE4.iter().chain(&TABLE5) {
            for other in TABLE4.iter().chain(&TABLE6).filter(|other| other.name == row.name) {
                assert_eq!((row.params, row.gmacs, row.cityscapes), (other.params, other.gmacs, other.cityscapes), "{}", row.name);
            }
        }
    }
}
