//! Losses of half precision below its range: numbers under 6.1e-5 have fewer than 11 bits, under
//! 3e-8 none.

use std::fmt;

use ::half::f16;
use anyhow::{Context, Result, bail};
use hrvit_format::{Op, OpKind, Size, Step};
use hrvit_reference::{Folded, Frame, Map, OpWeights, State, Tap};
use rayon::prelude::*;

use super::{
    Frames, Progress,
    half::{self, Peak},
};

/// Least magnitude with all bits, 2^-14.
const LEAST_NORMAL: f32 = 6.103_515_6e-5;
/// Largest error of a smaller number, 2^-25.
const ERROR: f32 = 2.980_232_2e-8;
/// Share of the energy of an operator's weights, lost by underflow, from which it is said: 40 dB,
/// what weights of 8 bits lose.
const LOST: f64 = 1e-4;
/// Share of the largest output, made of the error of one input, from which it is said: eight bits.
const FELT: f32 = 1.0 / 256.0;

/// Something that half precision loses.
#[derive(Clone, Debug, PartialEq)]
pub struct Underflow {
    /// The step.
    pub step: Step,
    /// The operator; none where it is the residual stream.
    pub op: Option<OpKind>,
    /// Kind of loss.
    pub lost: Lost,
}

/// Kind of loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Lost {
    /// All values of a tensor are below the least normal number.
    Values {
        /// The largest.
        largest: f32,
    },
    /// An operator reads channels below the least normal number through weights that make them
    /// large.
    Inputs {
        /// How many channels.
        channels: usize,
        /// Of so many.
        of: usize,
    },
    /// Weights that become subnormal or 0 hold a relevant share of an operator's energy.
    Weights {
        /// The share of the energy that is lost.
        share: f64,
        /// Whether nothing is left but zeros.
        all: bool,
    },
}

impl Underflow {
    /// Whether the network would certainly be wrong: its logits have no weights left.
    pub fn is_fatal(&self) -> bool {
        matches!((self.op, self.lost), (Some(OpKind::HeadClassifier | OpKind::FinalLinear), Lost::Weights { all: true, .. }))
    }
}

impl fmt::Display for Underflow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.op {
            Some(op) => write!(f, "{} {op} ", self.step)?,
            None => write!(f, "{} (residual stream) ", self.step)?,
        }
        match self.lost {
            Lost::Values { largest } => write!(f, "reaches {largest:.1e} only: below {LEAST_NORMAL:.1e} half precision has fewer bits"),
            Lost::Inputs { channels, of } => {
                write!(f, "reads {channels} of {of} channels that stay below {LEAST_NORMAL:.1e} through weights that make their errors large")
            }
            Lost::Weights { all: true, .. } => f.write_str("has weights of which all become 0"),
            Lost::Weights { share, .. } => write!(f, "has weights below {LEAST_NORMAL:.1e}: {:.2} % of their energy is lost", 100.0 * share),
        }
    }
}

/// Warns of the underflow of `steps`.
///
/// # Errors
/// If nothing is left of the logits' weights.
pub fn judge(found: &[Underflow], steps: impl Fn(Step) -> bool) -> Result<Vec<String>> {
    let found: Vec<&Underflow> = found.iter().filter(|one| steps(one.step)).collect();
    if let Some(fatal) = found.iter().find(|one| one.is_fatal()) {
        bail!("{fatal} in half precision: every logit would be its bias; keep the head in 8 bits (--precision auto), or scale the weights");
    }
    let advice = "keep this part in 8 or 16 bits (--precision auto), or scale its weights";
    Ok(found.into_iter().map(|one| format!("underflow of half precision: {one}; {advice}")).collect())
}

/// Underflow of weights, which takes no frames.
pub fn of_weights(folded: &Folded) -> Vec<Underflow> {
    let each = folded.iter().filter_map(|(step, at, weights)| {
        let kind = folded.network().ops(step)[at].kind;
        // Parameters of LayerNorms stay in f32.
        let lost = (!kind.is_norm()).then(|| lost_weights(weights))??;
        Some(Underflow { step, op: Some(kind), lost })
    });
    each.collect()
}

fn lost_weights(weights: &OpWeights) -> Option<Lost> {
    let (mut lost, mut energy, mut left) = (0.0, 0.0, false);
    for &weight in &weights.weight {
        let rounded = f16::from_f32(weight);
        left |= rounded.to_f32() != 0.0;
        energy += f64::from(weight).powi(2);
        if weight.abs() < LEAST_NORMAL {
            lost += (f64::from(weight) - rounded.to_f64()).powi(2);
        }
    }
    (energy > 0.0 && lost / energy > LOST).then_some(Lost::Weights { share: lost / energy, all: !left })
}

/// Every step's [`Peak`] in the float network over `frames`, and the underflow of its values, in
/// one pass.
///
/// # Errors
/// If there is no frame, or one cannot be read.
pub fn peaks_and_underflow(folded: &Folded, size: Size, frames: &dyn Frames, progress: &dyn Progress) -> Result<(Vec<Peak>, Vec<Underflow>)> {
    progress.begin("looking for overflow and underflow", frames.len());
    let each = (0..frames.len()).into_par_iter().map(|at| -> Result<(Vec<Peak>, Seen)> {
        let mut state = State::new(Frame::new(size, frames.rgb(at)?)?);
        let mut both = Both::default();
        for step in folded.network().steps() {
            folded.step(step, &mut state, &mut both);
        }
        progress.advance(1);
        Ok((both.peaks.0, both.seen))
    });
    let merged = each.try_reduce_with(|all, one| Ok((half::larger(all.0, &one.0), all.1.and(&one.1))));
    let (peaks, seen) = merged.context("looking for overflow needs at least one frame")??;
    Ok((peaks, seen.0.iter().flat_map(|tensor| tensor.underflow(folded)).collect()))
}

/// Collects for both ends of half precision.
#[derive(Default)]
struct Both {
    peaks: half::Seen,
    seen: Seen,
}

impl Tap for Both {
    fn op(&mut self, step: Step, op: usize, kind: OpKind, input: &Map, output: &mut Map) {
        self.peaks.op(step, op, kind, input, output);
        self.seen.op(step, op, kind, input, output);
    }

    fn residual(&mut self, step: Step, x: &mut Map) {
        self.peaks.residual(step, x);
        self.seen.residual(step, x);
    }
}

/// Largest magnitudes of one operator, or of the stream behind a step.
#[derive(Clone, Debug)]
struct Tensor {
    step: Step,
    op: Option<(usize, OpKind)>,
    /// Per channel of what it reads.
    input: Vec<f32>,
    /// Of what it leaves.
    output: f32,
}

impl Tensor {
    fn underflow(&self, folded: &Folded) -> Vec<Underflow> {
        let found = |lost| Underflow { step: self.step, op: self.op.map(|(_, kind)| kind), lost };
        let values = (self.output > 0.0 && self.output < LEAST_NORMAL).then_some(Lost::Values { largest: self.output });
        let inputs = self.op.and_then(|(at, _)| self.lost_inputs(&folded.network().ops(self.step)[at], folded.weights(self.step, at)?));
        values.into_iter().chain(inputs).map(found).collect()
    }

    /// Channels whose error is felt in the output.
    fn lost_inputs(&self, op: &Op, weights: &OpWeights) -> Option<Lost> {
        // The shortcut's weights belong to groups of channels.
        let shortcut = matches!(op.kind, OpKind::DesRight | OpKind::DesLeft);
        if op.kind.is_norm() || op.depthwise || shortcut || self.input.is_empty() || self.output <= 0.0 {
            return None;
        }
        let channels = self.input.len();
        let mut largest = vec![0.0f32; channels];
        weights.weight.iter().enumerate().for_each(|(at, weight)| largest[at % channels] = largest[at % channels].max(weight.abs()));
        let is_felt = |(seen, weight): &(&f32, f32)| **seen > 0.0 && **seen < LEAST_NORMAL && weight * ERROR > FELT * self.output;
        let felt = self.input.iter().zip(largest).filter(is_felt).count();
        (felt > 0).then_some(Lost::Inputs { channels: felt, of: channels })
    }
}

/// Collects magnitudes operator by operator.
#[derive(Default)]
struct Seen(Vec<Tensor>);

impl Seen {
    /// The larger ones of both.
    fn and(mut self, other: &Self) -> Self {
        for (all, one) in self.0.iter_mut().zip(&other.0) {
            all.output = all.output.max(one.output);
            all.input.iter_mut().zip(&one.input).for_each(|(a, b)| *a = a.max(*b));
        }
        self
    }
}

impl Tap for Seen {
    fn op(&mut self, step: Step, op: usize, kind: OpKind, input: &Map, output: &mut Map) {
        let mut channels = vec![0.0f32; input.channels];
        for token in input.data.chunks_exact(input.channels.max(1)) {
            channels.iter_mut().zip(token).for_each(|(most, x)| *most = most.max(x.abs()));
        }
        self.0.push(Tensor { step, op: Some((op, kind)), input: channels, output: largest(output) });
    }

    fn residual(&mut self, step: Step, x: &mut Map) {
        self.0.push(Tensor { step, op: None, input: Vec::new(), output: largest(x) });
    }
}

fn largest(map: &Map) -> f32 {
    map.data.iter().fold(0f32, |most, x| most.max(x.abs()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP: Step = Step::MixCfn { module: 0, branch: 0, block: 0 };

    fn weights(weight: &[f32]) -> OpWeights {
        OpWeights { weight: weight.to_vec(), bias: vec![0.0] }
    }

    #[test]
    fn small_weights_count_by_their_share_of_the_energy() {
        assert_eq!(lost_weights(&weights(&[0.5, -0.25, 0.0])), None);
        assert_eq!(lost_weights(&weights(&[0.5, 1e-9, 1e-9])), None, "beside large ones they are nothing");
        assert_eq!(lost_weights(&weights(&[0.0; 3])), None, "zeros stay");
        let Some(Lost::Weights { share, all: false }) = lost_weights(&weights(&[1e-7, 4e-8, 9e-8])) else { panic!("weights of one or two units") };
        assert!(share > 0.01 && share < 1.0, "{share}");
        assert_eq!(lost_weights(&weights(&[1e-9, -2e-9])), Some(Lost::Weights { share: 1.0, all: true }));
        assert_eq!(lost_weights(&weights(&[5e-5, 4e-5])), None, "subnormal, with ten bits");
    }

    #[test]
    fn a_tensor_and_channels_below_the_least_normal_number_are_named() {
        let op = Op { kind: OpKind::Fc2, source: 0, cin: 2, cout: 1, kernel: 1, stride: 1, depthwise: false };
        let tensor = |input: &[f32], output| Tensor { step: STEP, op: Some((4, OpKind::Fc2)), input: input.to_vec(), output };
        let felt = tensor(&[1.0, 1e-6], 1.0).lost_inputs(&op, &weights(&[1.0, 1e6]));
        assert_eq!(felt, Some(Lost::Inputs { channels: 1, of: 2 }));
        assert_eq!(tensor(&[1.0, 1e-6], 1.0).lost_inputs(&op, &weights(&[1.0, 10.0])), None, "its error is not felt");
        assert_eq!(tensor(&[1.0, 1e-3], 1.0).lost_inputs(&op, &weights(&[1.0, 1e6])), None, "it has all its bits");
        let said = Underflow { step: STEP, op: Some(OpKind::Fc2), lost: Lost::Inputs { channels: 1, of: 2 } }.to_string();
        assert!(said.contains("m1.branch.0.0.ffn fc2 reads 1 of 2 channels"), "{said}");
    }

    #[test]
    fn only_logits_without_weights_are_refused() {
        let lost = Lost::Weights { share: 1.0, all: true };
        let of = |op| [Underflow { step: Step::Logits, op: Some(op), lost }];
        let error = judge(&of(OpKind::HeadClassifier), |_| true).unwrap_err().to_string();
        assert!(error.contains("head.logits") && error.contains("every logit would be its bias"), "{error}");
        assert!(judge(&of(OpKind::HeadClassifier), |_| false).unwrap().is_empty(), "the head has another precision");
        let said = judge(&of(OpKind::HeadPointwise), |_| true).unwrap();
        assert!(said.len() == 1 && said[0].contains("all become 0") && said[0].contains("--precision auto"), "{said:?}");
    }

    #[test]
    fn the_largest_of_all_frames_counts() {
        let map = |value: f32| Map { rows: 1, columns: 1, channels: 2, data: vec![0.0, value] };
        let seen = |value| {
            let mut seen = Seen::default();
            seen.op(STEP, 0, OpKind::Fc1, &map(value), &mut map(-2.0 * value));
            seen.residual(STEP, &mut map(value));
            seen
        };
        let both = seen(1e-6).and(&seen(2e-5));
        assert_eq!((both.0.len(), both.0[0].output, &both.0[0].input[..], both.0[1].output), (2, 4e-5, &[0.0, 2e-5][..], 2e-5));
        assert_eq!(both.0[1].op, None);
    }
}
