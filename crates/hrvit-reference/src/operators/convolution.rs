//! Convolutions with zero padding of half a kernel on every side:
//! `out = (in + 2·(kernel / 2) - kernel) / stride + 1`.
#![allow(clippy::needless_range_loop, reason = "lanes of several arrays go by one index")]

use std::ops::Range;

use super::linear::{matmul_transposed, repeat};
use crate::map::Map;
use crate::wide;

/// Values of the patch matrix that a dense convolution builds at a time (a band of output rows).
const PATCH_VALUES: usize = 1 << 20;

/// Kernel side and stride, the same in both directions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Side of the kernel in pixels; odd.
    pub kernel: usize,
    /// Step of the kernel in pixels.
    pub stride: usize,
}

impl Window {
    /// Length of the output for an input of `length` pixels.
    pub fn output(self, length: usize) -> usize {
        (length + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1
    }

    /// First input pixel of output `at` (negative in the padding) and the taps that lie inside an
    /// input of `length` pixels.
    #[inline(always)]
    fn taps(self, at: usize, length: usize) -> (isize, Range<usize>) {
        let start = (at * self.stride) as isize - (self.kernel / 2) as isize;
        let first = (-start).max(0) as usize;
        let end = (length as isize - start).clamp(0, self.kernel as isize) as usize;
        (start, first..end)
    }
}

/// Dense convolution. `weight` is `[bias.len()][kernel row][kernel column][x.channels]`.
pub fn dense(x: &Map, weight: &[f32], bias: &[f32], window: Window) -> Map {
    let (rows, columns, cout) = (window.output(x.rows), window.output(x.columns), bias.len());
    let depth = window.kernel * window.kernel * x.channels;
    let mut y = Map { rows, columns, channels: cout, data: repeat(bias, rows * columns) };
    let band = (PATCH_VALUES / (columns * depth)).clamp(1, rows);
    let mut patches = Vec::with_capacity(band * columns * depth);
    for start in (0..rows).step_by(band) {
        let end = (start + band).min(rows);
        patches.clear();
        patches.resize((end - start) * columns * depth, 0.0);
        for (patch, at) in patches.chunks_exact_mut(depth).zip(start * columns..) {
            gather(x, window, (at / columns, at % columns), patch);
        }
        matmul_transposed(&patches, weight, depth, &mut y.data[start * columns * cout..end * columns * cout]);
    }
    y
}

/// Copies the input under output pixel `at`; what lies in the padding is left as it is.
fn gather(x: &Map, window: Window, at: (usize, usize), patch: &mut [f32]) {
    let (top, vertical) = window.taps(at.0, x.rows);
    let (left, horizontal) = window.taps(at.1, x.columns);
    let c = x.channels;
    for tap in vertical {
        let from = ((top + tap as isize) as usize * x.columns + (left + horizontal.start as isize) as usize) * c;
        let to = (tap * window.kernel + horizontal.start) * c;
        let count = horizontal.len() * c;
        patch[to..to + count].copy_from_slice(&x.data[from..from + count]);
    }
}

/// Depthwise convolution. `weight` is tap-major: `[kernel row][kernel column][channel]`.
pub fn depthwise(x: &Map, weight: &[f32], bias: &[f32], window: Window) -> Map {
    let (rows, columns, c) = (window.output(x.rows), window.output(x.columns), x.channels);
    let mut y = Map::zeros(rows, columns, c);
    depthwise_rows(x, weight, bias, window, &mut y);
    y
}

wide! {
    fn depthwise_rows ['a] ['a] (x: &'a Map, weight: &'a [f32], bias: &'a [f32], window: Window, y: &'a mut Map) -> () {
        let c = x.channels;
        for (row, line) in y.data.chunks_exact_mut(y.columns * c).enumerate() {
            let vertical = window.taps(row, x.rows);
            for (column, out) in line.chunks_exact_mut(c).enumerate() {
                let taps = (vertical.clone(), window.taps(column, x.columns));
                let mut first = 0;
                while first + 32 <= c {
                    channels::<32>(x, (weight, bias), window.kernel, &taps, first, out);
                    first += 32;
                }
                while first + 8 <= c {
                    channels::<8>(x, (weight, bias), window.kernel, &taps, first, out);
                    first += 8;
                }
                while first < c {
                    channels::<1>(x, (weight, bias), window.kernel, &taps, first, out);
                    first += 1;
                }
            }
        }
    }
}

/// Taps of an output pixel in one direction, as [`Window::taps`] gives them.
type Taps = (isize, Range<usize>);

/// `N` channels from `first` on of one output pixel of a depthwise convolution.
#[inline(always)]
fn channels<const N: usize>(x: &Map, (weight, bias): (&[f32], &[f32]), kernel: usize, (vertical, horizontal): &(Taps, Taps), first: usize, out: &mut [f32]) {
    let c = x.channels;
    let block = |values: &[f32], at: usize| -> [f32; N] { *values[at + first..].first_chunk().expect("as many channels as the map has") };
    let mut sums = block(bias, 0);
    for row in vertical.1.clone() {
        let line = ((vertical.0 + row as isize) as usize * x.columns) as isize + horizontal.0;
        for column in horizontal.1.clone() {
            let (values, weights) = (block(&x.data, (line + column as isize) as usize * c), block(weight, (row * kernel + column) * c));
            for i in 0..N {
                sums[i] += values[i] * weights[i];
            }
        }
    }
    out[first..first + N].copy_from_slice(&sums);
}

/// `[out][in][row][column]`, as checkpoints store it, to `[out][row][column][in]`.
pub fn channels_last(weight: &[f32], cin: usize, kernel: usize) -> Vec<f32> {
    let taps = kernel * kernel;
    weight.chunks_exact(cin * taps).flat_map(|filter| (0..taps).flat_map(move |tap| (0..cin).map(move |c| filter[c * taps + tap]))).collect()
}

/// `[channel][1][row][column]`, as checkpoints store it, to `[row][column][channel]`.
pub fn tap_major(weight: &[f32], kernel: usize) -> Vec<f32> {
    let taps = kernel * kernel;
    (0..taps).flat_map(|tap| weight.chunks_exact(taps).map(move |filter| filter[tap])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ramp(rows: usize, columns: usize, channels: usize) -> Map {
        Map { rows, columns, channels, data: (0..rows * columns * channels).map(|i| ((i * 37) % 17) as f32 - 8.0).collect() }
    }

    /// The definition, one output value at a time, from `[out][in][row][column]` weights.
    fn naive(x: &Map, weight: &[f32], cout: usize, window: Window) -> Map {
        let Window { kernel, stride } = window;
        let mut y = Map::zeros(window.output(x.rows), window.output(x.columns), cout);
        for (index, sum) in y.data.iter_mut().enumerate() {
            let (row, column, o) = (index / cout / y.columns, index / cout % y.columns, index % cout);
            for i in 0..x.channels {
                for (ky, kx) in (0..kernel).flat_map(|ky| (0..kernel).map(move |kx| (ky, kx))) {
                    let (iy, ix) = ((row * stride + ky).wrapping_sub(kernel / 2), (column * stride + kx).wrapping_sub(kernel / 2));
                    if iy < x.rows && ix < x.columns {
                        *sum += x.token(iy, ix)[i] * weight[((o * x.channels + i) * kernel + ky) * kernel + kx];
                    }
                }
            }
        }
        y
    }

    #[test]
    fn dense_equals_the_definition_at_odd_sizes_and_strides() {
        for (kernel, stride, rows, columns) in [(3, 1, 1, 1), (3, 2, 5, 4), (3, 2, 2, 7), (5, 1, 2, 3)] {
            let (x, window) = (ramp(rows, columns, 3), Window { kernel, stride });
            let weight = ramp(2 * 3, kernel, kernel).data;
            let y = dense(&x, &channels_last(&weight, 3, kernel), &[0.0; 2], window);
            assert_eq!(y, naive(&x, &weight, 2, window), "kernel {kernel} stride {stride} {rows}x{columns}");
        }
    }

    #[test]
    fn depthwise_equals_a_dense_convolution_with_zeros_between_channels() {
        for (kernel, stride, rows, columns) in [(3, 1, 1, 1), (5, 1, 3, 2), (3, 2, 4, 6), (5, 4, 8, 4), (9, 8, 8, 16)] {
            let (x, window) = (ramp(rows, columns, 2), Window { kernel, stride });
            let (weight, taps) = (ramp(2, kernel, kernel).data, kernel * kernel);
            let mut full = vec![0.0; 4 * taps];
            full[..taps].copy_from_slice(&weight[..taps]);
            full[3 * taps..].copy_from_slice(&weight[taps..]);
            let y = depthwise(&x, &tap_major(&weight, kernel), &[0.0; 2], window);
            assert_eq!(y, naive(&x, &full, 2, window), "kernel {kernel} stride {stride} {rows}x{columns}");
        }
    }
}
