//! Sequential bias correction: rounding shifts the mean of a layer's output, and the bias takes the
//! shift back. Layers follow each other, each with the earlier ones already corrected. This is
//! accurate bias correction of Nagel et al. (arXiv 1906.04721, section 4.2.1), on data instead of
//! BatchNorm statistics.

use hrvit_format::{Op, OpKind};

use super::operator::QuantOp;

/// Frames that bias correction looks at.
pub const FRAMES: usize = 64;

/// Position of an operator in the correction order of its step: operators of one wave do not feed
/// each other.
pub fn wave(kind: OpKind) -> usize {
    use OpKind as K;
    match kind {
        K::StemConv2 | K::ParallelDepthwise | K::DesLeft | K::FfnDepthwise3 | K::FfnDepthwise5 | K::FusionPointwise | K::HeadClassifier => 1,
        K::IncreaseConv2 | K::FinalLinear => 1,
        K::EmbedPointwise | K::EmbedDense | K::ToOut | K::Fc2 | K::IncreaseConv3 => 2,
        K::EmbedDepthwise => 3,
        _ => 0,
    }
}

/// The waves of a step, in order: the operators with weights in each.
pub fn waves(ops: &[QuantOp]) -> Vec<Vec<usize>> {
    let members = |w| (0..ops.len()).filter(|&i| ops[i].weights.is_some() && wave(ops[i].op.kind) == w).collect::<Vec<_>>();
    (0..4).map(members).filter(|wave| !wave.is_empty()).collect()
}

/// The bias that channel `c` of `channels` output channels uses.
pub fn bias_of(op: &Op, c: usize, channels: usize) -> usize {
    let biases = usize::from(op.cout);
    match op.kind {
        OpKind::DesRight => c % biases,
        OpKind::DesLeft => c / (channels / biases),
        _ => c,
    }
}

/// Adds `(exact - found) / tokens` to every bias; the sums are per output channel over the same
/// frames.
pub fn correct(op: &mut QuantOp, exact: &[f64], found: &[f64], tokens: usize) {
    let shape = op.op;
    let Some(weights) = &mut op.weights else { return };
    let channels = exact.len();
    let shared = (channels / weights.bias.len()).max(1);
    for (c, (exact, found)) in exact.iter().zip(found).enumerate() {
        weights.bias[bias_of(&shape, c, channels)] += (exact - found) / (tokens * shared) as f64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::quantize::{format::Grid, weights::Weights};

    fn op(kind: OpKind, cout: u16) -> QuantOp {
        let op = Op { kind, source: 0, cin: cout, cout, kernel: 1, stride: 1, depthwise: false };
        let weights = Weights { codes: vec![0; usize::from(cout * cout)], scale: vec![1.0; cout.into()], bias: vec![0.0; cout.into()] };
        QuantOp { weights: Some(weights), ..QuantOp::plain(op, Grid::wide(1.0), Grid::wide(1.0)) }
    }

    #[test]
    fn a_shift_of_the_mean_goes_into_the_bias() {
        let mut fc = op(OpKind::Fc1, 2);
        correct(&mut fc, &[10.0, 4.0], &[8.0, 5.0], 4);
        assert_eq!(fc.weights.unwrap().bias, [0.5, -0.25]);
    }

    #[test]
    fn the_shortcut_shares_its_biases_along_the_other_axis() {
        // x is [k, p] = [2, 4].
        let exact = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0];
        let mut right = op(OpKind::DesRight, 4);
        correct(&mut right, &exact, &[0.0; 8], 1);
        assert_eq!(right.weights.unwrap().bias, [3.0, 4.0, 5.0, 6.0]);
        let mut left = op(OpKind::DesLeft, 2);
        correct(&mut left, &exact, &[0.0; 8], 1);
        assert_eq!(left.weights.unwrap().bias, [2.5, 6.5]);
    }

    #[test]
    fn no_wave_feeds_itself() {
        let kinds = [OpKind::Qkv, OpKind::ParallelDepthwise, OpKind::ToOut, OpKind::DesRight, OpKind::DesLeft];
        let ops: Vec<_> = kinds.iter().map(|&kind| op(kind, 2)).collect();
        assert_eq!(waves(&ops), [vec![0, 3], vec![1, 4], vec![2]]);
    }
}
