//! Attention in codes: what the engine makes of rounded q and v, and how wide its exponent codes
//! must be.

use anyhow::{Context, Result};
use hrvit_format::{Network, OpKind, Size, Step};
use hrvit_kernels::{Kernels, StripS16, attention_s8::Strip, contract::max_keys, exp_table};
use hrvit_reference::{Map, wide};

use super::{
    encode,
    format::{Grid, nearest},
    operator::{MEAN_FRACTION_S8, MEAN_FRACTION_S16, QuantOp},
    report::Noise,
};

/// Bound on a block's loss by 8-bit codes, in dB of its result's SQNR inside the quantised network.
/// Even if the losses of some twenty blocks added up on their way to the logits, they would stay at
/// about 1 dB.
pub const MOST_LOSS: f64 = 0.05;

/// Widest exponent codes that the strips of an attention step allow at an input of `size`.
///
/// # Errors
/// If `step` is no attention, or its strips are too long for any width.
pub fn widest(network: &Network, size: Size, step: Step) -> Result<u8> {
    let Step::Attention { branch, .. } = step else { anyhow::bail!("{step} is no attention") };
    let (rows, columns) = size.map(usize::from(branch));
    let window = network.spec.window(usize::from(branch));
    let keys = (window.min(rows) * columns).max(window.min(columns) * rows);
    [15, 8]
        .into_iter()
        .find(|&bits| max_keys(bits).is_some_and(|most| keys <= most))
        .with_context(|| format!("{step}: a strip of {keys} keys is longer than any code width allows"))
}

/// Loss of a block's result by narrower codes, in dB: negative where they happen to be better.
pub fn loss_db(wide: Noise, narrow: Noise) -> f64 {
    10.0 * (narrow.error.max(f64::MIN_POSITIVE) / wide.error.max(f64::MIN_POSITIVE)).log10()
}

/// The weighted means of one attention step by the engine's own kernel.
pub struct CodedAttention {
    kernels: Kernels,
    exp: [u16; 64],
    grid: Grid,
    heads: usize,
    /// Whether keys are not the values.
    own_keys: bool,
    window: usize,
    bits: u8,
    mult: Vec<i32>,
    shift: Vec<u8>,
}

impl CodedAttention {
    /// Of the step whose operators are `ops`; `None` if that is no attention.
    pub fn of(network: &Network, ops: &[QuantOp]) -> Option<Self> {
        let scores = ops.iter().find(|op| op.op.kind == OpKind::Scores)?;
        Self::with_bits(network, ops, scores.code_bits)
    }

    /// [`CodedAttention::of`] with codes of another width.
    pub fn with_bits(network: &Network, ops: &[QuantOp], bits: u8) -> Option<Self> {
        let scores = ops.iter().find(|op| op.op.kind == OpKind::Scores)?;
        let encode::Multipliers { mult, shift, .. } = encode::multipliers(&scores.distances());
        let window = network.spec.window(scores.op.source.into());
        let (kernels, exp, heads) = (Kernels::detect(), exp_table(), scores.op.cout.into());
        let own_keys = network.spec.ablation().own_keys;
        Some(Self { kernels, exp, grid: scores.input.clone(), heads, own_keys, window, bits, mult, shift })
    }

    /// Weighted means `[rows, columns, C]` in real numbers of `[q, v]` or `[q, k, v]`, whose values
    /// are those of codes.
    ///
    /// # Panics
    /// If `qv` has strips that are too long for the width.
    pub fn values(&self, qv: &Map) -> Map {
        let channels = qv.channels / if self.own_keys { 3 } else { 2 };
        let mut values = Map { rows: qv.rows, columns: qv.columns, channels, data: vec![0.0; qv.tokens() * channels] };
        let inverse: Vec<f64> = (0..qv.channels).map(|c| self.grid.scale_of(c).recip()).collect();
        let mut codes = vec![0; qv.data.len()];
        to_codes(&qv.data, &inverse, &mut codes);
        let mut scratch = Scratch::default();
        for head in 0..self.heads {
            // The first half of the heads attends in strips of rows, the second in strips of
            // columns.
            let in_rows = head < self.heads / 2;
            let length = if in_rows { qv.rows } else { qv.columns };
            for start in (0..length).step_by(self.window) {
                let end = (start + self.window).min(length);
                let (rows, columns) = if in_rows { (start..end, 0..qv.columns) } else { (0..qv.rows, start..end) };
                let tokens = rows.flat_map(|row| columns.clone().map(move |column| row * qv.columns + column));
                self.attend(head, tokens, &codes, &mut scratch, &mut values);
            }
        }
        values
    }

    /// One head on the strip of `tokens`, of the codes of `[q, v]`; as in the engine, of `[q, 0]`
    /// and `[k, v]` where keys are not the values.
    fn attend(&self, head: usize, tokens: impl Iterator<Item = usize> + Clone, codes: &[i16], scratch: &mut Scratch, values: &mut Map) {
        let (channels, dim) = (values.channels, values.channels / self.heads);
        let own = head * dim..(head + 1) * dim;
        let (all, attended) = if self.own_keys { (3 * channels, 2 * dim) } else { (2 * channels, dim) };
        scratch.q.clear();
        scratch.v.clear();
        for token in tokens.clone() {
            let (q, kv) = codes[all * token..all * (token + 1)].split_at(channels);
            scratch.q.extend_from_slice(&q[own.clone()]);
            scratch.q.extend(std::iter::repeat_n(0, attended - dim));
            kv.chunks_exact(channels).for_each(|part| scratch.v.extend_from_slice(&part[own.clone()]));
        }
        scratch.scores.resize(scratch.v.len() / attended, 0);
        scratch.out.resize(scratch.q.len(), 0);
        let (mult, shift, exp) = (self.mult[head], self.shift[head], &self.exp);
        let (done, fraction) = if self.grid.largest() > 128 {
            let strip = StripS16 { q: &scratch.q, v: &scratch.v, dim: attended, mult, shift, exp };
            (self.kernels.attention_s16(&strip, &mut scratch.scores, &mut scratch.out), MEAN_FRACTION_S16)
        } else {
            let [q, v] = [&scratch.q, &scratch.v].map(|codes| codes.iter().map(|&code| code as i8).collect::<Vec<_>>());
            let strip = Strip { q: &q, v: &v, dim: attended, mult, shift, exp, bits: self.bits };
            (self.kernels.attention_s8(&strip, &mut scratch.scores, &mut scratch.out), MEAN_FRACTION_S8)
        };
        done.expect("the strip fits the width of the codes");
        let scales: Vec<f64> = own.clone().map(|c| self.grid.scale_of(all - channels + c)).collect();
        for (token, out) in tokens.zip(scratch.out.chunks_exact(attended)) {
            let values = &mut values.data[token * channels..][own.clone()];
            for ((value, &mean), scale) in values.iter_mut().zip(&out[attended - dim..]).zip(&scales) {
                *value = (f64::from(mean) / fraction * scale) as f32;
            }
        }
    }
}

wide! {
    /// Codes of tokens whose values are those of codes, zero point 0.
    fn to_codes ['a] ['a] (values: &'a [f32], inverse: &'a [f64], codes: &'a mut [i16]) -> () {
        for (values, codes) in values.chunks_exact(inverse.len()).zip(codes.chunks_exact_mut(inverse.len())) {
            for ((value, inverse), code) in values.iter().zip(inverse).zip(codes) {
                *code = nearest(f64::from(*value) * inverse) as i32 as i16;
            }
        }
    }
}

/// Codes of one strip.
#[derive(Default)]
struct Scratch {
    q: Vec<i16>,
    v: Vec<i16>,
    scores: Vec<i32>,
    out: Vec<i16>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use hrvit_format::{Head, Op, Spec};

    /// A branch 0 of nano: two heads of 16 channels.
    fn attention(bits: u8) -> (Network, CodedAttention) {
        let network = Network { spec: Spec::variant("nano").unwrap(), head: Head::Segformer, classes: 2 };
        let channels = network.spec.channels(0);
        let op = Op { kind: OpKind::Scores, source: 0, cin: channels, cout: network.spec.attention_heads(0), kernel: 0, stride: 1, depthwise: false };
        let grid = Grid { scale: vec![1.0 / 32.0; 2 * usize::from(channels)], zero: vec![0], lo: -127, hi: 127 };
        let scores = QuantOp { output: None, code_bits: bits, ..QuantOp::plain(op, grid, Grid::wide(1.0)) };
        let coded = CodedAttention::of(&network, &[scores]).unwrap();
        (network, coded)
    }

    /// Codes as the grid of [`attention`] has them, up to `largest` of 127.
    fn qv(network: &Network, rows: usize, columns: usize, largest: u64) -> Map {
        let channels = 2 * usize::from(network.spec.channels(0));
        let mut random = crate::quantize::sample::SplitMix(7);
        let mut code = || (random.next_u64() % (2 * largest + 1)) as f32 - largest as f32;
        Map { rows, columns, channels, data: (0..rows * columns * channels).map(|_| code() / 32.0).collect() }
    }

    /// The float softmax on the same values.
    fn exact(network: &Network, qv: &Map) -> Map {
        use hrvit_reference::operators::attention::{Softmax, cross_shaped};
        cross_shaped(qv, false, network.spec.window(0), network.spec.attention_dim(0).into(), Softmax::Base2).values
    }

    #[test]
    fn codes_come_close_to_the_softmax_and_wider_ones_closer() {
        // Neither side is a multiple of the window: the last strips are partial.
        let noise = |bits| {
            let (network, coded) = attention(bits);
            let qv = qv(&network, 5, 7, 40);
            Noise::between(&exact(&network, &qv).data, &coded.values(&qv).data)
        };
        let (wide, narrow) = (noise(15), noise(8));
        assert!(wide.decibels().unwrap() > 40.0, "{wide:?}");
        assert!(narrow.decibels().unwrap() > 30.0 && loss_db(wide, narrow) > 0.0, "{narrow:?}");
    }

    #[test]
    fn a_loss_is_the_ratio_of_errors() {
        let noise = |error| Noise { signal: 1.0, error };
        assert!((loss_db(noise(1.0), noise(10.0)) - 10.0).abs() < 1e-12);
        assert!(loss_db(noise(2.0), noise(1.0)) < 0.0);
        assert_eq!(loss_db(noise(0.0), noise(0.0)), 0.0);
    }

    #[test]
    fn strips_beyond_518_keys_take_8_bits_whatever_they_lose() {
        let (network, _) = attention(8);
        let step = Step::Attention { module: 1, branch: 0, block: 0 };
        let bits = |height, width| widest(&network, Size::new(height, width).unwrap(), step).unwrap();
        let window = network.spec.window(0);
        let longest = 4 * (518 / window / 32 * 8) as u16;
        assert_eq!((bits(64, longest), bits(64, 4096)), (15, 8));
        assert!(widest(&network, Size::new(64, 64).unwrap(), Step::Stem).unwrap_err().to_string().contains("no attention"));
    }
}
