//! Steps in half precision: the weights of the canonical graph, rounded to f16. Nothing is
//! calibrated; what could overflow is refused. Underflow is looked for in [`super::underflow`].

use anyhow::{Context, Result, bail, ensure};
use half::f16;
use hrvit_format::{
    Op, OpKind, Step,
    fp16::EPS_BITS,
    writer::{HalfOp, StepData},
};
use hrvit_reference::{Folded, Map, OpWeights, Tap, operators::normalise::EPSILON};

/// The largest magnitude that a step stores, and by which operator.
#[derive(Clone, Copy, Debug)]
pub struct Peak {
    /// The step.
    pub step: Step,
    /// The operator; none where it is the residual stream.
    pub op: Option<OpKind>,
    /// The magnitude.
    pub magnitude: f32,
}

impl Peak {
    /// Whether half precision reaches it; the engine would saturate.
    pub fn fits(&self) -> bool {
        self.magnitude <= f16::MAX.to_f32()
    }
}

/// The larger ones of the same steps.
pub(super) fn larger(mut all: Vec<Peak>, other: &[Peak]) -> Vec<Peak> {
    all.iter_mut().zip(other).filter(|(all, one)| one.magnitude > all.magnitude).for_each(|(all, one)| *all = *one);
    all
}

/// Refuses a network that half precision cannot hold.
///
/// # Errors
/// If a peak does not fit; names all of them.
pub fn refuse_overflow(peaks: &[Peak]) -> Result<()> {
    let beyond: Vec<String> = peaks.iter().filter(|peak| !peak.fits()).map(|peak| format!("{} reaches {:.0}", peak.step, peak.magnitude)).collect();
    if !beyond.is_empty() {
        bail!("half precision ends at {}: {}; keep these blocks in 8 bits (--precision auto)", f16::MAX, beyond.join(", "));
    }
    Ok(())
}

/// Collects peaks step by step.
#[derive(Default)]
pub(super) struct Seen(pub(super) Vec<Peak>);

impl Seen {
    fn see(&mut self, step: Step, op: Option<OpKind>, map: &Map) {
        let magnitude = map.data.iter().fold(0f32, |most, x| most.max(x.abs()));
        match self.0.last_mut().filter(|peak| peak.step == step) {
            Some(peak) if peak.magnitude >= magnitude => {}
            Some(peak) => *peak = Peak { step, op, magnitude },
            None => self.0.push(Peak { step, op, magnitude }),
        }
    }
}

impl Tap for Seen {
    fn op(&mut self, step: Step, _: usize, kind: OpKind, _: &Map, output: &mut Map) {
        if matches!(kind, OpKind::HeadClassifier | OpKind::FinalLinear) && output.channels > 1 {
            // Logits far below a pixel's largest may saturate: they are not picked.
            let largest = output.data.chunks_exact(output.channels).map(|token| token.iter().copied().fold(f32::NEG_INFINITY, f32::max)).collect();
            return self.see(step, Some(kind), &Map { channels: 1, data: largest, ..*output });
        }
        self.see(step, Some(kind), output);
    }

    fn residual(&mut self, step: Step, x: &mut Map) {
        self.see(step, None, x);
    }
}

/// `step` in half precision.
///
/// # Errors
/// If a weight is beyond f16; names the operator.
pub fn half_step(folded: &Folded, step: Step) -> Result<StepData> {
    let ops = folded.network().ops(step);
    let ops = ops
        .iter()
        .enumerate()
        .map(|(index, op)| half_op(op, folded.weights(step, index), folded.preprocess().mean).with_context(|| format!("{step} {}", op.kind)));
    Ok(StepData::Fp16(ops.collect::<Result<_>>()?))
}

fn half_op(op: &Op, weights: Option<&OpWeights>, mean: [f32; 3]) -> Result<HalfOp> {
    if op.kind.is_norm() {
        let channels = usize::from(op.cout);
        // Norms before a linear layer have their affine folded into it.
        let (gain, bias) = weights.map_or_else(|| (vec![1.0; channels], vec![0.0; channels]), |weights| (weights.weight.clone(), weights.bias.clone()));
        let eps = (EPSILON * f64::from(EPS_BITS).exp2()).round() as u64;
        return Ok(HalfOp { gain, bias, eps, ..HalfOp::default() });
    }
    let Some(weights) = weights else { return Ok(HalfOp::default()) };
    let rounded: Vec<f16> = weights.weight.iter().map(|&weight| f16::from_f32(weight)).collect();
    if let Some((weight, _)) = weights.weight.iter().zip(&rounded).find(|(_, rounded)| !rounded.is_finite()) {
        ensure!(false, "a weight of {weight} is beyond half precision (65504): keep this block in int8");
    }
    let bias = if op.kind == OpKind::StemConv1 { border_bias(op, &rounded, &weights.bias, mean) } else { weights.bias.clone() };
    Ok(HalfOp { weights: rounded.iter().map(|weight| weight.to_bits()).collect(), bias, ..HalfOp::default() })
}

/// The stem's four biases `[2 * top + left][c]` for inputs `pixel - 128`:
/// `b + sum w * (128 - mean)` over the taps that lie inside the frame.
fn border_bias(op: &Op, weights: &[f16], bias: &[f32], mean: [f32; 3]) -> Vec<f32> {
    let (side, cin) = (usize::from(op.kernel), usize::from(op.cin));
    let variants = [(false, false), (false, true), (true, false), (true, true)].into_iter();
    let of = |(top, left): (bool, bool)| {
        weights.chunks_exact(op.depth()).zip(bias).map(move |(row, &bias)| {
            let inside = row.iter().enumerate().filter(|(i, _)| !(top && i / cin / side == 0 || left && i / cin % side == 0));
            let sum: f64 = inside.map(|(i, weight)| weight.to_f64() * (128.0 - f64::from(mean[i % cin]))).sum();
            (f64::from(bias) + sum) as f32
        })
    };
    variants.flat_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stem(weight: f32) -> OpWeights {
        OpWeights { weight: vec![weight; 27], bias: vec![0.5] }
    }

    const CONV1: Op = Op { kind: OpKind::StemConv1, source: 0, cin: 3, cout: 1, kernel: 3, stride: 2, depthwise: false };

    #[test]
    fn the_stem_has_a_bias_for_each_border() {
        let op = half_op(&CONV1, Some(&stem(0.25)), [100.0, 118.0, 128.0]).unwrap();
        let per_tap = 0.25 * (28.0 + 10.0);
        assert_eq!(op.bias, [9.0, 6.0, 6.0, 4.0].map(|taps| 0.5 + taps * per_tap));
    }

    #[test]
    fn a_step_beyond_half_precision_is_named() {
        let map = |value: f32| Map { rows: 1, columns: 1, channels: 2, data: vec![1.0, value] };
        let mut seen = Seen::default();
        let norm = Step::StageNorm { module: 0, branch: 0 };
        seen.op(Step::Stem, 0, OpKind::StemConv1, &map(0.0), &mut map(-7.0));
        seen.op(Step::Stem, 1, OpKind::StemConv2, &map(0.0), &mut map(3.0));
        seen.op(norm, 0, OpKind::StageNorm, &map(0.0), &mut map(-70000.0));
        assert_eq!((seen.0.len(), seen.0[0].magnitude, seen.0[0].op), (2, 7.0, Some(OpKind::StemConv1)));
        let error = refuse_overflow(&seen.0).unwrap_err().to_string();
        assert!(error.contains("m1.norm.0 reaches 70000") && !error.contains("stem"), "{error}");
        refuse_overflow(&seen.0[..1]).unwrap();
    }

    #[test]
    fn a_weight_beyond_half_precision_is_an_error_that_says_so() {
        let error = half_op(&CONV1, Some(&stem(1e5)), [0.0; 3]).unwrap_err();
        assert!(error.to_string().contains("100000 is beyond half precision"), "{error}");
    }
}
