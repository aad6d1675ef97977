//! The kernels of one instruction set as one value: what an engine holds and calls.

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
        match self.isa() {
            Isa::Scalar | Isa::Dsp | Isa::Mve | Isa::Neon => Packing::Rows,
            Isa::NeonDotprod | Isa::Avx2 | Isa::AvxVnni | Isa::Avx512 => Packing::K4,
            Isa::NeonI8mm => Packing::K8,
        }
    }
}

/// Declares one family's files: which one serves which instruction set, and the functions that they
/// share with `scalar`.
///
/// ```text
/// backends! {
///     { Avx2 => avx2, Neon => neon, NeonDotprod.. => neon_dotprod }
///     chosen;
///     fn run(args: &Gemm<'_>, epilogue: Epilogue<'_>);
/// }
/// ```
/// makes `chosen(tier) -> &'static str`, and `run(tier, args, epilogue)`, which calls
/// `avx2::run(token, args, epilogue)`, `neon::run(token, ..)` (with the token that its signature
/// asks for, where the one at hand implies it) or, for whatever is not listed,
/// `scalar::run(args, epilogue)`; an emulated order that is not listed runs what the processor has,
/// whose bytes are the same. `NeonDotprod..` stands for it and for those that include it,
/// `DspFloat` for `Dsp` where there is a floating-point unit, `DspInt16x8` for `Dsp` with that
/// feature; a file is only named in builds that may have its instructions. With `fn run_on as run(..)` only the local function is called
/// `run_on`.
macro_rules! backends {
    ({$($list:tt)*} $($family:tt)*) => { $crate::kernels::backends!(@build [] {$($list)*} $($family)*); };

    // Gives every entry the condition under which builds have it.
    (@build $done:tt {Avx2 => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(target_arch = "x86_64")] Avx2] {$($rest)*} $($family)*);
    };
    (@build $done:tt {Avx2.. => $module:ident $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@build $done {Avx2 => $module, AvxVnni => $module, Avx512 => $module $($rest)*} $($family)*);
    };
    (@build $done:tt {AvxVnni => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(target_arch = "x86_64")] AvxVnni] {$($rest)*} $($family)*);
    };
    (@build $done:tt {Avx512 => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(target_arch = "x86_64")] Avx512] {$($rest)*} $($family)*);
    };
    (@build $done:tt {Dsp => $($rest:tt)*} $($family:tt)*) => { $crate::kernels::backends!(@entry $done [#[cfg(hrvit_dsp)] Dsp] {$($rest)*} $($family)*); };
    (@build $done:tt {DspFloat => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(all(hrvit_dsp, hrvit_float_unit))] Dsp] {$($rest)*} $($family)*);
    };
    (@build $done:tt {DspInt16x8 => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(all(hrvit_dsp, feature = "int16x8"))] Dsp] {$($rest)*} $($family)*);
    };
    (@build $done:tt {Mve => $($rest:tt)*} $($family:tt)*) => { $crate::kernels::backends!(@entry $done [#[cfg(hrvit_mve)] Mve] {$($rest)*} $($family)*); };
    (@build $done:tt {Neon.. => $module:ident $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@build $done {Neon => $module, NeonDotprod.. => $module $($rest)*} $($family)*);
    };
    (@build $done:tt {NeonDotprod.. => $module:ident $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@build $done {NeonDotprod => $module, NeonI8mm => $module $($rest)*} $($family)*);
    };
    (@build $done:tt {Emulated => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(feature = "orders")] Emulated] {$($rest)*} $($family)*);
    };
    (@build $done:tt {$neon:ident => $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@entry $done [#[cfg(target_arch = "aarch64")] $neon] {$($rest)*} $($family)*);
    };
    (@build $done:tt {} $chosen:ident; $(fn $name:ident $(as $there:ident)? ($($arg:ident: $type:ty),* $(,)?);)+) => {
        $crate::kernels::backends!(@chosen $done $chosen);
        $($crate::kernels::backends!(@function $done $name [$($there)?] ($($arg: $type),*) ($($arg),*));)+
    };
    (@entry [$($done:tt)*] [$($isa:tt)*] {$module:ident $(, $($rest:tt)*)?} $($family:tt)*) => {
        $crate::kernels::backends!(@build [$($done)* $($isa)* => $module,] {$($($rest)*)?} $($family)*);
    };

    (@chosen [$($(#[$cfg:meta])* $isa:ident => $module:ident,)*] $chosen:ident) => {
        /// The file that serves `tier`.
        #[allow(unreachable_patterns, reason = "a build for one instruction set has no other")]
        pub(crate) const fn $chosen(tier: $crate::isa::IsaToken) -> &'static str {
            match tier {
                $($(#[$cfg])* $crate::isa::IsaToken::$isa(_) => stringify!($module),)*
                #[cfg(feature = "orders")]
                $crate::isa::IsaToken::Emulated(token) => $chosen(token.beside()),
                _ => "scalar",
            }
        }
    };
    (@function $list:tt $name:ident [] $params:tt $args:tt) => {
        $crate::kernels::backends!(@function $list $name [$name] $params $args);
    };
    (@function [$($(#[$cfg:meta])* $isa:ident => $module:ident,)*] $name:ident [$there:ident] ($($arg:ident: $type:ty),*) $args:tt) => {
        #[allow(unreachable_patterns, reason = "a build for one instruction set has no other")]
        fn $name(tier: $crate::isa::IsaToken, $($arg: $type),*) {
            match tier {
                $($(#[$cfg])* $crate::isa::IsaToken::$isa(token) => $crate::kernels::backends!(@call $module $there token $args),)*
                #[cfg(feature = "orders")]
                $crate::isa::IsaToken::Emulated(token) => $crate::kernels::backends!(@again $name [token.beside()] $args),
                _ => $crate::kernels::backends!(@call scalar $there $args),
            }
        }
    };
    (@again $name:ident [$tier:expr] ($($arg:ident),*)) => { $name($tier, $($arg),*) };
    (@call scalar $name:ident ($($arg:ident),*)) => { scalar::$name($($arg),*) };
    (@call $module:ident $name:ident $token:ident ($($arg:ident),*)) => { $module::$name($token.into(), $($arg),*) };
}

pub(crate) use backends;
