//! Weights of one operator of the canonical graph.

/// Weights of one operator.
#[derive(Clone, Debug, PartialEq)]
pub struct OpWeights {
    /// Dense: `[cout][kernel row][kernel column][cin]`, linear layers being a kernel of 1.
    /// Depthwise: `[kernel row][kernel column][channel]`.
    /// [`OpKind::EmbedNorm`](hrvit_format::OpKind::EmbedNorm) and
    /// [`OpKind::StageNorm`](hrvit_format::OpKind::StageNorm): gamma.
    pub weight: Vec<f32>,
    /// One value per output channel. [`OpKind::EmbedNorm`](hrvit_format::OpKind::EmbedNorm) and
    /// [`OpKind::StageNorm`](hrvit_format::OpKind::StageNorm): beta.
    /// [`OpKind::HeadPointwise`](hrvit_format::OpKind::HeadPointwise): zeros on all sources but 0.
    pub bias: Vec<f32>,
}
