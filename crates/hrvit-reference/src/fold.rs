//! The exact rewrites, as one step: from a checkpoint to the weights of the canonical graph
//! ([`hrvit_format::graph`]).
//!
//! 1. SegFormer head: `convs.b` has no activation and a 1x1 convolution commutes with bilinear
//!    resizing, so that per branch `fusion_conv ∘ convs.b` and the BatchNorm become one C_b → width
//!    matrix at the branch's own resolution. All biases are in source 0's (the weights of a resize
//!    sum to 1).
//! 2. Every BatchNorm goes into the convolution or linear layer before it; `attn_bn` into `to_out`.
//! 3. The affine part of `attn_norm` and `ffn_norm` goes into `to_qkv` and `fc1`; `log2(e) / √d`
//!    into the q rows of `to_qkv`, so that the softmax is `2^(logit - max)`; `1 / std` of the
//!    picture into `stem.conv1`, which is then defined on `pixel - mean` with real zeros around.
//! 4. A fusion term of lower resolution is upsampled after its 1x1 convolution.
//!
//! Products are taken in f64 and rounded to f32 once.

use std::collections::BTreeMap;

use hrvit_format::{BRANCHES, Network, Op, OpKind, Preprocess, Step};
use ndarray::{ArrayView2, Axis, Slice};

use crate::checkpoint::Checkpoint;
use crate::layers;
use crate::model::Scope;
use crate::op_weights::OpWeights;
use crate::operators::convolution::{channels_last, tap_major};
use crate::operators::normalise::ScaleShift;

/// Weights of every operator that has some, by step and position in [`Network::ops`].
pub(crate) fn fold(checkpoint: &Checkpoint) -> BTreeMap<(Step, usize), OpWeights> {
    let network = checkpoint.network();
    let fold = Fold { network, root: Scope { checkpoint, name: String::new() } };
    let mut weights = BTreeMap::new();
    for step in network.steps() {
        for (index, op) in network.ops(step).iter().enumerate() {
            if let Some(folded) = fold.op(step, op) {
                weights.insert((step, index), folded);
            }
        }
    }
    weights
}

struct Fold<'a> {
    network: &'a Network,
    root: Scope<'a>,
}

impl Fold<'_> {
    fn op(&self, step: Step, op: &Op) -> Option<OpWeights> {
        let layer = layers::layer(self.network, step, op)?;
        let weights = self.root.child(&layer.name);
        if matches!(op.kind, OpKind::EmbedNorm | OpKind::StageNorm) {
            return Some(affine(&weights));
        }
        if op.kind == OpKind::HeadPointwise {
            return Some(self.head_term(op));
        }
        let mut affine = if has_bias(op.kind) { dense(&weights, op) } else { without_bias(&weights, op) };
        if let Some(norm) = layer.norm {
            affine = affine.then(&self.root.scale_shift(&norm));
        }
        let block = || self.root.child(&layers::scope(self.network, step, op));
        match op.kind {
            OpKind::StemConv1 => {
                let Preprocess { deviation, order, .. } = self.root.checkpoint.preprocess();
                affine.order_inputs(|channels| order.swap(channels));
                affine.scale_inputs(&deviation.map(|deviation| 1.0 / f64::from(deviation)));
            }
            OpKind::Fc1 => affine.absorb_affine(&block().child("ffn_norm")),
            OpKind::Qkv => {
                affine.absorb_affine(&block().child("attn_norm"));
                let dim = f64::from(self.network.spec.attention_dim(usize::from(op.source)));
                let c = usize::from(op.cin);
                let rows = usize::from(op.cout);
                let scale = (0..rows).map(|row| if row < c { std::f64::consts::LOG2_E / dim.sqrt() } else { 1.0 }).collect();
                affine = affine.then(&ScaleShift { scale, shift: vec![0.0; rows] });
            }
            _ => {}
        }
        Some(affine.round())
    }

    /// `BN ∘ fusion_conv ∘ convs.source`, with all biases of the sum on source 0.
    fn head_term(&self, op: &Op) -> OpWeights {
        let (width, source) = (usize::from(op.cout), usize::from(op.source));
        let head = self.root.child("decode_head");
        let fuse = widen(head.get("fusion_conv.conv.weight"));
        let fuse = ArrayView2::from_shape((width, BRANCHES * width), &fuse).expect("fusion_conv is [width, 4 width]");
        let part = |branch: usize| fuse.slice_axis(Axis(1), Slice::from(branch * width..(branch + 1) * width));
        let branch = head.child(&format!("convs.{source}.conv"));
        let weight = widen(branch.get("weight"));
        let weight = ArrayView2::from_shape((width, usize::from(op.cin)), &weight).expect("convs is [width, C]");
        let (composed, _) = part(source).dot(&weight).into_raw_vec_and_offset();
        let mut bias = vec![0.0; width];
        if source == 0 {
            for b in 0..BRANCHES {
                let of_branch = widen(head.get(&format!("convs.{b}.conv.bias")));
                for (sum, row) in bias.iter_mut().zip(part(b).rows()) {
                    *sum += row.iter().zip(&of_branch).map(|(w, x)| w * x).sum::<f64>();
                }
            }
        }
        let mut norm = head.scale_shift("fusion_conv.bn");
        if source > 0 {
            norm.shift.fill(0.0);
        }
        Affine { weight: composed, bias, order: Order::OutputMajor { cin: op.cin.into() } }.then(&norm).round()
    }
}

/// Whether a layer has a bias of its own, beside that of a BatchNorm behind it.
fn has_bias(kind: OpKind) -> bool {
    !matches!(kind, OpKind::FusionDepthwise | OpKind::IncreaseConv1 | OpKind::IncreaseConv2 | OpKind::IncreaseConv3 | OpKind::IncreaseShortcut)
}

/// Order of a weight's indices, the fastest last.
#[derive(Clone, Copy)]
enum Order {
    /// `[out][tap][in]`.
    OutputMajor { cin: usize },
    /// `[tap][channel]`.
    TapMajor,
}

/// A convolution or linear layer in f64.
struct Affine {
    weight: Vec<f64>,
    bias: Vec<f64>,
    order: Order,
}

impl Affine {
    /// `scale · y + shift` per output channel.
    fn then(mut self, norm: &ScaleShift) -> Self {
        let channels = self.bias.len();
        let depth = self.weight.len() / channels;
        for (index, w) in self.weight.iter_mut().enumerate() {
            *w *= match self.order {
                Order::OutputMajor { .. } => norm.scale[index / depth],
                Order::TapMajor => norm.scale[index % channels],
            };
        }
        for ((b, scale), shift) in self.bias.iter_mut().zip(&norm.scale).zip(&norm.shift) {
            *b = *b * scale + shift;
        }
        self
    }

    /// The same function of pixels whose colours come in another order, to which `to_rgb` brings
    /// values of the network's channels. Dense only.
    fn order_inputs(&mut self, to_rgb: impl Fn([f64; 3]) -> [f64; 3]) {
        self.weight.as_chunks_mut::<3>().0.iter_mut().for_each(|channels| *channels = to_rgb(*channels));
    }

    /// The same function of inputs that are not yet scaled per channel. Dense only.
    fn scale_inputs(&mut self, scale: &[f64]) {
        for (index, w) in self.weight.iter_mut().enumerate() {
            *w *= scale[index % scale.len()];
        }
    }

    /// The same function of a LayerNorm's tokens before its affine part. Linear only.
    fn absorb_affine(&mut self, norm: &Scope<'_>) {
        let (gamma, beta) = (widen(norm.get("weight")), widen(norm.get("bias")));
        for (row, b) in self.weight.chunks_exact_mut(gamma.len()).zip(&mut self.bias) {
            *b += row.iter().zip(&beta).map(|(w, beta)| w * beta).sum::<f64>();
            for (w, gamma) in row.iter_mut().zip(&gamma) {
                *w *= gamma;
            }
        }
    }

    fn round(self) -> OpWeights {
        if let Order::OutputMajor { cin } = self.order {
            debug_assert!(self.weight.len().is_multiple_of(cin * self.bias.len()), "a dense weight is [out][tap][in]");
        }
        let round = |values: Vec<f64>| values.into_iter().map(|value| value as f32).collect();
        OpWeights { weight: round(self.weight), bias: round(self.bias) }
    }
}

/// A layer with bias.
fn dense(scope: &Scope<'_>, op: &Op) -> Affine {
    let mut layer = without_bias(scope, op);
    layer.bias = widen(scope.get("bias"));
    layer
}

/// A layer that the checkpoint has no bias of.
fn without_bias(scope: &Scope<'_>, op: &Op) -> Affine {
    let (weight, kernel, cin) = (scope.get("weight"), usize::from(op.kernel), usize::from(op.cin));
    let bias = vec![0.0; usize::from(op.cout)];
    if op.depthwise {
        Affine { weight: widen(&tap_major(weight, kernel)), bias, order: Order::TapMajor }
    } else {
        Affine { weight: widen(&channels_last(weight, cin, kernel)), bias, order: Order::OutputMajor { cin } }
    }
}

/// A LayerNorm that keeps its affine part.
fn affine(norm: &Scope<'_>) -> OpWeights {
    OpWeights { weight: norm.get("weight").to_vec(), bias: norm.get("bias").to_vec() }
}

fn widen(values: &[f32]) -> Vec<f64> {
    values.iter().map(|&value| value.into()).collect()
}
