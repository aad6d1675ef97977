//! The f16 kernels of every instruction set in plain code, wherever their bits differ from the
//! definition's. A host thus computes the bits of other targets.
//!
//! Products of two f16 are exact in f32, and every kernel adds them in the definition's order. Most
//! operators have the same bytes everywhere. Others depend on an [`Order`]. It has the number of a
//! sum's lanes and their merge (LayerNorm, softmax). It also has the fused multiplications and
//! additions (activations, powers of two, the attention's weighted sums, the shortcut's second
//! product). [`Kernels::in_order`] has those in plain code, beside the fastest kernels of this
//! processor.

mod math;

use crate::epilogue_f16::ActivationF16;
use crate::isa::{Emulated, IsaToken, Order};
use crate::kernels::Kernels;

pub(crate) use math::{exp2, gelu};

/// Lanes of a vector of f16.
pub(crate) const LANES: usize = 8;

impl Order {
    /// Whether multiplications and additions are fused.
    const fn fused(self) -> bool {
        !matches!(self, Self::Scalar)
    }

    /// `sum + x * y`, rounded once or twice.
    pub(crate) fn fma(self, sum: f32, x: f32, y: f32) -> f32 {
        if self.fused() { x.mul_add(y, sum) } else { sum + x * y }
    }

    /// The activation.
    pub(crate) fn activate(self, act: ActivationF16, x: f32) -> f32 {
        match act {
            ActivationF16::Gelu => gelu(self, x),
            ActivationF16::ReluGelu => gelu(self, x.max(0.0)),
            // Nothing to fuse.
            ActivationF16::None | ActivationF16::Relu | ActivationF16::Hardswish => act.apply(x),
        }
    }

    /// The sum of 8 lanes.
    pub(crate) fn sum(self, lanes: [f32; LANES]) -> f32 {
        let [a, b, c, d, e, f, g, h] = lanes;
        match self {
            Self::Scalar => lanes.iter().sum(),
            Self::Avx2 => ((a + e) + (c + g)) + ((b + f) + (d + h)),
            Self::Neon => ((a + e) + (b + f)) + ((c + g) + (d + h)),
            // Even channels before odd ones.
            Self::Mve => [a, c, e, g, b, d, f, h].iter().sum(),
        }
    }
}

impl Kernels {
    /// Kernels with the bytes that an instruction set of `order` makes, on any host;
    /// [`Kernels::isa`] is this processor's fastest.
    ///
    /// ```
    /// use hrvit_kernels::{Isa, Kernels, Order};
    /// let kernels = Kernels::in_order(Order::Mve);
    /// assert_eq!(kernels.isa(), Isa::detect());
    /// ```
    pub fn in_order(order: Order) -> Self {
        Self { tier: IsaToken::Emulated(Emulated::new(order)) }
    }
}
