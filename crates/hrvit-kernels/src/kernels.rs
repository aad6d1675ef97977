//! The kernels of one instruction set as one value: what an engine holds and calls.

use crate::isa::{Isa, IsaError, IsaToken};
use crate::packing::Packing;

/// A group of operators that is accelerated as one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Family {
    /// Products on 8 bits, weights in [`Packing::Rows`].
    GemmRows,
    /// Products on 8 bits, weights in [`Packing::K4`].
    GemmK4,
    /// Products on 8 bits, weights in [`Packing::K8`].
    GemmK8,
    /// Products on 16 bits.
    GemmS16,
    /// Depthwise convolution.
    Depthwise,
    /// Patches of a dense convolution, pixels as codes.
    Im2row,
    /// Attention over one strip.
    Attention,
    /// LayerNorm to 8 and 16 bits.
    LayerNorm,
    /// Diversity-enhancing shortcut.
    Des,
    /// Hardswish on 8 and 16 bits.
    Hardswish,
    /// Activation by table.
    Table,
    /// Rescaling and narrowing.
    Rescale,
    /// Sums and ReLU.
    Sum,
    /// Means over tokens.
    Mean,
    /// Bilinear resizing.
    Bilinear,
    /// Label map, alone or with margins.
    Argmax,
    /// Exact sums that resize planes of bytes.
    Resample,
    /// Depthwise convolution of 16-bit codes.
    #[cfg(feature = "int16x8")]
    DepthwiseS16,
    /// Patches of 16-bit codes, pixels as such.
    #[cfg(feature = "int16x8")]
    Im2rowS16,
    /// Attention over one strip of 16-bit codes.
    #[cfg(feature = "int16x8")]
    AttentionS16,
    /// Elementwise operators on 16-bit codes.
    #[cfg(feature = "int16x8")]
    ActivationS16,
    /// Products of f16.
    #[cfg(feature = "fp16")]
    GemmF16,
    /// Depthwise convolution of f16.
    #[cfg(feature = "fp16")]
    DepthwiseF16,
    /// Patches of f16, pixels as f16.
    #[cfg(feature = "fp16")]
    Im2rowF16,
    /// Attention over one strip of f16.
    #[cfg(feature = "fp16")]
    AttentionF16,
    /// LayerNorm of f16.
    #[cfg(feature = "fp16")]
    LayerNormF16,
    /// Diversity-enhancing shortcut of f16.
    #[cfg(feature = "fp16")]
    DesF16,
    /// Hardswish of f16, activations of f32 sums.
    #[cfg(feature = "fp16")]
    ActivationF16,
    /// Sums and ReLU of f16 and f32.
    #[cfg(feature = "fp16")]
    SumF16,
    /// Means over tokens of f16.
    #[cfg(feature = "fp16")]
    MeanF16,
    /// Conversions between s16 and f16.
    #[cfg(feature = "fp16")]
    ConvertF16,
    /// Bilinear resizing of f16.
    #[cfg(feature = "fp16")]
    BilinearF16,
    /// Label map of f16 logits, alone or with margins.
    #[cfg(feature = "fp16")]
    ArgmaxF16,
}

impl Family {
    /// All of them.
    pub const ALL: [Self; 17 + if cfg!(feature = "int16x8") { 4 } else { 0 } + if cfg!(feature = "fp16") { 12 } else { 0 }] = [
        Self::GemmRows,
        Self::GemmK4,
        Self::GemmK8,
        Self::GemmS16,
        Self::Depthwise,
        Self::Im2row,
        Self::Attention,
        Self::LayerNorm,
        Self::Des,
        Self::Hardswish,
        Self::Table,
        Self::Rescale,
        Self::Sum,
        Self::Mean,
        Self::Bilinear,
        Self::Argmax,
        Self::Resample,
        #[cfg(feature = "int16x8")]
        Self::DepthwiseS16,
        #[cfg(feature = "int16x8")]
        Self::Im2rowS16,
        #[cfg(feature = "int16x8")]
        Self::AttentionS16,
        #[cfg(feature = "int16x8")]
        Self::ActivationS16,
        #[cfg(feature = "fp16")]
        Self::GemmF16,
        #[cfg(feature = "fp16")]
        Self::DepthwiseF16,
        #[cfg(feature = "fp16")]
        Self::Im2rowF16,
        #[cfg(feature = "fp16")]
        Self::AttentionF16,
        #[cfg(feature = "fp16")]
        Self::LayerNormF16,
        #[cfg(feature = "fp16")]
        Self::DesF16,
        #[cfg(feature = "fp16")]
        Self::ActivationF16,
        #[cfg(feature = "fp16")]
        Self::SumF16,
        #[cfg(feature = "fp16")]
        Self::MeanF16,
        #[cfg(feature = "fp16")]
        Self::ConvertF16,
        #[cfg(feature = "fp16")]
        Self::BilinearF16,
        #[cfg(feature = "fp16")]
        Self::ArgmaxF16,
    ];

    /// The name in reports.
    pub const fn name(self) -> &'static str {
        match self {
            Self::GemmRows => "gemm_s8 rows",
            Self::GemmK4 => "gemm_s8 k4",
            Self::GemmK8 => "gemm_s8 k8",
            Self::GemmS16 => "gemm_s16",
            Self::Depthwise => "dwconv_s8",
            Self::Im2row => "im2row",
            Self::Attention => "attention_s8",
            Self::LayerNorm => "layernorm_s16",
            Self::Des => "des_s16",
            Self::Hardswish => "hardswish",
            Self::Table => "table_s8",
            Self::Rescale => "rescale",
            Self::Sum => "sum",
            Self::Mean => "mean_s8",
            Self::Bilinear => "bilinear",
            Self::Argmax => "argmax_s16",
            Self::Resample => "resample_u8",
            #[cfg(feature = "int16x8")]
            Self::DepthwiseS16 => "dwconv_s16",
            #[cfg(feature = "int16x8")]
            Self::Im2rowS16 => "im2row_s16",
            #[cfg(feature = "int16x8")]
            Self::AttentionS16 => "attention_s16",
            #[cfg(feature = "int16x8")]
            Self::ActivationS16 => "activation_s16",
            #[cfg(feature = "fp16")]
            Self::GemmF16 => "gemm_f16",
            #[cfg(feature = "fp16")]
            Self::DepthwiseF16 => "dwconv_f16",
            #[cfg(feature = "fp16")]
            Self::Im2rowF16 => "im2row_f16",
            #[cfg(feature = "fp16")]
            Self::AttentionF16 => "attention_f16",
            #[cfg(feature = "fp16")]
            Self::LayerNormF16 => "layernorm_f16",
            #[cfg(feature = "fp16")]
            Self::DesF16 => "des_f16",
            #[cfg(feature = "fp16")]
            Self::ActivationF16 => "activation_f16",
            #[cfg(feature = "fp16")]
            Self::SumF16 => "sum_f16",
            #[cfg(feature = "fp16")]
            Self::MeanF16 => "mean_f16",
            #[cfg(feature = "fp16")]
            Self::ConvertF16 => "convert_f16",
            #[cfg(feature = "fp16")]
            Self::BilinearF16 => "bilinear_f16",
            #[cfg(feature = "fp16")]
            Self::ArgmaxF16 => "argmax_f16",
        }
    }
}

/// Every operator, on one instruction set, with the same bytes on all of them (those on f16: within
/// a stated bound); the value is the proof that the processor has the instructions.
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
    /// A510), which give the same bytes in fewer cycles and more instructions: where all cores are
    /// known to, or where nothing is known and feature `in-order` is on. Elsewhere `false`.
    pub fn runs_in_order(self) -> bool {
        self.tier.in_order()
    }

    /// Name of the backend used for `family`: that of [`Kernels::isa`] or of an instruction set
    /// that it includes; `scalar` if none exists.
    pub const fn chosen(self, family: Family) -> &'static str {
        let tier = self.tier;
        match family {
            Family::GemmRows => crate::gemm_s8::chosen_rows(tier),
            Family::GemmK4 => crate::gemm_s8::chosen_k4(tier),
            Family::GemmK8 => crate::gemm_s8::chosen_k8(tier),
            Family::GemmS16 => crate::gemm_s16::chosen(tier),
            Family::Depthwise => crate::dwconv_s8::chosen(tier),
            Family::Im2row => crate::im2row::chosen(tier),
            Family::Attention => crate::attention_s8::chosen(tier),
            Family::LayerNorm => crate::layernorm_s16::chosen(tier),
            Family::Des => crate::des_s16::chosen(tier),
            Family::Hardswish => crate::activation::hardswish::chosen(tier),
            Family::Table => crate::activation::table::chosen(tier),
            Family::Rescale => crate::activation::rescale::chosen(tier),
            Family::Sum => crate::activation::sum::chosen(tier),
            Family::Mean => crate::activation::mean::chosen(tier),
            Family::Bilinear => crate::resize::bilinear::chosen(tier),
            Family::Argmax => crate::resize::argmax::chosen(tier),
            Family::Resample => crate::resample::chosen(tier),
            #[cfg(feature = "int16x8")]
            Family::DepthwiseS16 => crate::dwconv_s16::chosen(tier),
            #[cfg(feature = "int16x8")]
            Family::Im2rowS16 => crate::im2row::chosen_s16(tier),
            #[cfg(feature = "int16x8")]
            Family::AttentionS16 => crate::attention_s16::chosen(tier),
            #[cfg(feature = "int16x8")]
            Family::ActivationS16 => crate::activation_s16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::GemmF16 => crate::gemm_f16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::DepthwiseF16 => crate::dwconv_f16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::Im2rowF16 => crate::im2row::chosen_f16(tier),
            #[cfg(feature = "fp16")]
            Family::AttentionF16 => crate::attention_f16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::LayerNormF16 => crate::layernorm_f16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::DesF16 => crate::des_f16::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::ActivationF16 => crate::activation_f16::activate::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::SumF16 => crate::activation_f16::sum::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::MeanF16 => crate::activation_f16::mean::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::ConvertF16 => crate::activation_f16::convert::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::BilinearF16 => crate::resize_f16::bilinear::chosen(tier),
            #[cfg(feature = "fp16")]
            Family::ArgmaxF16 => crate::resize_f16::argmax::chosen(tier),
        }
    }

    /// The name of the file that serves products whose weights lie in `packing`. If it is `scalar`,
    /// another is faster: see [`Kernels::packing`].
    pub const fn chosen_gemm(self, packing: Packing) -> &'static str {
        self.chosen(match packing {
            Packing::Rows => Family::GemmRows,
            Packing::K4 => Family::GemmK4,
            Packing::K8 => Family::GemmK8,
        })
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
/// `DspFloat` for `Dsp` where there is a floating-point unit; a file is only named in builds that
/// may have its instructions. With `fn run_on as run(..)` only the local function is called
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
