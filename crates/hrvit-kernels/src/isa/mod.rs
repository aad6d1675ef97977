//! Instruction sets: names, tokens that prove one, and what this processor has.
//!
//! A token (`Avx2`, `Neon`, ...) can only be obtained where its instructions exist: at run time
//! (x86-64, AArch64) or because the build says so (Cortex-M, whose code only ever runs on the
//! processor that it was compiled for, see `build.rs`). A kernel that takes a token by value may
//! use its instructions.
//!
//! A build for Cortex-M holds the kernels of its processor's fastest instruction set alone: no
//! flash goes to kernels that never run. Feature `every-isa` adds the slower sets and the
//! definition, for comparisons. Other builds always have all of their architecture and choose at
//! run time.

#[cfg(target_arch = "aarch64")]
mod aarch64;
#[cfg(feature = "orders")]
mod emulated;
mod table;
mod token;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::fmt;

#[cfg(feature = "orders")]
pub(crate) use emulated::Emulated;
#[cfg(feature = "orders")]
pub use emulated::Order;
pub(crate) use table::backends;
pub use token::*;

use crate::packing::Packing;

/// Declares [`Isa`] from the table.
macro_rules! names {
    ($($(#[doc = $doc:literal])+ $isa:ident: $name:literal, $packing:ident $(, $cfg:meta: $known:ty = $detect:expr, if $present:expr, includes [$($included:ident)*])?;)+) => {
        /// An instruction set that kernels exist for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Isa {$(
            $(#[doc = $doc])+
            $isa,
        )+}

        impl Isa {
            /// All of them, on an architecture from the slowest to the fastest.
            pub const ALL: [Self; [$($name),+].len()] = [$(Self::$isa),+];

            #[doc = concat!("The name that `str::parse` reads:", $(" `", $name, "`",)+ ".")]
            pub const fn name(self) -> &'static str {
                match self {$(
                    Self::$isa => $name,
                )+}
            }

            /// The packing of weights that its fastest product reads.
            pub(crate) const fn packing(self) -> Packing {
                match self {$(
                    Self::$isa => Packing::$packing,
                )+}
            }
        }
    };
}

table::instruction_sets!(names);

/// A forced instruction set that cannot be used.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IsaError {
    /// This build has no kernels for it: another architecture, or another `target-cpu`.
    NotBuilt(Isa),
    /// This processor does not have it.
    NotPresent(Isa),
    /// Not the name of an instruction set.
    Unknown,
}

impl fmt::Display for IsaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotBuilt(isa) => write!(f, "this build has no {isa} kernels: build for a target and a target-cpu that have it"),
            Self::NotPresent(isa) => write!(f, "this processor does not have {isa}: force another instruction set, or none"),
            Self::Unknown => {
                f.write_str("not an instruction set; expected one of")?;
                Isa::ALL.iter().try_for_each(|isa| write!(f, " {isa}"))
            }
        }
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for IsaError {
    fn format(&self, f: defmt::Formatter<'_>) {
        match self {
            Self::NotBuilt(isa) => defmt::write!(f, "this build has no {} kernels: build for a target and a target-cpu that have it", isa),
            Self::NotPresent(isa) => defmt::write!(f, "this processor does not have {}: force another instruction set, or none", isa),
            Self::Unknown => defmt::write!(f, "not an instruction set"),
        }
    }
}

impl core::error::Error for IsaError {}

impl Isa {
    /// Instruction sets that this build has and this processor runs, from the slowest to the
    /// fastest.
    pub fn available() -> impl Iterator<Item = Self> {
        Self::ALL.into_iter().filter(|isa| IsaToken::of(*isa).is_ok())
    }

    /// The fastest of [`Isa::available`]. To be asked once, not per call: on a virtual machine the
    /// question can take microseconds.
    pub fn detect() -> Self {
        IsaToken::detect().isa()
    }
}

#[cfg(feature = "defmt")]
impl defmt::Format for Isa {
    fn format(&self, f: defmt::Formatter<'_>) {
        defmt::write!(f, "{=str}", self.name());
    }
}

impl core::str::FromStr for Isa {
    type Err = IsaError;

    fn from_str(name: &str) -> Result<Self, IsaError> {
        Self::ALL.into_iter().find(|isa| isa.name() == name).ok_or(IsaError::Unknown)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
