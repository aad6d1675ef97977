//! The linear layer that reads a tensor, as the tensor's scale sees it.

use hrvit_format::Op;
use hrvit_reference::OpWeights;

use crate::quantize::{format::Grid, ranges::Extent, weights::place};

/// Bits of an accumulator that a fixed output scale leaves to what the layer could compute: 31,
/// less two for the shift before requantisation.
const FIXED_BITS: i32 = 29;

/// A dense layer.
pub struct Reader<'a> {
    /// Its shape.
    pub op: Op,
    /// Its real weights.
    pub real: &'a OpWeights,
}

impl Reader<'_> {
    /// Weight of an error of each input channel: its squared weights, each relative to what the
    /// output channel amounts to at the inputs' `extents`. A factor on an output channel changes
    /// nothing.
    pub fn importance(&self, extents: &[Extent]) -> Vec<f64> {
        let mut energy = vec![0.0; self.real.bias.len()];
        self.each(|o, c, weight| energy[o] += (weight * extents.get(c).copied().unwrap_or(Extent::EMPTY).magnitude()).powi(2));
        let mut importance = vec![0.0; self.op.cin.into()];
        self.each(|o, c, weight| {
            if energy[o] > 0.0 {
                importance[c] += weight * weight / energy[o];
            }
        });
        importance
    }

    /// The same where the output channels share a scale: squared weights.
    pub fn energy(&self) -> Vec<f64> {
        let mut energy = vec![0.0; self.op.cin.into()];
        self.each(|_, c, weight| energy[c] += weight * weight);
        energy
    }

    /// `input` with a scale for which nothing that the layer could compute is beyond its
    /// accumulator, when it leaves codes of `output`.
    pub fn within_reach(&self, input: Grid, output: f64) -> Grid {
        let mut largest = 0.0f64;
        self.each(|_, _, weight| largest = largest.max(weight.abs()));
        // Zero points count as much again.
        let most = 2.0 * self.op.depth() as f64 * input.largest() as f64 * largest;
        let [scale] = input.scale[..] else { return input };
        let finest = 2f64.powi(FIXED_BITS) * output / most;
        if scale <= finest {
            return input;
        }
        let lowest = scale * f64::from(input.lo - input.zero[0]);
        let zero = if input.zero[0] == 0 { 0 } else { (f64::from(input.lo) - (lowest / finest).round()).clamp(input.lo.into(), input.hi.into()) as i32 };
        Grid { scale: vec![finest], zero: vec![zero], ..input }
    }

    /// Calls `visit(output channel, input channel, weight)`.
    fn each(&self, mut visit: impl FnMut(usize, usize, f64)) {
        for (i, &weight) in self.real.weight.iter().enumerate() {
            let (o, c) = place(&self.op, i);
            visit(o, c, weight.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use hrvit_format::OpKind;

    use super::*;

    fn reader(real: &OpWeights) -> Reader<'_> {
        Reader { op: Op { kind: OpKind::Fc2, source: 0, cin: 2, cout: 2, kernel: 1, stride: 1, depthwise: false }, real }
    }

    #[test]
    fn factors_on_outputs_leave_the_importance_and_idle_channels_have_none() {
        let extents = [Extent { min: 0.0, max: 1.0 }, Extent { min: 0.0, max: 4.0 }];
        let plain = reader(&OpWeights { weight: vec![1.0, 0.5, 1.0, 0.0], bias: vec![0.0; 2] }).importance(&extents);
        let scaled = reader(&OpWeights { weight: vec![1e6, 0.5e6, 1.0, 0.0], bias: vec![0.0; 2] }).importance(&extents);
        assert!(plain.iter().zip(&scaled).all(|(a, b)| (a / b - 1.0).abs() < 1e-9), "{plain:?} {scaled:?}");
        assert_eq!(reader(&OpWeights { weight: vec![1.0, 0.0, 0.0, 0.0], bias: vec![0.0; 2] }).importance(&extents), [1.0, 0.0]);
    }

    #[test]
    fn an_input_far_too_coarse_for_a_fixed_output_gets_finer_codes() {
        let real = OpWeights { weight: vec![1.0, 0.5, 1.0, 0.0], bias: vec![0.0; 2] };
        let coarse = reader(&real).within_reach(Grid::byte(1e9, -120), 1e-3);
        assert!(coarse.scale[0] * 2.0 * 2.0 * 128.0 <= 2f64.powi(FIXED_BITS) * 1e-3 * (1.0 + 1e-9));
        assert_eq!(reader(&real).within_reach(Grid::byte(1e-3, -120), 1e-3), Grid::byte(1e-3, -120));
    }
}
