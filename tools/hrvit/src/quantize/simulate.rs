//! The quantised network in real numbers: dequantised weights, and every output rounded to its
//! grid.

use hrvit_format::{OpKind, Step};
use hrvit_reference::{Folded, Map, OpWeights, Tap, operators::activation::gelu};

use super::{
    codes::CodedAttention,
    format::{Grid, Saturation},
    operator::QuantOp,
    report::Noise,
    stats::channel_sums,
};

/// Replaces the weights of `step` in `network` by those that the integers stand for.
pub fn install(network: &mut Folded, step: Step, ops: &[QuantOp]) {
    for (i, op) in ops.iter().enumerate() {
        if let Some(weights) = &op.weights {
            let place = network.weights_mut(step, i).expect("an operator with integer weights has real ones");
            *place = OpWeights { weight: weights.real(&op.op, &op.input), bias: weights.real_bias() };
        }
    }
}

/// Error of what an operator leaves. Indices of a table count as what they find there: deep where
/// GELU is flat they may be anything.
fn noise(ops: &[QuantOp], op: &QuantOp, exact: &Map, found: &Map) -> Noise {
    if op.op.feeds_ffn_act(ops.iter().map(|op| &op.op)) {
        let behind = |map: &Map| map.data.iter().map(|&x| gelu(x)).collect::<Vec<_>>();
        return Noise::between(&behind(exact), &behind(found));
    }
    Noise::between(&exact.data, &found.data)
}

/// Rounds the outputs of one step on one frame and takes notes.
pub struct RoundTap<'a> {
    /// The step's operators.
    pub ops: &'a [QuantOp],
    /// Grid of the residual stream, where the step has one.
    pub residual: Option<&'a Grid>,
    /// The step's attention, where it has one.
    pub attention: Option<&'a CodedAttention>,
    /// Outputs of the float network, to compare with; or none.
    pub exact: Option<&'a [Map]>,
    /// Per operator: sums of its output per channel, before rounding.
    pub sums: Vec<Vec<f64>>,
    /// Per operator: tokens of its output.
    pub tokens: Vec<usize>,
    /// Per operator: how much was clipped.
    pub saturation: Vec<Saturation>,
    /// Per operator: error against `exact`.
    pub noise: Vec<Noise>,
}

impl<'a> RoundTap<'a> {
    /// A tap without notes yet.
    pub fn new(ops: &'a [QuantOp], residual: Option<&'a Grid>, attention: Option<&'a CodedAttention>, exact: Option<&'a [Map]>) -> Self {
        let count = ops.len();
        Self {
            ops,
            residual,
            attention,
            exact,
            sums: vec![Vec::new(); count],
            tokens: vec![0; count],
            saturation: vec![Saturation::default(); count],
            noise: vec![Noise::default(); count],
        }
    }
}

impl Tap for RoundTap<'_> {
    fn op(&mut self, _: Step, op_index: usize, kind: OpKind, input: &Map, output: &mut Map) {
        let Some(op) = self.ops.get(op_index) else { return };
        if let Some(attention) = self.attention.filter(|_| kind == OpKind::Values) {
            *output = attention.values(input);
        }
        if op.weights.is_some() {
            self.sums[op_index] = channel_sums(output);
            self.tokens[op_index] = output.tokens();
        }
        if let Some(grid) = &op.output {
            self.saturation[op_index] = grid.round(&mut output.data, output.channels);
        }
        if let Some(exact) = self.exact.and_then(|exact| exact.get(op_index)) {
            self.noise[op_index] = noise(self.ops, op, exact, output);
        }
    }

    fn residual(&mut self, _: Step, x: &mut Map) {
        if let Some(grid) = self.residual {
            grid.round(&mut x.data, x.channels);
        }
    }
}

/// Keeps what the float network computes in one step on one frame, and what each quantised operator
/// alone would make of the same inputs.
pub struct ExactTap<'a> {
    /// The step's operators.
    pub ops: &'a [QuantOp],
    /// The network with dequantised weights; or none if only outputs are wanted.
    pub quantised: &'a Folded,
    /// The step's attention, where it has one.
    pub attention: Option<&'a CodedAttention>,
    /// Per operator: its output.
    pub outputs: Vec<Map>,
    /// Per operator: error of the quantised operator on rounded float inputs.
    pub single: Vec<Noise>,
}

impl<'a> ExactTap<'a> {
    /// A tap that has seen nothing yet.
    pub fn new(ops: &'a [QuantOp], quantised: &'a Folded, attention: Option<&'a CodedAttention>) -> Self {
        Self { ops, quantised, attention, outputs: Vec::new(), single: vec![Noise::default(); ops.len()] }
    }
}

impl Tap for ExactTap<'_> {
    fn op(&mut self, step: Step, op_index: usize, kind: OpKind, input: &Map, output: &mut Map) {
        let Some(op) = self.ops.get(op_index) else { return };
        debug_assert_eq!(self.outputs.len(), op_index, "operators are tapped in order");
        // IncreaseAct adds a second map that the tap does not see.
        if let Some(grid) = op.output.as_ref().filter(|_| op.op.kind != OpKind::IncreaseAct) {
            let mut rounded = input.clone();
            op.input.round(&mut rounded.data, rounded.channels);
            let mut found = match self.attention.filter(|_| kind == OpKind::Values) {
                Some(attention) => attention.values(&rounded),
                None => self.quantised.run_op(step, op_index, &rounded),
            };
            grid.round(&mut found.data, found.channels);
            self.single[op_index] = noise(self.ops, op, output, &found);
        }
        self.outputs.push(output.clone());
    }

    fn residual(&mut self, _: Step, _: &mut Map) {}
}
