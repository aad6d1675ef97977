//! The kernels of one instruction set as one value: what an engine holds and calls.

pub(crate) use crate::isa::backends;
use crate::isa::{Isa, IsaError, IsaToken};
use crate::packing::Packing;

/// Every operator, on one instruction set, with the same bytes on all of them (on f16: within a
/// stated bound). The value is the proof that the processor has the instructions.
///
/// ```
/// use hrvit_kernels::{Isa, Kernels};
/// let kernels = Kernels::detect();
/// let mut x = [100i16, -100, 32000];
/// kernels.add_s16(&mut x, &[1, -1, 1000])?;
/// assert_eq!(x, [101, -101, 32767]);
/// assert!(Isa::available().any(|isa| isa == kernels.isa()));
/// # Ok::<(), hrvit_kernels::ShapeError>(())
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Kernels {
    pub(crate) tier: IsaToken,
}

impl Kernels {
    /// The definition. (A Cortex-M build with vectors or DSP has it with feature `every-isa` only,
    /// see [`Isa`].)
    #[cfg(hrvit_scalar)]
    pub const SCALAR: Self = Self { tier: IsaToken::Scalar };

    /// Kernels of the fastest instruction set of this processor.
    pub fn detect() -> Self {
        Self { tier: IsaToken::detect() }
    }

    /// Kernels of `isa`.
    ///
    /// # Errors
    /// [`IsaError`] if this build or this processor does not have it.
    pub fn new(isa: Isa) -> Result<Self, IsaError> {
        IsaToken::of(isa).map(|tier| Self { tier })
    }

    /// The instruction set.
    pub const fn isa(self) -> Isa {
        self.tier.isa()
    }

    /// Whether AArch64 products use the loops for cores that execute in order (Cortex-A53, A55,
    /// A510). These give the same bytes in fewer cycles and more instructions. They are used if all
    /// cores are known to execute in order, or if nothing is known and feature `in-order` is on.
    /// Elsewhere `false`.
    pub fn runs_in_order(self) -> bool {
        self.tier.in_order()
    }

    /// The packing of weights that the fastest product kernel reads.
    pub const fn packing(self) -> Packing {
        self.isa().packing()
    }
}
