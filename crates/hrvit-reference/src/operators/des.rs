//! The diversity-enhancing shortcut: x `[k·p]` of every token viewed as `[k, p]`, one projection
//! along p, one along k (paper, equation 5).
//!
//! Both functions keep the `[k, p]` order of the channels, so that nothing is ever transposed.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use super::linear::{matmul, repeat};
use crate::map::Map;
use crate::wide;

/// `y[i][o] = Σ_j weight[o][j] · x[i][j] + bias[o]` for i < k: the projection along p; `weight` is
/// `[p, p]`.
pub fn right(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let p = bias.len();
    let columns: Vec<f32> = (0..p).flat_map(|j| (0..p).map(move |o| weight[o * p + j])).collect();
    let mut y = Map { data: repeat(bias, x.data.len() / p), ..*x };
    match p {
        4 => rows::<4>(&x.data, &columns, &mut y.data),
        8 => rows::<8>(&x.data, &columns, &mut y.data),
        16 => rows::<16>(&x.data, &columns, &mut y.data),
        _ => matmul(&x.data, &columns, p, &mut y.data),
    }
    y
}

wide! {
    /// `y[i] += Σ_j x[i][j] · columns[j]` for rows of `P` values.
    fn rows ['a, const P: usize] ['a, P] (x: &'a [f32], columns: &'a [f32], y: &'a mut [f32]) -> () {
        let columns: &[[f32; P]] = columns.as_chunks().0;
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
}

/// `y[o][j] = Σ_i weight[o][i] · x[i][j] + bias[o]` for j < p: the projection along k; `weight` is
/// `[k, k]`.
pub fn left(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let k = bias.len();
    let p = x.channels / k;
    let mut y = Map::zeros(x.rows, x.columns, x.channels);
    match p {
        4 => sums::<4>(x, weight, bias, &mut y),
        8 => sums::<8>(x, weight, bias, &mut y),
        16 => sums::<16>(x, weight, bias, &mut y),
        _ => {
            for (token, out) in x.data.chunks_exact(x.channels).zip(y.data.chunks_exact_mut(x.channels)) {
                for ((out, weights), &b) in out.chunks_exact_mut(p).zip(weight.chunks_exact(k)).zip(bias) {
                    out.fill(b);
                    for (row, &w) in token.chunks_exact(p).zip(weights) {
                        for (sum, &value) in out.iter_mut().zip(row) {
                            *sum += w * value;
                        }
                    }
                }
            }
        }
    }
    y
}

wide! {
    /// [`left`] for rows of `P` values.
    fn sums ['a, const P: usize] ['a, P] (x: &'a Map, weight: &'a [f32], bias: &'a [f32], y: &'a mut Map) -> () {
        for (token, out) in x.data.chunks_exact(x.channels).zip(y.data.chunks_exact_mut(x.channels)) {
            for ((out, weights), &b) in out.as_chunks_mut::<P>().0.iter_mut().zip(weight.chunks_exact(bias.len())).zip(bias) {
                let mut sums = [b; P];
                for (row, &w) in token.as_chunks::<P>().0.iter().zip(weights) {
                    for i in 0..P {
                        sums[i] += w * row[i];
                    }
                }
                *out = sums;
            }
        }
    }
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
