//! One operator on its own.

use hrvit_format::{Op, OpKind, Step};

use super::Folded;
use crate::map::Map;
use crate::op_weights::OpWeights;
use crate::operators::activation::{activate, apply, apply_gelu, hardswish, relu};
use crate::operators::attention::{Attention, Softmax, cross_shaped};
use crate::operators::convolution::{Window, dense, depthwise};
use crate::operators::des;
use crate::operators::linear::linear;
use crate::operators::normalise::{layer_norm, normalise};

impl Folded {
    /// The result of operator `op` of `step` for `input`, as [`super::Tap::op`] lists them: what
    /// the step computes before the tap sees it. [`OpKind::IncreaseAct`] is the one operator of two
    /// maps: here it is the ReLU alone.
    ///
    /// # Panics
    /// If the step has no such operator, or `input` has another number of channels than it reads.
    pub fn run_op(&self, step: Step, op: usize, input: &Map) -> Map {
        let mut output = self.run_affine(step, op, input);
        match self.op(step, op).kind {
            OpKind::StemConv1
            | OpKind::HeadAct
            | OpKind::IncreaseConv1
            | OpKind::IncreaseConv2
            | OpKind::IncreaseDownsample
            | OpKind::IncreaseAct
            | OpKind::FinalConv => apply(&mut output, relu),
            OpKind::StemConv2 => {
                apply(&mut output, relu);
                apply_gelu(&mut output);
            }
            OpKind::FfnAct | OpKind::FusionAct => apply_gelu(&mut output),
            OpKind::ParallelAct | OpKind::AttnAct => apply(&mut output, hardswish),
            OpKind::DesRight => activate(&mut output, self.network().spec.des_activation),
            _ => {}
        }
        output
    }

    /// [`Self::run_op`] without the non-linearity at its end: the sum of products and bias of a
    /// layer with weights, the input of a mere activation.
    ///
    /// # Panics
    /// As [`Self::run_op`].
    pub fn run_affine(&self, step: Step, op: usize, input: &Map) -> Map {
        let shape = self.op(step, op);
        let Some(weights) = self.weights(step, op) else { return self.unweighted(&shape, input) };
        assert_eq!(input.channels, self.input_channels(&shape), "{step} {}: channels of the input", shape.kind);
        let OpWeights { weight, bias } = weights;
        let window = Window { kernel: shape.kernel.into(), stride: shape.stride.into() };
        match shape.kind {
            OpKind::EmbedNorm | OpKind::StageNorm => layer_norm(input, weight, bias),
            OpKind::DesRight => des::right(input, weight, bias),
            OpKind::DesLeft => des::left(input, weight, bias),
            OpKind::StemConv1 => dense(&self.centred(input), weight, bias, window),
            _ if shape.depthwise => depthwise(input, weight, bias, window),
            _ if shape.kernel == 1 => linear(input, weight, bias),
            _ => dense(input, weight, bias, window),
        }
    }

    fn op(&self, step: Step, op: usize) -> Op {
        match self.network().ops(step).get(op) {
            Some(op) => *op,
            None => panic!("{step} has no operator {op}"),
        }
    }

    fn unweighted(&self, op: &Op, input: &Map) -> Map {
        match op.kind {
            OpKind::AttnNorm | OpKind::FfnNorm => normalise(input),
            OpKind::Scores => self.attention(op, input).ranges,
            OpKind::Values => self.attention(op, input).values,
            _ => input.clone(),
        }
    }

    /// Attention of `qv` on the branch that `op` reads.
    pub(super) fn attention(&self, op: &Op, qv: &Map) -> Attention {
        let (spec, branch) = (&self.network().spec, usize::from(op.source));
        cross_shaped(qv, spec.ablation().own_keys, spec.window(branch), spec.attention_dim(branch).into(), Softmax::Base2)
    }

    /// Channels of the whole token: a DES operator's `cin` is one dot product's.
    fn input_channels(&self, op: &Op) -> usize {
        match op.kind {
            OpKind::DesRight | OpKind::DesLeft => self.network().spec.channels(op.source.into()).into(),
            _ => op.cin.into(),
        }
    }

    fn centred(&self, pixels: &Map) -> Map {
        let mut centred = pixels.clone();
        for pixel in centred.data.as_chunks_mut::<3>().0 {
            for (value, mean) in pixel.iter_mut().zip(self.preprocess.mean) {
                *value -= mean;
            }
        }
        centred
    }
}
