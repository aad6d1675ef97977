//! Instruction sets: names, tokens that prove one, and what this processor has.
//!
//! A token (`Avx2`, `Neon`, ...) can only be obtained where its instructions exist: at run time
//! (x86-64, AArch64) or because the build says so (Cortex-M, whose code only ever runs on the
//! processor that it was compiled for, see `build.rs`). A kernel that takes a token by value may
//! use its instructions.
//!
//! A build for Cortex-M holds the kernels of its processor's fastest instruction set alone, so that
//! no flash goes to those that never run; with feature `every-isa` it has the slower ones and the
//! definition beside them, for comparisons. Other builds always have all of their architecture and
//! choose at run time.

use core::fmt;

#[cfg(target_arch = "aarch64")]
use crate::pipeline::Pipeline;

/// An instruction set that kernels exist for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Isa {
    /// Plain Rust: the definition.
    Scalar,
    /// Cortex-M DSP extension: 2 products of 16 bits (Cortex-M4, M7, M33).
    Dsp,
    /// Cortex-M vectors (MVE, Helium): Cortex-M52, M55, M85.
    Mve,
    /// AArch64 vectors, which every AArch64 processor has.
    Neon,
    /// [`Isa::Neon`] and `sdot`.
    NeonDotprod,
    /// [`Isa::NeonDotprod`], `smmla` and `fmlal` (FEAT_I8MM and FEAT_FHM: ARMv8.6 with half
    /// precision has both).
    NeonI8mm,
    /// x86-64 vectors of 256 bits, with fused products (FMA) and conversions of f16 (F16C): the
    /// vectors of x86-64-v3, which all but a few processors with AVX2 have.
    Avx2,
    /// [`Isa::Avx2`] and `vpdpbusd` (AVX-VNNI).
    AvxVnni,
    /// x86-64 vectors of 512 bits: AVX-512 F, BW, CD, DQ, VL, VNNI and VBMI together, and
    /// [`Isa::Avx2`]. (Ice Lake, Zen 4 and later; AVX-VNNI is not part of it.)
    Avx512,
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
    /// All of them, on an architecture from the slowest to the fastest.
    pub const ALL: [Self; 9] = [Self::Scalar, Self::Dsp, Self::Mve, Self::Neon, Self::NeonDotprod, Self::NeonI8mm, Self::Avx2, Self::AvxVnni, Self::Avx512];

    /// The name that `str::parse` reads: `scalar`, `dsp`, `mve`, `neon`, `neon_dotprod`,
    /// `neon_i8mm`, `avx2`, `avx_vnni` or `avx512`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Scalar => "scalar",
            Self::Dsp => "dsp",
            Self::Mve => "mve",
            Self::Neon => "neon",
            Self::NeonDotprod => "neon_dotprod",
            Self::NeonI8mm => "neon_i8mm",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx_vnni",
            Self::Avx512 => "avx512",
        }
    }

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

/// Declares a token, not constructible outside this module: zero bytes, or what else there is to
/// know of the processor.
macro_rules! token {
    ($(#[$doc:meta])* $name:ident) => { token! { $(#[$doc])* $name(()) } };
    ($(#[$doc:meta])* $name:ident($known:ty)) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $name($known);
    };
}

token! {
    /// Proof of [`Isa::Dsp`].
    #[cfg(hrvit_dsp)]
    Dsp
}
token! {
    /// Proof of [`Isa::Mve`].
    #[cfg(hrvit_mve)]
    Mve
}
token! {
    /// Proof of [`Isa::Neon`].
    #[cfg(target_arch = "aarch64")]
    Neon(Pipeline)
}
token! {
    /// Proof of [`Isa::NeonDotprod`].
    #[cfg(target_arch = "aarch64")]
    NeonDotprod(Pipeline)
}
token! {
    /// Proof of [`Isa::NeonI8mm`].
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(Pipeline)
}
token! {
    /// Proof of [`Isa::Avx2`].
    #[cfg(target_arch = "x86_64")]
    Avx2
}
token! {
    /// Proof of [`Isa::AvxVnni`].
    #[cfg(target_arch = "x86_64")]
    AvxVnni
}
token! {
    /// Proof of [`Isa::Avx512`].
    #[cfg(target_arch = "x86_64")]
    Avx512
}

/// Declares that whoever has one token may have another.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! implies {
    ($from:ident, $to:ident) => {
        impl From<$from> for $to {
            fn from(token: $from) -> Self {
                Self(token.0)
            }
        }
    };
}

#[cfg(target_arch = "aarch64")]
implies!(NeonDotprod, Neon);
#[cfg(target_arch = "aarch64")]
implies!(NeonI8mm, NeonDotprod);
#[cfg(target_arch = "aarch64")]
implies!(NeonI8mm, Neon);
#[cfg(target_arch = "x86_64")]
implies!(AvxVnni, Avx2);
#[cfg(target_arch = "x86_64")]
implies!(Avx512, Avx2);

/// Declares how the cores execute that a token was made on.
#[cfg(target_arch = "aarch64")]
macro_rules! executes {
    ($($name:ident)+) => {
        $(impl $name {
            /// Whether the cores execute in order.
            pub(crate) fn in_order(self) -> bool {
                self.0 == Pipeline::InOrder
            }
        })+
    };
}

#[cfg(target_arch = "aarch64")]
executes! { Neon NeonDotprod NeonI8mm }

/// An instruction set with its proof.
#[derive(Clone, Copy, Debug)]
pub(crate) enum IsaToken {
    #[cfg(hrvit_scalar)]
    Scalar,
    #[cfg(hrvit_dsp)]
    Dsp(Dsp),
    #[cfg(hrvit_mve)]
    Mve(Mve),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "aarch64")]
    NeonDotprod(NeonDotprod),
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(NeonI8mm),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Avx512(Avx512),
    /// An order of sums in plain code, beside the kernels of this processor.
    #[cfg(feature = "orders")]
    Emulated(crate::orders::Emulated),
}

impl IsaToken {
    /// The proof of `isa`, where there is one.
    pub(crate) fn of(isa: Isa) -> Result<Self, IsaError> {
        #[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
        let present = |present: bool, tier: fn() -> Self| if present { Ok(tier()) } else { Err(IsaError::NotPresent(isa)) };
        match isa {
            #[cfg(hrvit_scalar)]
            Isa::Scalar => Ok(Self::Scalar),
            #[cfg(hrvit_dsp)]
            Isa::Dsp => Ok(Self::Dsp(Dsp(()))),
            #[cfg(hrvit_mve)]
            Isa::Mve => Ok(Self::Mve(Mve(()))),
            #[cfg(target_arch = "aarch64")]
            Isa::Neon => Ok(Self::Neon(Neon(Pipeline::detect()))),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonDotprod => present(processor::dotprod(), || Self::NeonDotprod(NeonDotprod(Pipeline::detect()))),
            #[cfg(target_arch = "aarch64")]
            Isa::NeonI8mm => present(processor::dotprod() && processor::i8mm() && processor::fhm(), || Self::NeonI8mm(NeonI8mm(Pipeline::detect()))),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx2 => present(processor::avx2(), || Self::Avx2(Avx2(()))),
            #[cfg(target_arch = "x86_64")]
            Isa::AvxVnni => present(processor::avx2() && processor::avx_vnni(), || Self::AvxVnni(AvxVnni(()))),
            #[cfg(target_arch = "x86_64")]
            Isa::Avx512 => present(processor::avx2() && processor::avx512(), || Self::Avx512(Avx512(()))),
            _ => Err(IsaError::NotBuilt(isa)),
        }
    }

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

    /// See [`Kernels::runs_in_order`](crate::Kernels::runs_in_order).
    pub(crate) fn in_order(self) -> bool {
        match self {
            #[cfg(target_arch = "aarch64")]
            Self::Neon(token) => token.in_order(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod(token) => token.in_order(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm(token) => token.in_order(),
            #[cfg(feature = "orders")]
            Self::Emulated(emulated) => emulated.beside().in_order(),
            #[allow(unreachable_patterns, reason = "a build for one instruction set has no other")]
            _ => false,
        }
    }

    /// Its name.
    pub(crate) const fn isa(self) -> Isa {
        match self {
            #[cfg(hrvit_scalar)]
            Self::Scalar => Isa::Scalar,
            #[cfg(hrvit_dsp)]
            Self::Dsp(_) => Isa::Dsp,
            #[cfg(hrvit_mve)]
            Self::Mve(_) => Isa::Mve,
            #[cfg(target_arch = "aarch64")]
            Self::Neon(_) => Isa::Neon,
            #[cfg(target_arch = "aarch64")]
            Self::NeonDotprod(_) => Isa::NeonDotprod,
            #[cfg(target_arch = "aarch64")]
            Self::NeonI8mm(_) => Isa::NeonI8mm,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2(_) => Isa::Avx2,
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni(_) => Isa::AvxVnni,
            #[cfg(target_arch = "x86_64")]
            Self::Avx512(_) => Isa::Avx512,
            #[cfg(feature = "orders")]
            Self::Emulated(emulated) => emulated.beside().isa(),
        }
    }
}

/// Abilities of an x86-64 processor. `cpuid` is a user instruction: no operating system is asked.
/// Miri has none: there, the build alone decides.
#[cfg(target_arch = "x86_64")]
mod processor {
    /// AVX2, FMA and F16C, and an operating system that saves their registers.
    pub(super) fn avx2() -> bool {
        cfg!(all(target_feature = "avx2", target_feature = "fma", target_feature = "f16c")) || {
            #[cfg(feature = "std")]
            {
                std::arch::is_x86_feature_detected!("avx2") && std::arch::is_x86_feature_detected!("fma") && std::arch::is_x86_feature_detected!("f16c")
            }
            #[cfg(not(feature = "std"))]
            {
                const YMM: u64 = 0b110;
                const AVX2: u32 = 1 << 5;
                const F16C_FMA: u32 = 1 << 29 | 1 << 12;
                let leaf = |leaf| core::arch::x86_64::__cpuid_count(leaf, 0);
                saves(YMM) && leaf(7).ebx & AVX2 != 0 && leaf(1).ecx & F16C_FMA == F16C_FMA
            }
        }
    }

    /// `vpdpbusd` on the vectors of AVX2.
    pub(super) fn avx_vnni() -> bool {
        cfg!(target_feature = "avxvnni") || {
            #[cfg(feature = "std")]
            {
                std::arch::is_x86_feature_detected!("avxvnni")
            }
            #[cfg(not(feature = "std"))]
            {
                const AVX_VNNI: u32 = 1 << 4;
                let leaf = |leaf, sub| core::arch::x86_64::__cpuid_count(leaf, sub);
                !cfg!(miri) && leaf(0, 0).eax >= 7 && leaf(7, 0).eax >= 1 && leaf(7, 1).eax & AVX_VNNI != 0
            }
        }
    }

    /// AVX-512 F, BW, CD, DQ, VL, VNNI and VBMI, and an operating system that saves its registers,
    /// masks included.
    pub(super) fn avx512() -> bool {
        cfg!(all(
            target_feature = "avx512f",
            target_feature = "avx512bw",
            target_feature = "avx512cd",
            target_feature = "avx512dq",
            target_feature = "avx512vl",
            target_feature = "avx512vnni",
            target_feature = "avx512vbmi"
        )) || {
            #[cfg(feature = "std")]
            {
                std::arch::is_x86_feature_detected!("avx512f")
                    && std::arch::is_x86_feature_detected!("avx512bw")
                    && std::arch::is_x86_feature_detected!("avx512cd")
                    && std::arch::is_x86_feature_detected!("avx512dq")
                    && std::arch::is_x86_feature_detected!("avx512vl")
                    && std::arch::is_x86_feature_detected!("avx512vnni")
                    && std::arch::is_x86_feature_detected!("avx512vbmi")
            }
            #[cfg(not(feature = "std"))]
            {
                const MASKS_ZMM: u64 = 0b1110_0110;
                const F_DQ_CD_BW_VL: u32 = 1 << 16 | 1 << 17 | 1 << 28 | 1 << 30 | 1 << 31;
                const VBMI_VNNI: u32 = 1 << 1 | 1 << 11;
                saves(MASKS_ZMM) && {
                    let leaf = core::arch::x86_64::__cpuid_count(7, 0);
                    leaf.ebx & F_DQ_CD_BW_VL == F_DQ_CD_BW_VL && leaf.ecx & VBMI_VNNI == VBMI_VNNI
                }
            }
        }
    }

    /// Whether the operating system saves all of `registers` (bits of XCR0), and `cpuid` has
    /// leaf 7.
    #[cfg(not(feature = "std"))]
    fn saves(registers: u64) -> bool {
        use core::arch::x86_64::{__cpuid, _xgetbv};

        const OSXSAVE_AVX: u32 = 1 << 27 | 1 << 28;
        if cfg!(miri) || __cpuid(0).eax < 7 || __cpuid(1).ecx & OSXSAVE_AVX != OSXSAVE_AVX {
            return false;
        }
        // SAFETY: the processor has `xgetbv`, and the operating system has enabled it: OSXSAVE is
        // set.
        let saved = unsafe { _xgetbv(0) };
        saved & registers == registers
    }
}

/// Capabilities of an AArch64 processor. The operating system tells them with feature `std`, and
/// without it on Linux and Android. Without an operating system the ID registers do, elsewhere the
/// build.
#[cfg(target_arch = "aarch64")]
mod processor {
    /// `sdot`.
    pub(super) fn dotprod() -> bool {
        #[cfg(feature = "std")]
        let detected = std::arch::is_aarch64_feature_detected!("dotprod");
        #[cfg(all(not(feature = "std"), target_os = "none"))]
        let detected = (id_aa64isar0() >> 44) & 0xf != 0;
        #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
        let detected = crate::auxv::has(crate::auxv::DOTPROD);
        #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
        let detected = false;
        cfg!(target_feature = "dotprod") || detected
    }

    /// `smmla`.
    pub(super) fn i8mm() -> bool {
        #[cfg(feature = "std")]
        let detected = std::arch::is_aarch64_feature_detected!("i8mm");
        #[cfg(all(not(feature = "std"), target_os = "none"))]
        let detected = (id_aa64isar1() >> 52) & 0xf != 0;
        #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
        let detected = crate::auxv::has(crate::auxv::I8MM);
        #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
        let detected = false;
        cfg!(target_feature = "i8mm") || detected
    }

    /// `fmlal`.
    pub(super) fn fhm() -> bool {
        #[cfg(feature = "std")]
        let detected = std::arch::is_aarch64_feature_detected!("fhm");
        #[cfg(all(not(feature = "std"), target_os = "none"))]
        let detected = (id_aa64isar0() >> 48) & 0xf != 0;
        #[cfg(all(not(feature = "std"), any(target_os = "linux", target_os = "android")))]
        let detected = crate::auxv::has(crate::auxv::FHM);
        #[cfg(all(not(feature = "std"), not(any(target_os = "none", target_os = "linux", target_os = "android"))))]
        let detected = false;
        cfg!(target_feature = "fhm") || detected
    }

    #[cfg(all(not(feature = "std"), target_os = "none"))]
    fn id_aa64isar0() -> u64 {
        let value;
        // SAFETY: reads a register that exists in every AArch64 processor; without an operating
        // system the code runs at EL1 or above, where it is readable.
        unsafe { core::arch::asm!("mrs {}, id_aa64isar0_el1", out(reg) value, options(pure, nomem, nostack, preserves_flags)) };
        value
    }

    #[cfg(all(not(feature = "std"), target_os = "none"))]
    fn id_aa64isar1() -> u64 {
        let value;
        // SAFETY: as for `id_aa64isar0`.
        unsafe { core::arch::asm!("mrs {}, id_aa64isar1_el1", out(reg) value, options(pure, nomem, nostack, preserves_flags)) };
        value
    }
}
