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

/// Declares the tokens and [`IsaToken`] from the table.
macro_rules! tokens {
    ($(#[doc = $scalar:literal])+ Scalar: $name:literal, $packing:ident;
     $($(#[doc = $doc:literal])+ $isa:ident: $isa_name:literal, $isa_packing:ident, $cfg:meta: $known:ty = $detect:expr, if $present:expr, includes [$($included:ident)*];)+) => {
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

super::table::instruction_sets!(tokens);

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
