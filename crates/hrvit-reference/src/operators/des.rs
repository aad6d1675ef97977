//! The diversity-enhancing shortcut: x `[k·p]` of every token viewed as `[k, p]`, one projection along p, one along k (paper, section 3.4).
//!
//! Both functions keep the `[k, p]` order of the channels, so that nothing is ever transposed.

use super::linear::{matmul_transposed, repeat};
use crate::map::Map;

/// `y[i][o] = Σ_j weight[o][j] · x[i][j] + bias[o]` for i < k: the projection along p; `weight` is `[p, p]`.
pub fn right(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let mut y = Map { data: repeat(bias, x.data.len() / bias.len()), ..*x };
    matmul_transposed(&x.data, weight, bias.len(), &mut y.data);
    y
}

/// `y[o][j] = Σ_i weight[o][i] · x[i][j] + bias[o]` for j < p: the projection along k; `weight` is `[k, k]`.
pub fn left(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let k = bias.len();
    let p = x.channels / k;
    let mut y = Map::zeros(x.rows, x.columns, x.channels);
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
    y
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
