//! Resizing of maps, and the label map that the segmentation head ends in.

use crate::map::Map;
use crate::wide;

/// Every pixel repeated `factor` times in both directions.
pub fn nearest(x: &Map, factor: usize) -> Map {
    let mut data = Vec::with_capacity(x.data.len() * factor * factor);
    let mut line = Vec::with_capacity(x.columns * factor * x.channels);
    for row in x.data.chunks_exact(x.columns * x.channels) {
        line.clear();
        for token in row.chunks_exact(x.channels) {
            for _ in 0..factor {
                line.extend_from_slice(token);
            }
        }
        for _ in 0..factor {
            data.extend_from_slice(&line);
        }
    }
    Map { rows: x.rows * factor, columns: x.columns * factor, channels: x.channels, data }
}

/// Place of output pixel `at` of `to` among `from` input pixels (pixel centres aligned, as with
/// `align_corners = false`): the two neighbours and the second one's weight.
fn neighbours(at: usize, from: usize, to: usize) -> (usize, usize, f32) {
    let position = ((at as f64 + 0.5) * from as f64 / to as f64 - 0.5).max(0.0);
    let first = (position as usize).min(from - 1);
    (first, (first + 1).min(from - 1), (position - first as f64) as f32)
}

/// One row of a bilinear resize to `rows` x `columns`: `[columns, channels]`.
#[inline(always)]
fn bilinear_row(x: &Map, row: usize, rows: usize, columns: usize, out: &mut [f32]) {
    let (top, bottom, below) = neighbours(row, x.rows, rows);
    for (column, out) in out.chunks_exact_mut(x.channels).enumerate() {
        let (left, right, beside) = neighbours(column, x.columns, columns);
        let (a, b, c, d) = (x.token(top, left), x.token(top, right), x.token(bottom, left), x.token(bottom, right));
        for (((value, a), b), (c, d)) in out.iter_mut().zip(a).zip(b).zip(c.iter().zip(d)) {
            let (upper, lower) = (a * (1.0 - beside) + b * beside, c * (1.0 - beside) + d * beside);
            *value = upper * (1.0 - below) + lower * below;
        }
    }
}

/// Bilinear resize to `rows` x `columns`, pixel centres aligned (`align_corners = false`).
pub fn bilinear(x: &Map, rows: usize, columns: usize) -> Map {
    let mut y = Map::zeros(rows, columns, x.channels);
    bilinear_rows(x, &mut y);
    y
}

wide! {
    fn bilinear_rows ['a] ['a] (x: &'a Map, y: &'a mut Map) -> () {
        for (row, line) in y.data.chunks_exact_mut(y.columns * y.channels).enumerate() {
            bilinear_row(x, row, y.rows, y.columns, line);
        }
    }
}

/// The class with the largest logit at every pixel of a `rows` x `columns` picture, after a
/// bilinear resize; of equal ones the first. Row by row: full-size logits are never stored.
pub fn label_map(logits: &Map, rows: usize, columns: usize) -> Vec<u8> {
    let mut labels = Vec::with_capacity(rows * columns);
    let mut line = vec![0.0; columns * logits.channels];
    for row in 0..rows {
        bilinear_row(logits, row, rows, columns, &mut line);
        labels.extend(line.chunks_exact(logits.channels).map(|pixel| largest(pixel) as u8));
    }
    labels
}

/// Position of the largest value; of equal ones the first.
pub fn largest(values: &[f32]) -> usize {
    values.iter().enumerate().fold(0, |best, (i, value)| if *value > values[best] { i } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bilinear_keeps_its_own_size_and_clamps_at_the_border() {
        let x = Map { rows: 1, columns: 2, channels: 1, data: vec![0.0, 4.0] };
        assert_eq!(bilinear(&x, 1, 2), x);
        assert_eq!(bilinear(&x, 2, 4).data, [0.0, 1.0, 3.0, 4.0, 0.0, 1.0, 3.0, 4.0]);
    }

    #[test]
    fn nearest_repeats_rows_and_columns() {
        let x = Map { rows: 2, columns: 1, channels: 2, data: vec![1.0, 2.0, 3.0, 4.0] };
        assert_eq!(nearest(&x, 2).data, [1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 1.0, 2.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0, 3.0, 4.0]);
    }

    #[test]
    fn equal_logits_give_the_first_class() {
        let logits = Map { rows: 1, columns: 1, channels: 3, data: vec![1.0, 2.0, 2.0] };
        assert_eq!(label_map(&logits, 4, 4), [1; 16]);
    }
}
