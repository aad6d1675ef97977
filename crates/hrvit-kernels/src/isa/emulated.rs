//! Orders of f16 sums in plain code.

use std::sync::OnceLock;

use super::IsaToken;

/// An order of the sums in f16 kernels, with the roundings in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Order {
    /// The definition's: one lane, nothing fused; Cortex-M7's and Cortex-M33's too.
    Scalar,
    /// Of AVX2, and of all x86-64 instruction sets that include it.
    Avx2,
    /// Of NEON, with dot products or without.
    Neon,
    /// Of Helium.
    Mve,
}

impl Order {
    /// All of them, the definition's first.
    pub const ALL: [Self; 4] = [Self::Scalar, Self::Avx2, Self::Neon, Self::Mve];

    /// The name of the first instruction set with this order.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
            Self::Mve => "mve",
        }
    }
}

/// Proof of nothing but plain code, with the order that it keeps and the kernels of this processor
/// for all else.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Emulated {
    order: Order,
    beside: &'static IsaToken,
}

impl Emulated {
    /// The order, beside the fastest kernels of this processor.
    pub(crate) fn new(order: Order) -> Self {
        static FASTEST: OnceLock<IsaToken> = OnceLock::new();
        Self { order, beside: FASTEST.get_or_init(IsaToken::detect) }
    }

    /// The order.
    pub(crate) const fn order(self) -> Order {
        self.order
    }

    /// The kernels that have the same bytes in every order.
    pub(crate) const fn beside(self) -> IsaToken {
        *self.beside
    }
}
