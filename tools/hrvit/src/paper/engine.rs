//! Costs of the paper's variants in this project's engine.

use anyhow::{Context, Result};
use hrvit_core::Plan;
use hrvit_format::record::Arrays;
use hrvit_format::{Head, Network, Packing, Precision, Size, Spec};
use serde::Serialize;

use crate::accounting;
use crate::quantize::encode::{TABLE8, TABLE16};

/// Costs of one variant at one size in 8 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct EngineCost {
    /// Name of the built-in variant.
    pub variant: &'static str,
    /// The head on top of it.
    pub head: Head,
    /// Classes.
    pub classes: u16,
    /// Rows and columns of pixels.
    pub size: [u16; 2],
    /// Learnt values.
    pub params: u64,
    /// MACs of one frame as trained.
    pub macs_as_written: u64,
    /// MACs of one frame as executed: after the exact rewrites, over real keys.
    pub macs_as_executed: u64,
    /// Bytes of the smallest arena, with one worker and weights addressed in place.
    pub arena_bytes: usize,
    /// Bytes of weights, constants per channel and tables in an image; no frame or size changes
    /// them.
    pub int8_bytes: usize,
}

/// Sizes of the paper: ImageNet's (table 3), the size of tables 4 to 6, and Cityscapes' crops. b3
/// has windows of its own for the last.
const CASES: [(&str, Head, u16, u16); 10] = [
    ("b1", Head::Classifier, 1000, 224),
    ("b2", Head::Classifier, 1000, 224),
    ("b3", Head::Classifier, 1000, 224),
    ("b1", Head::Segformer, 19, 512),
    ("b2", Head::Segformer, 19, 512),
    ("b3", Head::Segformer, 19, 512),
    ("b1", Head::Segformer, 19, 1024),
    ("b2", Head::Segformer, 19, 1024),
    ("b3", Head::Segformer, 19, 1024),
    ("b3w9", Head::Segformer, 19, 1024),
];

/// Every variant at the paper's sizes.
///
/// # Errors
/// If no plan exists for one of them.
pub fn costs() -> Result<Vec<EngineCost>> {
    CASES.into_iter().map(|(variant, head, classes, side)| cost(variant, head, classes, side)).collect()
}

fn cost(variant: &'static str, head: Head, classes: u16, side: u16) -> Result<EngineCost> {
    let network = network(variant, head, classes)?;
    let size = Size::new(side, side)?;
    let total = accounting::total(&accounting::stages(&network, size));
    Ok(EngineCost {
        variant,
        head,
        classes,
        size: [side, side],
        params: total.params,
        macs_as_written: total.macs_as_written,
        macs_as_executed: total.macs_folded,
        arena_bytes: Plan::builder(&network, size).build()?.arena_bytes(),
        int8_bytes: int8_bytes(&network),
    })
}

/// A built-in variant with a head.
///
/// # Errors
/// If there is none of that name.
pub fn network(variant: &str, head: Head, classes: u16) -> Result<Network> {
    let spec = Spec::variant(variant).with_context(|| format!("variant {variant}: expected a built-in one"))?;
    Ok(Network { spec, head, classes })
}

/// Bytes of every operator's arrays, without padding. Tables have as many entries as they may.
fn int8_bytes(network: &Network) -> usize {
    let operators = network.steps().flat_map(|step| network.ops(step));
    let bytes = operators.map(|op| {
        let arrays = Arrays::of(&op, Precision::Int8, Packing::Rows);
        let table = match arrays.table_entry {
            1 => TABLE8,
            2 => 2 * TABLE16,
            _ => 0,
        };
        arrays.weights + 4 * (arrays.bias + arrays.mult + arrays.three) + arrays.shift + table
    });
    bytes.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn int8_bytes_are_those_of_images() {
        // `weight_bytes` of `hrvit inspect --json` on images with weights in rows.
        for (variant, classes, written) in [("nano", 11, 2_087_695), ("b1", 19, 8_922_731)] {
            let found = int8_bytes(&network(variant, Head::Segformer, classes).unwrap());
            let off = 100.0 * (found as f64 / f64::from(written) - 1.0);
            assert!(off.abs() < 0.5, "{variant}: {found} bytes, {off:.2} % off");
        }
    }

    #[test]
    fn a_small_case_costs_what_inspect_and_plan_say() {
        let found = cost("nano", Head::Segformer, 11, 64).unwrap();
        let network = network("nano", Head::Segformer, 11).unwrap();
        let size = Size::new(64, 64).unwrap();
        assert_eq!(found.params, 1_573_175);
        assert_eq!(found.macs_as_executed, network.steps().map(|step| hrvit_core::step_macs(&network, size, step)).sum::<u64>());
        assert_eq!(found.arena_bytes, Plan::builder(&network, size).build().unwrap().arena_bytes());
    }
}
