//! Linear layers and the GEMM below everything dense.

use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};

use crate::map::Map;

/// `y[t][o] = Σ_i x[t][i] · weight[o][i] + bias[o]` for every token t. `weight` is
/// `[bias.len(), x.channels]`.
pub fn linear(x: &Map, weight: &[f32], bias: &[f32]) -> Map {
    let mut y = Map { rows: x.rows, columns: x.columns, channels: bias.len(), data: repeat(bias, x.tokens()) };
    matmul_transposed(&x.data, weight, x.channels, &mut y.data);
    y
}

/// `c += a · bᵀ` with `a` `[rows, depth]`, `b` `[columns, depth]` and `c` `[rows, columns]`, all
/// row-major; rows and columns follow from the lengths.
pub fn matmul_transposed(a: &[f32], b: &[f32], depth: usize, c: &mut [f32]) {
    let (rows, columns) = (a.len() / depth, b.len() / depth);
    general_mat_mul(1.0, &matrix(a, rows, depth), &matrix(b, columns, depth).t(), 1.0, &mut matrix_mut(c, rows, columns));
}

/// `c += a · b` with `a` `[rows, depth]`, `b` `[depth, columns]` and `c` `[rows, columns]`, all
/// row-major; rows and columns follow from the lengths.
pub fn matmul(a: &[f32], b: &[f32], depth: usize, c: &mut [f32]) {
    let (rows, columns) = (a.len() / depth, b.len() / depth);
    general_mat_mul(1.0, &matrix(a, rows, depth), &matrix(b, depth, columns), 1.0, &mut matrix_mut(c, rows, columns));
}

/// `bias` once per token.
pub(crate) fn repeat(bias: &[f32], tokens: usize) -> Vec<f32> {
    let mut data = Vec::with_capacity(bias.len() * tokens);
    for _ in 0..tokens {
        data.extend_from_slice(bias);
    }
    data
}

fn matrix(data: &[f32], rows: usize, columns: usize) -> ArrayView2<'_, f32> {
    ArrayView2::from_shape((rows, columns), data).expect("an operand has as many values as its shape says")
}

fn matrix_mut(data: &mut [f32], rows: usize, columns: usize) -> ArrayViewMut2<'_, f32> {
    ArrayViewMut2::from_shape((rows, columns), data).expect("a result has as many values as its shape says")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_layer_is_a_row_of_weights_per_output() {
        let x = Map { rows: 1, columns: 2, channels: 3, data: vec![1.0, 2.0, 3.0, -1.0, 0.0, 1.0] };
        let y = linear(&x, &[1.0, 0.0, 0.0, 0.5, 0.5, 0.5], &[10.0, 20.0]);
        assert_eq!((y.channels, y.data), (2, vec![11.0, 23.0, 9.0, 20.0]));
    }

    #[test]
    fn both_products_agree_on_a_transposed_operand() {
        let a: Vec<f32> = (0..6).map(|x| x as f32).collect();
        let (mut plain, mut transposed) = (vec![1.0; 4], vec![1.0; 4]);
        matmul(&a, &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 3, &mut plain);
        matmul_transposed(&a, &[1.0, 3.0, 5.0, 2.0, 4.0, 6.0], 3, &mut transposed);
        assert_eq!(plain, transposed);
        assert_eq!(plain, [14.0, 17.0, 41.0, 53.0]);
    }
}
