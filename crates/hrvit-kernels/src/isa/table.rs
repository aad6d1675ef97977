//! The table of instruction sets, and what the lists of a family's files know of it.

/// The instruction sets, on an architecture from the slowest to the fastest, as operands of the
/// macro `$make`. A row has the name, the packing of weights that its fastest product reads, and
/// the condition under which builds have it. The token's further knowledge and its source follow,
/// then the check of the processor and the sets that it includes.
macro_rules! instruction_sets {
    ($make:ident) => {
        $make! {
            /// Plain Rust: the definition.
            Scalar: "scalar", Rows;
            /// Cortex-M DSP extension: 2 products of 16 bits (Cortex-M4, M7, M33).
            Dsp: "dsp", Rows, hrvit_dsp: () = (), if true, includes [];
            /// Cortex-M vectors (MVE, Helium): Cortex-M52, M55, M85.
            Mve: "mve", Rows, hrvit_mve: () = (), if true, includes [];
            /// AArch64 vectors, which every AArch64 processor has.
            Neon: "neon", Rows, target_arch = "aarch64": Pipeline = Pipeline::detect(), if true, includes [];
            /// [`Isa::Neon`] and `sdot`.
            NeonDotprod: "neon_dotprod", K4, target_arch = "aarch64": Pipeline = Pipeline::detect(), if aarch64::dotprod(), includes [Neon];
            /// [`Isa::NeonDotprod`], `smmla` and `fmlal` (FEAT_I8MM and FEAT_FHM: ARMv8.6 with half
            /// precision has both).
            NeonI8mm: "neon_i8mm", K8, target_arch = "aarch64": Pipeline = Pipeline::detect(),
                if aarch64::dotprod() && aarch64::i8mm() && aarch64::fhm(), includes [Neon NeonDotprod];
            /// x86-64 vectors of 256 bits, with fused products (FMA) and conversions of f16 (F16C).
            /// These are the vectors of x86-64-v3. All but a few processors with AVX2 have them.
            Avx2: "avx2", K4, target_arch = "x86_64": () = (), if x86_64::avx2(), includes [];
            /// [`Isa::Avx2`] and `vpdpbusd` (AVX-VNNI).
            AvxVnni: "avx_vnni", K4, target_arch = "x86_64": () = (), if x86_64::avx2() && x86_64::avx_vnni(), includes [Avx2];
            /// x86-64 vectors of 512 bits: AVX-512 F, BW, CD, DQ, VL, VNNI and VBMI together, and
            /// [`Isa::Avx2`]. (Ice Lake, Zen 4 and later; AVX-VNNI is not part of it.)
            Avx512: "avx512", K4, target_arch = "x86_64": () = (), if x86_64::avx2() && x86_64::avx512(), includes [Avx2];
        }
    };
}
pub(super) use instruction_sets;

/// Declares one family's files: which one serves which instruction set, and the functions that they
/// share with `scalar`.
///
/// ```text
/// backends! {
///     { X86 => [avx2, avx_vnni, zmm], Neon => neon, NeonDotprod.. => neon_dotprod }
///     chosen;
///     fn run(args: &Gemm<'_>, epilogue: Epilogue<'_>);
/// }
/// ```
/// makes `chosen(tier) -> &'static str`, and `run(tier, args, epilogue)`, which calls
/// `avx2::run(token, args, epilogue)`, `neon::run(token, ..)` (with the token that its signature
/// asks for, where the one at hand implies it) or, for whatever is not listed,
/// `scalar::run(args, epilogue)`; an emulated order that is not listed runs what the processor has,
/// whose bytes are the same. `NeonDotprod..` stands for it and for those that include it, `X86` for
/// the sets of x86-64 from the slowest to the fastest, `DspFloat` for `Dsp` where there is a
/// floating-point unit, `DspInt16x8` for `Dsp` with feature `int16x8`; a file is only named in
/// builds that may have its instructions. With `fn run_on as run(..)` only the local function is
/// called `run_on`.
///
/// `Avx2.. => x86` compiles generic functions over [`Lanes`](crate::x86::Lanes) for each set of
/// registers, with its features. `Avx2.. => compiled` compiles the definition for AVX2.
macro_rules! backends {
    ({$($list:tt)*} $($family:tt)*) => { $crate::kernels::backends!(@build [] {$($list)*} $($family)*); };

    // Gives every entry the condition under which builds have it.
    (@build [$($done:tt)*] {Avx2.. => compiled $(, $($rest:tt)*)?} $($family:tt)*) => {
        $crate::kernels::backends!(@build [
            $($done)*
            #[cfg(target_arch = "x86_64")] Avx2 => compiled [Avx2 "avx2"],
            #[cfg(target_arch = "x86_64")] AvxVnni => compiled [again Avx2],
            #[cfg(target_arch = "x86_64")] Avx512 => compiled [again Avx2],
        ] {$($($rest)*)?} $($family)*);
    };
    (@build [$($done:tt)*] {X86 => [$avx2:ident, $avx_vnni:ident, $zmm:ident] $(, $($rest:tt)*)?} $($family:tt)*) => {
        $crate::kernels::backends!(@build [
            $($done)*
            #[cfg(target_arch = "x86_64")] Avx2 => $avx2 [],
            #[cfg(target_arch = "x86_64")] AvxVnni => $avx_vnni [],
            #[cfg(target_arch = "x86_64")] Avx512 => $zmm [],
        ] {$($($rest)*)?} $($family)*);
    };
    (@build [$($done:tt)*] {Avx2.. => x86 $(, $($rest:tt)*)?} $($family:tt)*) => {
        $crate::kernels::backends!(@build [
            $($done)*
            #[cfg(target_arch = "x86_64")] Avx2 => x86 [Avx2 "avx2"],
            #[cfg(target_arch = "x86_64")] AvxVnni => x86 [again Avx2],
            #[cfg(target_arch = "x86_64")] Avx512 => x86 [Avx512 "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi"],
        ] {$($($rest)*)?} $($family)*);
    };
    (@build $done:tt {Avx2.. => $module:ident $($rest:tt)*} $($family:tt)*) => {
        $crate::kernels::backends!(@build $done {X86 => [$module, $module, $module] $($rest)*} $($family)*);
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
        $($crate::kernels::backends!(@function $done $name [$($there)?] ($($arg: $type),*) ($($arg: $type),*) ($($arg),*));)+
    };
    (@entry [$($done:tt)*] [$($isa:tt)*] {$module:ident $(, $($rest:tt)*)?} $($family:tt)*) => {
        $crate::kernels::backends!(@build [$($done)* $($isa)* => $module [],] {$($($rest)*)?} $($family)*);
    };

    (@chosen [$($(#[$cfg:meta])* $isa:ident => $module:ident $how:tt,)*] $chosen:ident) => {
        /// The file that serves `tier`.
        #[allow(unreachable_patterns, reason = "a build for one instruction set has no other")]
        pub(crate) const fn $chosen(tier: $crate::isa::IsaToken) -> &'static str {
            match tier {
                $($(#[$cfg])* $crate::isa::IsaToken::$isa(_) => $crate::kernels::backends!(@called $module $how),)*
                #[cfg(feature = "orders")]
                $crate::isa::IsaToken::Emulated(token) => $chosen(token.beside()),
                _ => "scalar",
            }
        }
    };
    (@called $module:ident [again $isa:ident]) => { $crate::isa::Isa::$isa.name() };
    (@called $module:ident [$isa:ident $features:literal]) => { $crate::isa::Isa::$isa.name() };
    (@called zmm []) => { $crate::isa::Isa::Avx512.name() };
    (@called $module:ident []) => { stringify!($module) };
    (@function $list:tt $name:ident [] $($family:tt)*) => {
        $crate::kernels::backends!(@function $list $name [$name] $($family)*);
    };
    (@function [$($(#[$cfg:meta])* $isa:ident => $module:ident $how:tt,)*] $name:ident [$there:ident] ($($arg:ident: $type:ty),*) $params:tt $args:tt) => {
        #[allow(unreachable_patterns, reason = "a build for one instruction set has no other")]
        fn $name(tier: $crate::isa::IsaToken, $($arg: $type),*) {
            match tier {
                $($(#[$cfg])* $crate::isa::IsaToken::$isa(token) => $crate::kernels::backends!(@call $module $how $there $name token $params $args),)*
                #[cfg(feature = "orders")]
                $crate::isa::IsaToken::Emulated(token) => $crate::kernels::backends!(@again $name [token.beside()] $args),
                _ => $crate::kernels::backends!(@definition $there $args),
            }
        }
    };
    (@again $name:ident [$tier:expr] ($($arg:ident),*)) => { $name($tier, $($arg),*) };
    (@definition $name:ident ($($arg:ident),*)) => { scalar::$name($($arg),*) };
    (@call $module:ident [again $isa:ident] $there:ident $name:ident $token:ident $params:tt ($($arg:ident),*)) => {
        $name($crate::isa::IsaToken::$isa($token.into()), $($arg),*)
    };
    (@call x86 [$isa:ident $features:literal] $there:ident $name:ident $token:ident ($($arg:ident: $type:ty),*) $args:tt) => {{
        #[target_feature(enable = $features)]
        fn compiled(token: $crate::isa::$isa, $($arg: $type),*) {
            x86::$there(token, $($arg),*);
        }
        // SAFETY: the token proves the features.
        unsafe { compiled($token, $($arg),*) }
    }};
    (@call compiled [$isa:ident $features:literal] $there:ident $name:ident $token:ident ($($arg:ident: $type:ty),*) $args:tt) => {{
        #[target_feature(enable = $features)]
        fn compiled(_: $crate::isa::$isa, $($arg: $type),*) {
            scalar::$there($($arg),*);
        }
        // SAFETY: the token proves the features.
        unsafe { compiled($token, $($arg),*) }
    }};
    (@call $module:ident [] $there:ident $name:ident $token:ident $params:tt ($($arg:ident),*)) => { $module::$there($token.into(), $($arg),*) };
}

pub(crate) use backends;
