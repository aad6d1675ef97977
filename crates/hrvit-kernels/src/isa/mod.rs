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
mod token;
#[cfg(target_arch = "x86_64")]
mod x86_64;

use core::fmt;

#[cfg(feature = "orders")]
pub(crate) use emulated::Emulated;
#[cfg(feature = "orders")]
pub use emulated::Order;
pub use token::*;

/// Declares [`Isa`]: each one's name, on an architecture from the slowest to the fastest.
macro_rules! instruction_sets {
    ($($(#[doc = $doc:literal])+ $isa:ident: $name:literal;)+) => {
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

            /// The name that `str::parse` reads: `scalar`, `dsp`, `mve`, `neon`, `neon_dotprod`,
            /// `neon_i8mm`, `avx2`, `avx_vnni` or `avx512`.
            pub const fn name(self) -> &'static str {
                match self {$(
                    Self::$isa => $name,
                )+}
            }
        }
    };
}

instruction_sets! {
    /// Plain Rust: the definition.
    Scalar: "scalar";
    /// Cortex-M DSP extension: 2 products of 16 bits (Cortex-M4, M7, M33).
    Dsp: "dsp";
    /// Cortex-M vectors (MVE, Helium): Cortex-M52, M55, M85.
    Mve: "mve";
    /// AArch64 vectors, which every AArch64 processor has.
    Neon: "neon";
    /// [`Isa::Neon`] and `sdot`.
    NeonDotprod: "neon_dotprod";
    /// [`Isa::NeonDotprod`], `smmla` and `fmlal` (FEAT_I8MM and FEAT_FHM: ARMv8.6 with half
    /// precision has both).
    NeonI8mm: "neon_i8mm";
    /// x86-64 vectors of 256 bits, with fused products (FMA) and conversions of f16 (F16C). These
    /// are the vectors of x86-64-v3. All but a few processors with AVX2 have them.
    Avx2: "avx2";
    /// [`Isa::Avx2`] and `vpdpbusd` (AVX-VNNI).
    AvxVnni: "avx_vnni";
    /// x86-64 vectors of 512 bits: AVX-512 F, BW, CD, DQ, VL, VNNI and VBMI together, and
    /// [`Isa::Avx2`]. (Ice Lake, Zen 4 and later; AVX-VNNI is not part of it.)
    Avx512: "avx512";
}

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
