//! The kinds of operators, and the shape of one.

use core::fmt;

use hrvit_kernels::Packing;

/// Kind of an operator's computation. The discriminant is its number in the model image.
///
/// The enum is exhaustive: code that matches on kinds must handle every computation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum OpKind {
    /// Stem: 3x3 stride 2 on u8 pixels, ReLU, s8.
    StemConv1 = 0,
    /// Stem: 3x3 stride 2, ReLU then the first fusion's GELU by table, s8.
    StemConv2 = 1,
    /// Patch embedding: 1x1 convolution, s8 per channel.
    EmbedPointwise = 2,
    /// Patch embedding: depthwise 3x3, s16.
    EmbedDepthwise = 3,
    /// Patch embedding: LayerNorm, s16 residual.
    EmbedNorm = 4,
    /// LayerNorm before the attention, s8 per channel.
    AttnNorm = 5,
    /// Linear C to 2C: q and v, s8. q has one scale for each head, v one for each channel. With
    /// separate keys it is C to 3C: q, k and v.
    Qkv = 6,
    /// Hardswish of v, s8 per channel.
    ParallelAct = 7,
    /// Parallel path: depthwise 3x3, s16 in the scale of the attention sum.
    ParallelDepthwise = 8,
    /// From scores q·v to exponent codes, one multiplier per head.
    Scores = 9,
    /// Sum of v weighted by exponent codes, divided by the sum of the codes: s16 in the scale of
    /// the attention sum.
    Values = 10,
    /// Hardswish of the attention sum (attention + parallel path), s8.
    AttnAct = 11,
    /// Output projection (BatchNorm folded), in the scale of the residual stream.
    ToOut = 12,
    /// Diversity-enhancing shortcut: `proj_right` and its activation by table, s16.
    DesRight = 13,
    /// Diversity-enhancing shortcut: `proj_left`, in the scale of the residual stream.
    DesLeft = 14,
    /// LayerNorm before the MixCFN, s8 per channel.
    FfnNorm = 15,
    /// MixCFN: linear C to rC, s8 per channel.
    Fc1 = 16,
    /// MixCFN: depthwise 3x3 on the first half of the channels, gives table indices.
    FfnDepthwise3 = 17,
    /// MixCFN: depthwise 5x5 on the second half of the channels, gives table indices.
    FfnDepthwise5 = 18,
    /// MixCFN: GELU by table, s8.
    FfnAct = 19,
    /// MixCFN: linear rC to C, in the scale of the residual stream.
    Fc2 = 20,
    /// LayerNorm at the end of a stage, s16.
    StageNorm = 21,
    /// Stage norm of branch `source` as a fusion term reads it, s8 per channel.
    FusionNarrow = 22,
    /// Fusion, `source` of higher resolution: depthwise (k+1)x(k+1) stride k, s8 per channel.
    FusionDepthwise = 23,
    /// Fusion: 1x1 convolution of `source`, in the scale of the fusion sum. Upsampled afterwards if
    /// `source` has a lower resolution.
    FusionPointwise = 24,
    /// Fusion: the branch itself, rescaled from its stage norm to the fusion sum.
    FusionIdentity = 25,
    /// Fusion: GELU of the sum by table, s8.
    FusionAct = 26,
    /// Stage norm of branch `source` as the SegFormer head reads it, s8 per channel.
    HeadNarrow = 27,
    /// SegFormer head: `fusion_conv ∘ convs.source` folded, s16 in the scale of the head sum.
    HeadPointwise = 28,
    /// SegFormer head: ReLU of the sum of the resized terms, s8.
    HeadAct = 29,
    /// SegFormer head: `conv_seg`, s16 logits.
    HeadClassifier = 30,
    /// Stage norm as the classification head reads it, s8 per channel.
    IncreaseNarrow = 31,
    /// Bottleneck: 1x1, ReLU, s8.
    IncreaseConv1 = 32,
    /// Bottleneck: 3x3, ReLU, s8.
    IncreaseConv2 = 33,
    /// Bottleneck: 1x1, in the scale of the bottleneck's sum.
    IncreaseConv3 = 34,
    /// Bottleneck: 1x1 shortcut, in the scale of the bottleneck's sum.
    IncreaseShortcut = 35,
    /// Classification head: 3x3 stride 2 on the previous branch's result, ReLU, in the scale of
    /// this branch's sum.
    IncreaseDownsample = 36,
    /// Classification head: sum to s8.
    IncreaseAct = 37,
    /// Classification head: 1x1, ReLU, s8, then the mean over the map.
    FinalConv = 38,
    /// Classification head: linear, s16 logits.
    FinalLinear = 39,
    /// The attention sum as the output projection reads it, s8 per channel. Replaces
    /// [`OpKind::AttnAct`] in networks without the extra Hardswish.
    AttnNarrow = 40,
    /// Patch embedding in one dense 3x3 convolution, s16. Replaces [`OpKind::EmbedPointwise`] and
    /// [`OpKind::EmbedDepthwise`].
    EmbedDense = 41,
}

impl OpKind {
    /// Every kind in order of its number.
    pub const ALL: [Self; 42] = [
        Self::StemConv1,
        Self::StemConv2,
        Self::EmbedPointwise,
        Self::EmbedDepthwise,
        Self::EmbedNorm,
        Self::AttnNorm,
        Self::Qkv,
        Self::ParallelAct,
        Self::ParallelDepthwise,
        Self::Scores,
        Self::Values,
        Self::AttnAct,
        Self::ToOut,
        Self::DesRight,
        Self::DesLeft,
        Self::FfnNorm,
        Self::Fc1,
        Self::FfnDepthwise3,
        Self::FfnDepthwise5,
        Self::FfnAct,
        Self::Fc2,
        Self::StageNorm,
        Self::FusionNarrow,
        Self::FusionDepthwise,
        Self::FusionPointwise,
        Self::FusionIdentity,
        Self::FusionAct,
        Self::HeadNarrow,
        Self::HeadPointwise,
        Self::HeadAct,
        Self::HeadClassifier,
        Self::IncreaseNarrow,
        Self::IncreaseConv1,
        Self::IncreaseConv2,
        Self::IncreaseConv3,
        Self::IncreaseShortcut,
        Self::IncreaseDownsample,
        Self::IncreaseAct,
        Self::FinalConv,
        Self::FinalLinear,
        Self::AttnNarrow,
        Self::EmbedDense,
    ];

    /// Whether the operator is a LayerNorm.
    pub fn is_norm(self) -> bool {
        matches!(self, Self::EmbedNorm | Self::AttnNorm | Self::FfnNorm | Self::StageNorm)
    }
}

/// One operator: what it computes and its shape.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Op {
    /// Kind of computation.
    pub kind: OpKind,
    /// Branch whose map it reads. It differs from the step's branch only in fusions and heads.
    pub source: u8,
    /// Input channels. For [`OpKind::DesRight`] and [`OpKind::DesLeft`]: the length of one dot
    /// product (p, k).
    pub cin: u16,
    /// Output channels. For [`OpKind::Scores`] the number of heads, for [`OpKind::DesRight`] p and
    /// for [`OpKind::DesLeft`] k.
    pub cout: u16,
    /// Kernel side; 1 for linear, 0 for operators without weights.
    pub kernel: u8,
    /// Stride of the kernel.
    pub stride: u8,
    /// Whether each channel has its own filter.
    pub depthwise: bool,
}

impl Op {
    /// Number of weights: `cout * cin * kernel²`, or `cout * kernel²` if depthwise.
    pub fn weight_count(&self) -> usize {
        let taps = usize::from(self.kernel) * usize::from(self.kernel);
        let depth = if self.depthwise { 1 } else { usize::from(self.cin) };
        usize::from(self.cout) * depth * taps
    }

    /// Whether it is a product of 8-bit codes with dense weights: linear, 1x1 or 3x3.
    pub fn is_product(&self) -> bool {
        self.kernel > 0 && !self.depthwise && !matches!(self.kind, OpKind::DesRight | OpKind::DesLeft | OpKind::FinalLinear)
    }

    /// Order of its weights in an image of packing `image`. Dense 8-bit products
    /// ([`Op::is_product`]) are packed, except a [`OpKind::Qkv`] whose halves end inside a block of
    /// channels. Other weights have the same order in every image. Depthwise weights are
    /// `[ky][kx][channel]`, the rest `[cout][depth]` with depth in the order `[ky][kx][cin]`.
    pub fn packing(&self, image: Packing) -> Packing {
        let whole_halves = self.kind != OpKind::Qkv || self.cin.is_multiple_of(2 * Packing::BLOCK as u16);
        if self.is_product() && whole_halves { image } else { Packing::Rows }
    }

    /// Bytes of its 8-bit weights in an image of packing `image`, padding included. `usize::MAX` if
    /// they exceed the address space.
    pub fn packed_bytes(&self, image: Packing) -> usize {
        match self.packing(image) {
            Packing::Rows => self.weight_count(),
            packed => packed.packed_len(self.cout.into(), self.depth()).unwrap_or(usize::MAX),
        }
    }

    /// Whether it gives the indices that [`OpKind::FfnAct`] looks up. `step` has all operators of
    /// the step. The convolutions give the indices, or the first linear layer if there are none.
    pub fn feeds_ffn_act<'o>(&self, step: impl IntoIterator<Item = &'o Self>) -> bool {
        let convolves = |op: &Self| matches!(op.kind, OpKind::FfnDepthwise3 | OpKind::FfnDepthwise5);
        convolves(self) || (self.kind == OpKind::Fc1 && !step.into_iter().any(convolves))
    }

    /// Length of the dot product of one output.
    pub fn depth(&self) -> usize {
        let taps = usize::from(self.kernel) * usize::from(self.kernel);
        if self.depthwise { taps } else { taps * usize::from(self.cin) }
    }
}

impl fmt::Display for OpKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StemConv1 => "conv1",
            Self::StemConv2 => "conv2",
            Self::EmbedPointwise => "proj.pw",
            Self::EmbedDepthwise => "proj.dw",
            Self::EmbedDense => "proj",
            Self::EmbedNorm | Self::AttnNorm | Self::FfnNorm | Self::StageNorm => "norm",
            Self::Qkv => "to_qkv",
            Self::ParallelAct => "parallel.act",
            Self::ParallelDepthwise => "parallel.dw",
            Self::Scores => "scores",
            Self::Values => "values",
            Self::AttnAct | Self::FfnAct | Self::FusionAct | Self::HeadAct | Self::IncreaseAct => "act",
            Self::ToOut => "to_out",
            Self::DesRight => "des.right",
            Self::DesLeft => "des.left",
            Self::Fc1 => "fc1",
            Self::FfnDepthwise3 => "dw3",
            Self::FfnDepthwise5 => "dw5",
            Self::Fc2 => "fc2",
            Self::FusionNarrow | Self::HeadNarrow | Self::IncreaseNarrow | Self::AttnNarrow => "narrow",
            Self::FusionDepthwise => "down.dw",
            Self::FusionPointwise | Self::HeadPointwise => "pw",
            Self::FusionIdentity => "identity",
            Self::HeadClassifier => "conv_seg",
            Self::IncreaseConv1 => "conv1",
            Self::IncreaseConv2 => "conv2",
            Self::IncreaseConv3 => "conv3",
            Self::IncreaseShortcut => "shortcut",
            Self::IncreaseDownsample => "downsample",
            Self::FinalConv => "final",
            Self::FinalLinear => "classifier",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_are_listed_by_their_number() {
        for (number, kind) in OpKind::ALL.iter().enumerate() {
            assert_eq!(*kind as usize, number);
        }
    }
}
