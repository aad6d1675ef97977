//! Cross-shaped attention (paper, equations 3 and 4): the first half of the heads attends in
//! horizontal strips, the second half in vertical ones; keys are the values.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use super::linear::{matmul, matmul_transposed};
use crate::map::Map;
use crate::wide;

/// How logits become weights.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Softmax {
    /// `e^(q·v · scale - max)` over its sum.
    Natural {
        /// Factor of the logits, `1 / √d`.
        scale: f32,
    },
    /// `2^(q·v - max)` over its sum; the scale is in q.
    Base2,
}

/// Results of [`cross_shaped`].
pub struct Attention {
    /// `[rows, columns, C]`: per query and head, the weighted mean of the strip's values.
    pub values: Map,
    /// `[rows, columns, heads]`: largest minus smallest logit of the query (scaled as the softmax
    /// sees them).
    pub ranges: Map,
}

/// Strips of `window` full rows, or full columns, starting at 0; the last one has what is left.
#[derive(Clone, Copy)]
enum Strips {
    Horizontal,
    Vertical,
}

impl Strips {
    /// Token numbers of every strip of a `rows` x `columns` map.
    fn tokens(self, rows: usize, columns: usize, window: usize) -> Vec<Vec<usize>> {
        let length = match self {
            Self::Horizontal => rows,
            Self::Vertical => columns,
        };
        let strip = |start: usize| {
            let end = (start + window).min(length);
            match self {
                Self::Horizontal => (start * columns..end * columns).collect(),
                Self::Vertical => (0..rows).flat_map(|row| (start..end).map(move |column| row * columns + column)).collect(),
            }
        };
        (0..length).step_by(window).map(strip).collect()
    }
}

/// Attention of `qv` = `[q, v]`, `[rows, columns, 2C]`, with heads of `dim` channels; with keys of
/// their own of `[q, k, v]`, 3C channels. Head h owns channels `h·dim..(h+1)·dim` of each.
pub fn cross_shaped(qv: &Map, own_keys: bool, window: usize, dim: usize, softmax: Softmax) -> Attention {
    let c = qv.channels / if own_keys { 3 } else { 2 };
    let heads = c / dim;
    let mut out = Attention { values: Map::zeros(qv.rows, qv.columns, c), ranges: Map::zeros(qv.rows, qv.columns, heads) };
    let mut scratch = Scratch::default();
    for (strips, half) in [(Strips::Horizontal, 0..heads / 2), (Strips::Vertical, heads / 2..heads)] {
        for tokens in strips.tokens(qv.rows, qv.columns, window) {
            for head in half.clone() {
                scratch.attend(qv, &tokens, (head, dim), softmax, &mut out);
            }
        }
    }
    out
}

/// One strip of one head: q, k and v `[keys, dim]`, logits `[keys, keys]`, result `[keys, dim]`.
#[derive(Default)]
struct Scratch {
    q: Vec<f32>,
    /// Keys that are not the values; empty otherwise.
    k: Vec<f32>,
    v: Vec<f32>,
    logits: Vec<f32>,
    result: Vec<f32>,
}

impl Scratch {
    fn attend(&mut self, qv: &Map, tokens: &[usize], (head, dim): (usize, usize), softmax: Softmax, out: &mut Attention) {
        let c = out.values.channels;
        let own_keys = qv.channels == 3 * c;
        let channels = head * dim..(head + 1) * dim;
        self.q.clear();
        self.k.clear();
        self.v.clear();
        for &token in tokens {
            let token = &qv.data[token * qv.channels..(token + 1) * qv.channels];
            self.q.extend_from_slice(&token[channels.clone()]);
            if own_keys {
                self.k.extend_from_slice(&token[c..][channels.clone()]);
            }
            self.v.extend_from_slice(&token[qv.channels - c..][channels.clone()]);
        }
        zeros(&mut self.logits, tokens.len() * tokens.len());
        matmul_transposed(&self.q, if own_keys { &self.k } else { &self.v }, dim, &mut self.logits);
        zeros(&mut self.result, tokens.len() * dim);
        self.q.clear();
        // q has been read: its room keeps the sums.
        self.q.resize(tokens.len(), 0.0);
        exponentiate_rows(&mut self.logits, softmax, &mut self.q, tokens, head, &mut out.ranges);
        matmul(&self.logits, &self.v, tokens.len(), &mut self.result);
        for ((row, sum), &token) in self.result.chunks_exact(dim).zip(&self.q).zip(tokens) {
            let to = &mut out.values.data[token * c..(token + 1) * c][channels.clone()];
            for (to, &value) in to.iter_mut().zip(row) {
                *to = value / sum;
            }
        }
    }
}

fn zeros(buffer: &mut Vec<f32>, count: usize) {
    buffer.clear();
    buffer.resize(count, 0.0);
}

/// Values that reductions take at a time, each into its own accumulator: the order of a sum does
/// not depend on the processor's vectors.
const LANES: usize = 16;

wide! {
    /// [`exponentiate`] of a row per token: the sums, and the ranges of one head.
    fn exponentiate_rows ['a] ['a] (logits: &'a mut [f32], softmax: Softmax, sums: &'a mut [f32], tokens: &'a [usize], head: usize, ranges: &'a mut Map) -> () {
        for ((row, &token), sum) in logits.chunks_exact_mut(tokens.len()).zip(tokens).zip(sums) {
            (*sum, ranges.data[token * ranges.channels + head]) = exponentiate(row, softmax);
        }
    }
}

/// Replaces logits by exponentials relative to their largest; gives their sum and the range of the
/// logits.
#[inline(always)]
fn exponentiate(row: &mut [f32], softmax: Softmax) -> (f32, f32) {
    let (mut largest, mut smallest) = ([f32::NEG_INFINITY; LANES], [f32::INFINITY; LANES]);
    let (blocks, rest) = row.as_chunks::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            largest[i] = if block[i] > largest[i] { block[i] } else { largest[i] };
            smallest[i] = if block[i] < smallest[i] { block[i] } else { smallest[i] };
        }
    }
    for (i, &x) in rest.iter().enumerate() {
        largest[i] = if x > largest[i] { x } else { largest[i] };
        smallest[i] = if x < smallest[i] { x } else { smallest[i] };
    }
    let (mut most, mut least) = (f32::NEG_INFINITY, f32::INFINITY);
    for i in 0..LANES {
        most = if largest[i] > most { largest[i] } else { most };
        least = if smallest[i] < least { smallest[i] } else { least };
    }
    let (largest, smallest) = (most, least);
    let (scale, octaves) = match softmax {
        Softmax::Natural { scale } => (scale, scale * std::f32::consts::LOG2_E),
        Softmax::Base2 => (1.0, 1.0),
    };
    let mut sums = [0.0f64; LANES];
    let (blocks, rest) = row.as_chunks_mut::<LANES>();
    for block in blocks {
        for i in 0..LANES {
            block[i] = power_of_two((block[i] - largest) * octaves);
            sums[i] += f64::from(block[i]);
        }
    }
    for (x, sum) in rest.iter_mut().zip(&mut sums) {
        *x = power_of_two((*x - largest) * octaves);
        *sum += f64::from(*x);
    }
    (sums.iter().sum::<f64>() as f32, (largest - smallest) * scale)
}

/// `2^x` of an x that is not positive, within two units in the last place; 2^-126 where it is
/// smaller.
#[inline(always)]
fn power_of_two(x: f32) -> f32 {
    // Adding 1.5 * 2^23 rounds to a whole number and leaves it in the lowest bits.
    const WHOLE: f32 = 12_582_912.0;
    // ln(2)^k / k!
    const SERIES: [f32; 8] = [1.0, std::f32::consts::LN_2, 0.240_226_5, 0.055_504_11, 0.009_618_129, 0.001_333_355_8, 0.000_154_035_3, 0.000_015_252_734];
    let x = if x < -126.0 { -126.0 } else { x };
    let shifted = x + WHOLE;
    let f = x - (shifted - WHOLE);
    let [a, b, c, d, e, g, h, k] = SERIES;
    let power = a + f * (b + f * (c + f * (d + f * (e + f * (g + f * (h + f * k))))));
    power * f32::from_bits((shifted.to_bits() << 23).wrapping_add(1.0f32.to_bits()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strips_cover_every_token_once_and_the_last_may_be_partial() {
        for (rows, columns, window) in [(1, 1, 7), (4, 6, 2), (5, 3, 2), (8, 12, 7)] {
            for strips in [Strips::Horizontal, Strips::Vertical] {
                let mut all: Vec<usize> = strips.tokens(rows, columns, window).concat();
                all.sort_unstable();
                assert_eq!(all, (0..rows * columns).collect::<Vec<_>>(), "{rows}x{columns} window {window}");
            }
        }
    }

    #[test]
    fn powers_of_two_are_within_two_units_in_the_last_place() {
        assert_eq!(
            [0.0, -1.0, -20.0, -126.0, -1e9, f32::NEG_INFINITY].map(power_of_two),
            [1.0, 0.5, 2f32.powi(-20), 2f32.powi(-126), 2f32.powi(-126), 2f32.powi(-126)]
        );
        for i in 0..2_000_000 {
            let x = i as f32 * -6e-5;
            let exact = f64::from(x).exp2();
            assert!((f64::from(power_of_two(x)) - exact).abs() <= exact * 2.0 * f64::from(f32::EPSILON), "2^{x}");
        }
        assert!(power_of_two(f32::NAN).is_nan());
    }

    #[test]
    fn equal_logits_give_the_mean_of_the_strip() {
        // q = 0: every weight is the same. Two rows and columns, window 1, two heads of one
        // channel.
        let v = [[1.0, 10.0], [3.0, 20.0], [5.0, 30.0], [7.0, 40.0]];
        let qv = Map { rows: 2, columns: 2, channels: 4, data: v.iter().flat_map(|&[a, b]| [0.0, 0.0, a, b]).collect() };
        for softmax in [Softmax::Base2, Softmax::Natural { scale: 1.0 }] {
            let out = cross_shaped(&qv, false, 1, 1, softmax);
            assert_eq!(out.values.data, [2.0, 20.0, 2.0, 30.0, 6.0, 20.0, 6.0, 30.0]);
            assert_eq!(out.ranges.data, [0.0; 8]);
        }
    }
}
