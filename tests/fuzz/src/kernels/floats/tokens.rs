//! Attention, LayerNorm and the diversity-enhancing shortcut on f16.

use hrvit_kernels::attention_f16::scratch;
use hrvit_kernels::math_f32::widen;
use hrvit_kernels::{ActivationF16, DesF16, NormF16, StripF16, blocks_f16_index, f16};

use super::super::Entry;
use super::super::operands::{Block, Operands};
use super::super::tokens::strip;
use super::products::blocks;
use super::{Kind, MOST, RELATIVE, magnitude};
use crate::Verdict;

pub(in super::super) const ENTRIES: &[Entry] =
    &[("attention_f16", attention_f16), ("layernorm_f16", layernorm_f16), ("layernorm_f16_in_place", layernorm_f16_in_place), ("des_f16", des_f16)];

/// Multiplications of one call, mostly.
const WORK: usize = 16_000;

/// The largest magnitude of a block.
fn largest(of: &[f16]) -> f32 {
    of.iter().fold(0.0, |largest, x| largest.max(widen(*x).abs()))
}

fn attention_f16(operands: &mut Operands<'_>) -> Verdict {
    let (queries, keys, dim) = strip(operands, 800);
    let kind = Kind::draw(operands);
    let [q, v, out, scores] = [queries * dim, keys * dim, queries * dim, scratch(keys, dim)].map(|len| operands.len(len));
    let (q, v) = (kind.values(operands, q), kind.values(operands, v));
    let args = StripF16 { q: &q, v: &v, dim: operands.count(dim) };
    // A logit off by d makes a power off by less than d of itself, and no average is beyond the
    // values.
    let most = largest(&v);
    let slack = |at: usize| {
        let q = &q[at / args.dim * args.dim..][..args.dim];
        let logits = v.chunks(args.dim).map(|v| v.iter().zip(q).map(|(v, q)| (widen(*q) * widen(*v)).abs()).sum());
        (most * (1.0 / 65_536.0 + 4.0 * RELATIVE * logits.fold(0.0, f32::max))).min(2.0 * most)
    };
    let (start, scores) = (kind.values(operands, out), Kind::Bits.wides(operands, scores));
    operands.agree_f16(&start, slack, |kernels, out| kernels.attention_f16(&args, scores.clone().elements_mut(), out))
}

/// Tokens of a LayerNorm and its parameters.
struct Normalised {
    x: Block<f16>,
    gain: Block<f32>,
    offset: Block<f32>,
    eps: f32,
}

impl Normalised {
    fn draw(operands: &mut Operands<'_>) -> Self {
        let channels = if operands.choices.u8() == 255 { operands.size(8192) } else { operands.size(300) };
        let tokens = operands.repeats(20, channels, 2000);
        let [x, gains, offsets] = [tokens * channels, channels, channels].map(|len| operands.len(len));
        let (kind, params) = (Kind::draw(operands), Kind::draw(operands));
        let constant = kind.value(operands);
        let x = if operands.choices.u8() % 8 == 7 { operands.block(x, |_, _| constant) } else { kind.values(operands, x) };
        let (gain, offset) = (params.wides(operands, gains), params.wides(operands, offsets));
        let eps = operands.choices.pick(&[1e-5, 1e-5, 1.0, f32::MIN_POSITIVE, 1e12, MOST]);
        let eps = operands.parameter(eps, &[0.0, -1.0, f32::NAN, f32::INFINITY, f32::MIN_POSITIVE / 2.0, 2.0 * MOST]);
        Self { x, gain, offset, eps }
    }

    fn view(&self) -> NormF16<'_> {
        NormF16 { gain: &self.gain, offset: &self.offset, eps: self.eps }
    }

    /// Distance that two orders of summation may have in a channel: of C terms, a sum is off by at
    /// most `C * 2^-24` of their magnitudes.
    ///
    /// The conformance suite allows 2^-18 of them instead, which random tokens of its few channels
    /// keep and some of many channels do not.
    fn slack(&self, at: usize) -> f32 {
        let channels = self.gain.len();
        let (token, channel) = (&self.x[at / channels * channels..][..channels], at % channels);
        let (count, relative) = (channels as f64, (channels as f64 * 2f64.powi(-24)).max(4.0 * f64::from(RELATIVE)));
        let mean = token.iter().map(|x| f64::from(widen(*x))).sum::<f64>() / count;
        let variance = token.iter().map(|x| (f64::from(widen(*x)) - mean).powi(2)).sum::<f64>() / count + f64::from(self.eps);
        let off = relative * f64::from(largest(token));
        // Squares around a mean that is off add its square; what that makes of the root, nothing
        // makes more of than all of it.
        let root_off = 2.0 * relative + (off * off / variance).min(1.0);
        let distance = (f64::from(widen(token[channel])) - mean).abs();
        let terms = (2.0 * off + distance * root_off) / variance.sqrt() * f64::from(magnitude(&self.gain, channel));
        terms as f32 + 4.0 * RELATIVE * magnitude(&self.offset, channel)
    }
}

fn layernorm_f16(operands: &mut Operands<'_>) -> Verdict {
    let norm = Normalised::draw(operands);
    let len = operands.len(norm.x.len());
    let start = Kind::Usual.values(operands, len);
    operands.agree_f16(&start, |at| norm.slack(at), |kernels, out| kernels.layernorm_f16(&norm.x, &norm.view(), out))
}

fn layernorm_f16_in_place(operands: &mut Operands<'_>) -> Verdict {
    let norm = Normalised::draw(operands);
    operands.agree_f16(&norm.x, |at| norm.slack(at), |kernels, x| kernels.layernorm_f16_in_place(x, &norm.view()))
}

/// A hidden value is off by a part of its sum's magnitude, which the left factor multiplies.
fn des_f16(operands: &mut Operands<'_>) -> Verdict {
    let (k, p) = (operands.size(33), operands.size(33));
    let tokens = operands.repeats(6, k * p * (k + p), WORK);
    let kind = Kind::draw(operands);
    let [x, out, hidden, lefts, right_biases, left_biases] = [tokens * k * p, tokens * k * p, k * p, k * k, p, k].map(|len| operands.len(len));
    let (x, right, left) = (kind.values(operands, x), blocks(operands, kind, p, p), kind.values(operands, lefts));
    let (right_bias, left_bias) = (kind.wides(operands, right_biases), kind.wides(operands, left_biases));
    let act = operands.choices.pick(&ActivationF16::ALL);
    let args = DesF16 { x: &x, k: operands.count(k), p: operands.count(p), right: &right, right_bias: &right_bias, act, left: &left, left_bias: &left_bias };
    let terms = |at: usize| {
        let (token, o, q) = (at / (k * p), at % (k * p) / p, at % p);
        let hidden = |i: usize| {
            let products = (0..p).map(|j| (widen(x[(token * k + i) * p + j]) * widen(right[blocks_f16_index(p, q, j)])).abs());
            products.sum::<f32>() + magnitude(&right_bias, q)
        };
        (0..k).map(|i| 4.0 * hidden(i) * widen(left[o * k + i]).abs()).sum::<f32>() + magnitude(&left_bias, o)
    };
    let (start, hidden) = (kind.wides(operands, out), Kind::Bits.wides(operands, hidden));
    operands.agree_sums(&start, terms, |kernels, out| kernels.des_f16(&args, hidden.clone().elements_mut(), out))
}
