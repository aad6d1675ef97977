//! LayerNorm and BatchNorm. Sums are taken in f64.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use crate::map::Map;
use crate::wide;

/// Added to every variance, LayerNorm's and BatchNorm's.
pub const EPSILON: f64 = 1e-5;

/// `(x - mean) / √(var + ε)` over the channels of every token.
pub fn normalise(x: &Map) -> Map {
    let mut y = x.clone();
    normalise_tokens(&mut y);
    y
}

wide! {
    fn normalise_tokens ['a] ['a] (y: &'a mut Map) -> () {
        let count = y.channels as f64;
        for token in y.data.chunks_exact_mut(y.channels) {
            let mean = sum(token, |v| v) / count;
            let variance = sum(token, |v| (v - mean) * (v - mean)) / count;
            let scale = 1.0 / (variance + EPSILON).sqrt();
            for v in token {
                *v = ((f64::from(*v) - mean) * scale) as f32;
            }
        }
    }
}

/// Sum of `f` over the values, in eight interleaved parts.
#[inline(always)]
fn sum(values: &[f32], f: impl Fn(f64) -> f64) -> f64 {
    let (blocks, rest) = values.as_chunks::<8>();
    let mut sums = [0.0; 8];
    for block in blocks {
        for i in 0..8 {
            sums[i] += f(f64::from(block[i]));
        }
    }
    sums.iter().sum::<f64>() + rest.iter().map(|&v| f(f64::from(v))).sum::<f64>()
}

/// [`normalise`], then `gamma · y + beta` per channel.
pub fn layer_norm(x: &Map, gamma: &[f32], beta: &[f32]) -> Map {
    let mut y = normalise(x);
    affine(&mut y, gamma, beta);
    y
}

wide! {
    fn affine ['a] ['a] (y: &'a mut Map, gamma: &'a [f32], beta: &'a [f32]) -> () {
        for token in y.data.chunks_exact_mut(y.channels) {
            for ((v, &g), &b) in token.iter_mut().zip(gamma).zip(beta) {
                *v = *v * g + b;
            }
        }
    }
}

/// A BatchNorm at inference as what it is: `scale · x + shift` per channel.
#[derive(Clone, Debug, PartialEq)]
pub struct ScaleShift {
    /// `gamma / √(running_var + ε)`.
    pub scale: Vec<f64>,
    /// `beta - running_mean · scale`.
    pub shift: Vec<f64>,
}

impl ScaleShift {
    /// From a BatchNorm's four tensors.
    pub fn new(gamma: &[f32], beta: &[f32], mean: &[f32], variance: &[f32]) -> Self {
        let scale: Vec<f64> = gamma.iter().zip(variance).map(|(&g, &v)| f64::from(g) / (f64::from(v) + EPSILON).sqrt()).collect();
        let shift = beta.iter().zip(mean).zip(&scale).map(|((&b, &m), s)| f64::from(b) - f64::from(m) * s).collect();
        Self { scale, shift }
    }

    /// Applies it to every token in place.
    pub fn apply(&self, x: &mut Map) {
        for token in x.data.chunks_exact_mut(x.channels) {
            for ((v, scale), shift) in token.iter_mut().zip(&self.scale).zip(&self.shift) {
                *v = (f64::from(*v) * scale + shift) as f32;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_of_equal_values_becomes_beta() {
        let x = Map { rows: 1, columns: 1, channels: 4, data: vec![7.0; 4] };
        assert_eq!(layer_norm(&x, &[2.0; 4], &[0.5; 4]).data, [0.5; 4]);
    }

    #[test]
    fn a_normalised_token_has_mean_zero_and_variance_one() {
        let y = normalise(&Map { rows: 1, columns: 1, channels: 4, data: vec![1.0, 2.0, 3.0, 6.0] });
        let variance = y.data.iter().map(|v| v * v).sum::<f32>() / 4.0;
        assert!(y.data.iter().sum::<f32>().abs() < 1e-6 && (variance - 1.0).abs() < 1e-5);
    }
}
