//! The diversity-enhancing shortcut: x `[k·p]` of every token viewed as `[k, p]`, one projection along p, one along k (paper, section 3.4).
//!
//! Both functions keep the `[k, p]` order of the channels, so that nothing is ever transposed.

use super::{
    linear::{matmul, repeat},
    wide,
};
use crate::map::Map;

/// `y[i][o] = Σ_j weight[o][j] · x[i][j] + bias[o]` for i < k: the projection along p; `weight` is `[p, p]`.
pub fn right(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let p = bias.len();
    let columns: Vec<f32> = (0..p).flat_map(|j| (0..p).map(move |o| weight[o * p + j])).collect();
    let mut y = Map { data: repeat(bias, x.data.len() / p), ..*x };
    wide(|| match p {
        8 => rows::<8>(&x.data, &columns, &mut y.data),
        16 => rows::<16>(&x.data, &columns, &mut y.data),
        _ => matmul(&x.data, &columns, p, &mut y.data),
    });
    y
}

/// `y[i] += Σ_j x[i][j] · columns[j]` for rows of `P` values.
#[inline(always)]
fn rows<const P: usize>(x: &[f32], columns: &[f32], y: &mut [f32]) {
    let columns = columns.as_chunks::<P>().0;
    for (x, y) in x.as_chunks::<P>().0.iter().zip(y.as_chunks_mut::<P>().0) {
        let mut sums = *y;
        for (&x, column) in x.iter().zip(columns) {
            for i in 0..P {
                sums[i] += x * column[i];
            }
        }
        *y = sums;
    }
}

/// `y[o][j] = Σ_i weight[o][i] · x[i][j] + bias[o]` for j < p: the projection along k; `weight` is `[k, k]`.
pub fn left(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let k = bias.len();
    let p = x.channels / k;
    let mut y = Map::zeros(x.rows, x.columns, x.channels);
    let tokens = x.data.chunks_exact(x.channels).zip(y.data.chunks_exact_mut(x.channels));
    wide(|| {
        for (token, out) in tokens {
            for ((out, weights), &b) in out.chunks_exact_mut(p).zip(weight.chunks_exact(k)).zip(bias) {
                match p {
                    8 => sum::<8>(token, weights, b, out),
                    16 => sum::<16>(token, weights, b, out),
                    _ => (0..p).for_each(|j| out[j] = weights.iter().zip(token.chunks_exact(p)).fold(b, |sum, (&w, row)| sum + w * row[j])),
                }
            }
        }
    });
    y
}

/// `b + Σ_i weights[i] · token[i]` for rows of `P` values.
#[inline(always)]
fn sum<const P: usize>(token: &[f32], weights: &[f32], b: f32, out: &mut [f32]) {
    let mut sums = [b; P];
    for (row, &w) in token.as_chunks::<P>().0.iter().zip(weights) {
        for i in 0..P {
            sums[i] += w * row[i];
        }
    }
    out.copy_from_slice(&sums);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn right_mixes_within_rows_and_left_across_rows() {
        // k = 2, p = 4; x = [[1 2 3 4] [5 6 7 8]].
        let x = Map { rows: 1, columns: 1, channels: 8, data: (1..=8).map(|v| v as f32).collect() };
        let reverse = [0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
        assert_eq!(right(&x, &reverse, &[0.0, 0.0, 0.0, 0.5]).data, [4.0, 3.0, 2.0, 1.5, 8.0, 7.0, 6.0, 5.5]);
        assert_eq!(left(&x, &[1.0, 1.0, 0.0, 2.0], &[0.0, 1.0]).data, [6.0, 8.0, 10.0, 12.0, 11.0, 13.0, 15.0, 17.0]);
    }
}
