//! How many multiply-accumulates are products of two 8-bit numbers.

use anyhow::{Context, Result};
use hrvit_format::record::Precision;
use hrvit_format::{Model, OpKind, Size};
use hrvit_reference::accounting::{Item, rows};
use serde::Serialize;

/// Multiply-accumulates of one frame by the width of their operands.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Macs {
    /// All, after the exact rewrites.
    pub total: u64,
    /// MACs of two operands of 8 bits.
    pub in_8x8: u64,
    /// All others by kind of operator, in order of first use.
    pub wider: Vec<Wider>,
}

/// Multiply-accumulates of one kind of operator that have an operand of more than 8 bits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Wider {
    /// Name of the kind.
    pub operator: String,
    /// How many.
    pub macs: u64,
}

impl Macs {
    /// Counts `model` on frames of `size`. The diversity-enhancing shortcut is not 8x8 (the
    /// residual stream has 16 bits). Neither are weighted sums of values with exponent codes of 15
    /// bits, the classifier's last layer (a mean of 12 bits), and steps other than int8.
    ///
    /// # Errors
    /// If the image lacks a step of its network.
    pub fn of(model: &Model<'_>, size: Size) -> Result<Self> {
        let mut macs = Self::default();
        for row in rows(&model.meta().network, size) {
            let Item::Op { kind, .. } = row.item else { continue };
            let step = model.id(row.step).and_then(|id| model.step(id)).with_context(|| format!("the model image has no step {}", row.step))?;
            let wide = match kind {
                _ if step.record.precision != Precision::Int8 as u8 => true,
                OpKind::DesRight | OpKind::DesLeft | OpKind::FinalLinear => true,
                OpKind::Values => step.ops.iter().any(|op| op.kind == OpKind::Scores as u8 && op.code_bits > 8),
                _ => false,
            };
            macs.add(kind, row.macs_folded, wide);
        }
        Ok(macs)
    }

    fn add(&mut self, kind: OpKind, macs: u64, wide: bool) {
        let operator = kind.to_string();
        self.total += macs;
        if !wide {
            self.in_8x8 += macs;
        } else if let Some(known) = self.wider.iter_mut().find(|known| known.operator == operator) {
            known.macs += macs;
        } else if macs > 0 {
            self.wider.push(Wider { operator, macs });
        }
    }

    /// Share in 8x8, between 0 and 1.
    pub fn share(&self) -> f64 {
        self.share_of(self.in_8x8)
    }

    /// Operators that are not 8x8, as `des_right 0.8 %, des_left 0.8 %`; the empty text where all
    /// is.
    pub fn rest(&self) -> String {
        let parts: Vec<String> = self.wider.iter().map(|wider| format!("{} {:.1} %", wider.operator, 100.0 * self.share_of(wider.macs))).collect();
        parts.join(", ")
    }

    fn share_of(&self, macs: u64) -> f64 {
        macs as f64 / self.total.max(1) as f64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_that_is_not_8x8_is_named_once_per_kind() {
        let mut macs = Macs::default();
        for (kind, count, wide) in
            [(OpKind::Fc1, 50, false), (OpKind::DesRight, 10, true), (OpKind::FfnAct, 0, true), (OpKind::Values, 20, true), (OpKind::DesRight, 20, true)]
        {
            macs.add(kind, count, wide);
        }
        assert_eq!((macs.total, macs.in_8x8, macs.share()), (100, 50, 0.5));
        assert_eq!(macs.rest(), "des.right 30.0 %, values 20.0 %");
        assert_eq!(macs.wider.iter().map(|wider| wider.macs).sum::<u64>() + macs.in_8x8, macs.total);
    }
}
