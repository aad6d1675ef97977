//! The families of operators, and the backend that serves each.

use crate::kernels::Kernels;
use crate::packing::Packing;

/// Declares [`Family`]: each one's name in reports, and the function of its `backends!` list that
/// tells its backend.
macro_rules! families {
    ($($(#[doc = $doc:literal])+ $(#[cfg($cfg:meta)])? $family:ident: $name:literal, $($chosen:ident)::+;)+) => {
        /// A group of operators that is accelerated as one.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Family {$(
            $(#[doc = $doc])+
            $(#[cfg($cfg)])?
            $family,
        )+}

        impl Family {
            /// All of them.
            pub const ALL: [Self; [$($(#[cfg($cfg)])? $name),+].len()] = [$($(#[cfg($cfg)])? Self::$family),+];

            /// The name in reports.
            pub const fn name(self) -> &'static str {
                match self {$(
                    $(#[cfg($cfg)])?
                    Self::$family => $name,
                )+}
            }
        }

        impl Kernels {
            /// Name of the backend used for `family`: that of [`Kernels::isa`] or of an instruction
            /// set that it includes; `scalar` if none exists.
            pub const fn chosen(self, family: Family) -> &'static str {
                match family {$(
                    $(#[cfg($cfg)])?
                    Family::$family => crate::$($chosen)::+(self.tier),
                )+}
            }
        }
    };
}

families! {
    /// Products on 8 bits, weights in [`Packing::Rows`].
    GemmRows: "gemm_s8 rows", gemm_s8::chosen_rows;
    /// Products on 8 bits, weights in [`Packing::K4`].
    GemmK4: "gemm_s8 k4", gemm_s8::chosen_k4;
    /// Products on 8 bits, weights in [`Packing::K8`].
    GemmK8: "gemm_s8 k8", gemm_s8::chosen_k8;
    /// Products on 16 bits.
    GemmS16: "gemm_s16", gemm_s16::chosen;
    /// Depthwise convolution.
    Depthwise: "dwconv_s8", dwconv_s8::chosen;
    /// Patches of a dense convolution, pixels as codes.
    Im2row: "im2row", im2row::chosen;
    /// Attention over one strip.
    Attention: "attention_s8", attention_s8::chosen;
    /// LayerNorm to 8 and 16 bits.
    LayerNorm: "layernorm_s16", layernorm_s16::chosen;
    /// Diversity-enhancing shortcut.
    Des: "des_s16", des_s16::chosen;
    /// Hardswish on 8 and 16 bits.
    Hardswish: "hardswish", activation::hardswish::chosen;
    /// Activation by table.
    Table: "table_s8", activation::table::chosen;
    /// Rescaling and narrowing.
    Rescale: "rescale", activation::rescale::chosen;
    /// Sums and ReLU.
    Sum: "sum", activation::sum::chosen;
    /// Means over tokens.
    Mean: "mean_s8", activation::mean::chosen;
    /// Bilinear resizing.
    Bilinear: "bilinear", resize::bilinear::chosen;
    /// Label map, alone or with margins.
    Argmax: "argmax_s16", resize::argmax::chosen;
    /// Exact sums that resize planes of bytes.
    Resample: "resample_u8", resample::chosen;
    /// Depthwise convolution of 16-bit codes.
    #[cfg(feature = "int16x8")]
    DepthwiseS16: "dwconv_s16", dwconv_s16::chosen;
    /// Patches of 16-bit codes, pixels as such.
    #[cfg(feature = "int16x8")]
    Im2rowS16: "im2row_s16", im2row::chosen_s16;
    /// Attention over one strip of 16-bit codes.
    #[cfg(feature = "int16x8")]
    AttentionS16: "attention_s16", attention_s16::chosen;
    /// Elementwise operators on 16-bit codes.
    #[cfg(feature = "int16x8")]
    ActivationS16: "activation_s16", activation_s16::chosen;
    /// Products of f16.
    #[cfg(feature = "fp16")]
    GemmF16: "gemm_f16", gemm_f16::chosen;
    /// Depthwise convolution of f16.
    #[cfg(feature = "fp16")]
    DepthwiseF16: "dwconv_f16", dwconv_f16::chosen;
    /// Patches of f16, pixels as f16.
    #[cfg(feature = "fp16")]
    Im2rowF16: "im2row_f16", im2row::chosen_f16;
    /// Attention over one strip of f16.
    #[cfg(feature = "fp16")]
    AttentionF16: "attention_f16", attention_f16::chosen;
    /// LayerNorm of f16.
    #[cfg(feature = "fp16")]
    LayerNormF16: "layernorm_f16", layernorm_f16::chosen;
    /// Diversity-enhancing shortcut of f16.
    #[cfg(feature = "fp16")]
    DesF16: "des_f16", des_f16::chosen;
    /// Hardswish of f16, activations of f32 sums.
    #[cfg(feature = "fp16")]
    ActivationF16: "activation_f16", activation_f16::activate::chosen;
    /// Sums and ReLU of f16 and f32.
    #[cfg(feature = "fp16")]
    SumF16: "sum_f16", activation_f16::sum::chosen;
    /// Means over tokens of f16.
    #[cfg(feature = "fp16")]
    MeanF16: "mean_f16", activation_f16::mean::chosen;
    /// Conversions between s16 and f16.
    #[cfg(feature = "fp16")]
    ConvertF16: "convert_f16", activation_f16::convert::chosen;
    /// Bilinear resizing of f16.
    #[cfg(feature = "fp16")]
    BilinearF16: "bilinear_f16", resize_f16::bilinear::chosen;
    /// Label map of f16 logits, alone or with margins.
    #[cfg(feature = "fp16")]
    ArgmaxF16: "argmax_f16", resize_f16::argmax::chosen;
}

impl Kernels {
    /// The name of the file that serves products whose weights lie in `packing`. If it is `scalar`,
    /// another is faster: see [`Kernels::packing`].
    pub const fn chosen_gemm(self, packing: Packing) -> &'static str {
        self.chosen(match packing {
            Packing::Rows => Family::GemmRows,
            Packing::K4 => Family::GemmK4,
            Packing::K8 => Family::GemmK8,
        })
    }
}
