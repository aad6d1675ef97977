//! Tokens, and the one value that holds any of them.

#[cfg(target_arch = "aarch64")]
use super::aarch64;
#[cfg(feature = "orders")]
use super::emulated::Emulated;
#[cfg(target_arch = "x86_64")]
use super::x86_64;
use super::{Isa, IsaError};
#[cfg(target_arch = "aarch64")]
use crate::pipeline::Pipeline;

/// Knowledge of a token about its processor, beyond the instructions.
trait Known: Copy {
    /// Whether the cores execute in order.
    fn in_order(self) -> bool;
}

impl Known for () {
    fn in_order(self) -> bool {
        false
    }
}

#[cfg(target_arch = "aarch64")]
impl Known for Pipeline {
    fn in_order(self) -> bool {
        self == Self::InOrder
    }
}

/// Declares the tokens and [`IsaToken`]. A row has the condition under which a build has the
/// instruction set, and its name. The token's further knowledge and its source follow, then the
/// check of the processor and the sets that it includes.
macro_rules! tokens {
    ($(#[cfg($cfg:meta)] $isa:ident($known:ty) = $detect:expr, if $present:expr, includes [$($included:ident)*];)+) => {
        $(
            #[doc = concat!("Proof of [`Isa::", stringify!($isa), "`]; not constructible outside this module.")]
            #[cfg($cfg)]
            #[derive(Clone, Copy, Debug)]
            pub struct $isa($known);

            #[cfg($cfg)]
            #[allow(dead_code, reason = "not every set has two loops")]
            impl $isa {
                /// Whether the cores execute in order on which the token was made.
                pub(crate) fn in_order(self) -> bool {
                    self.0.in_order()
                }
            }

            $(
                #[cfg($cfg)]
                impl From<$isa> for $included {
                    fn from(token: $isa) -> Self {
                        Self(token.0)
                    }
                }
            )*
        )+

        /// An instruction set with its proof.
        #[derive(Clone, Copy, Debug)]
        pub(crate) enum IsaToken {
            #[cfg(hrvit_scalar)]
            Scalar,
            $(
                #[cfg($cfg)]
                $isa($isa),
            )+
            /// An order of sums in plain code, beside the kernels of this processor.
            #[cfg(feature = "orders")]
            Emulated(Emulated),
        }

        impl IsaToken {
            /// The proof of `isa`, where there is one.
            pub(crate) fn of(isa: Isa) -> Result<Self, IsaError> {
                match isa {
                    #[cfg(hrvit_scalar)]
                    Isa::Scalar => Ok(Self::Scalar),
                    $(
                        #[cfg($cfg)]
                        Isa::$isa if $present => Ok(Self::$isa($isa($detect))),
                        #[cfg($cfg)]
                        Isa::$isa => Err(IsaError::NotPresent(isa)),
                    )+
                    _ => Err(IsaError::NotBuilt(isa)),
                }
            }

            /// Its name.
            pub(crate) const fn isa(self) -> Isa {
                match self {
                    #[cfg(hrvit_scalar)]
                    Self::Scalar => Isa::Scalar,
                    $(
                        #[cfg($cfg)]
                        Self::$isa(_) => Isa::$isa,
                    )+
                    #[cfg(feature = "orders")]
                    Self::Emulated(emulated) => emulated.beside().isa(),
                }
            }

            /// See [`Kernels::runs_in_order`](crate::Kernels::runs_in_order).
            pub(crate) fn in_order(self) -> bool {
                match self {
                    #[cfg(hrvit_scalar)]
                    Self::Scalar => false,
                    $(
                        #[cfg($cfg)]
                        Self::$isa(token) => token.in_order(),
                    )+
                    #[cfg(feature = "orders")]
                    Self::Emulated(emulated) => emulated.beside().in_order(),
                }
            }
        }
    };
}

tokens! {
    #[cfg(hrvit_dsp)] Dsp(()) = (), if true, includes [];
    #[cfg(hrvit_mve)] Mve(()) = (), if true, includes [];
    #[cfg(target_arch = "aarch64")] Neon(Pipeline) = Pipeline::detect(), if true, includes [];
    #[cfg(target_arch = "aarch64")] NeonDotprod(Pipeline) = Pipeline::detect(), if aarch64::dotprod(), includes [Neon];
    #[cfg(target_arch = "aarch64")] NeonI8mm(Pipeline) = Pipeline::detect(), if aarch64::dotprod() && aarch64::i8mm() && aarch64::fhm(), includes [Neon NeonDotprod];
    #[cfg(target_arch = "x86_64")] Avx2(()) = (), if x86_64::avx2(), includes [];
    #[cfg(target_arch = "x86_64")] AvxVnni(()) = (), if x86_64::avx2() && x86_64::avx_vnni(), includes [Avx2];
    #[cfg(target_arch = "x86_64")] Avx512(()) = (), if x86_64::avx2() && x86_64::avx512(), includes [Avx2];
}

impl IsaToken {
    /// The fastest that there is.
    pub(crate) fn detect() -> Self {
        #[cfg(hrvit_mve)]
        let tier = Self::Mve(Mve(()));
        #[cfg(all(hrvit_dsp, not(hrvit_mve)))]
        let tier = Self::Dsp(Dsp(()));
        #[cfg(not(any(hrvit_dsp, hrvit_mve)))]
        let tier = Isa::ALL.into_iter().rev().find_map(|isa| Self::of(isa).ok()).unwrap_or(Self::Scalar);
        tier
    }
}
