//! How many multiply-accumulates are products of two 8-bit numbers.

use anyhow::{Context, Result};
use hrvit_format::{Model, OpKind, Size};
use hrvit_reference::accounting::{Item, rows};
use serde::Serialize;

/// Multiply-accumulates of one frame by the width of their operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Macs {
    /// All, after the exact rewrites.
    pub total: u64,
    /// Those of two operands of 8 bits.
    pub in_8x8: u64,
}

impl Macs {
    /// Counts `model` on frames of `size`. Not 8x8 are the diversity-enhancing shortcut (the residual stream has 16 bits), the weighted sum of the values where
    /// exponent codes have 15 bits, and the classifier's last layer (a mean of 12 bits).
    ///
    /// # Errors
    /// If the image lacks a step of its network.
    pub fn of(model: &Model<'_>, size: Size) -> Result<Self> {
        let network = &model.meta().network;
        let mut macs = Self { total: 0, in_8x8: 0 };
        for row in rows(network, size) {
            let Item::Op { kind, .. } = row.item else { continue };
            let wide = match kind {
                OpKind::DesRight | OpKind::DesLeft | OpKind::FinalLinear => true,
                OpKind::Values => {
                    let step = model.id(row.step).and_then(|id| model.step(id)).with_context(|| format!("the model image has no step {}", row.step))?;
                    step.ops.iter().any(|op| op.kind == OpKind::Scores as u8 && op.code_bits > 8)
                }
                _ => false,
            };
            macs.total += row.macs_folded;
            macs.in_8x8 += if wide { 0 } else { row.macs_folded };
        }
        Ok(macs)
    }

    /// Share in 8x8, between 0 and 1.
    pub fn share(self) -> f64 {
        self.in_8x8 as f64 / self.total.max(1) as f64
    }
}
