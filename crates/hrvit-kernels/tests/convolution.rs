//! Depthwise and dense convolutions, row by row, against loops over a whole map with padding by
//! bounds check.

mod common;

use common::{CANARY, CHANNELS, Rates, Rng, clamp8, clamp16, index};
use hrvit_kernels::{Depthwise, Epilogue, Gemm, Kernels, Range8, ShapeError};

const SCALAR: Kernels = Kernels::SCALAR;

const RANGE: Range8 = Range8 { zero: 7, lo: -127, hi: 125 };

/// A depthwise case: a map of `[height, width, in_stride]` of which `channels` from `offset` on are
/// convolved.
struct Case {
    height: usize,
    width: usize,
    channels: usize,
    kernel: usize,
    stride: usize,
    in_stride: usize,
    out_stride: usize,
    offset: usize,
    pad: i8,
}

impl Case {
    fn plain(height: usize, width: usize, channels: usize, kernel: usize, stride: usize) -> Self {
        Self { height, width, channels, kernel, stride, in_stride: channels, out_stride: channels, offset: 0, pad: -5 }
    }

    fn out_size(&self) -> (usize, usize) {
        // As any framework counts: floor((n + 2 * padding - kernel) / stride) + 1.
        let out = |n: usize| (n + 2 * (self.kernel / 2) - self.kernel) / self.stride + 1;
        (out(self.height), out(self.width))
    }

    /// Requantised sums of `[rows, columns, channels]`.
    fn naive(&self, map: &[i8], weights: &[i8], bias: &[i32], rates: &Rates) -> Vec<i64> {
        let (rows, columns) = self.out_size();
        let mut out = Vec::new();
        for y in 0..rows {
            for x in 0..columns {
                for c in 0..self.channels {
                    let mut acc = i64::from(bias[c]);
                    for ky in 0..self.kernel {
                        for kx in 0..self.kernel {
                            let row = (y * self.stride + ky) as isize - (self.kernel / 2) as isize;
                            let column = (x * self.stride + kx) as isize - (self.kernel / 2) as isize;
                            let inside = (0..self.height as isize).contains(&row) && (0..self.width as isize).contains(&column);
                            let code = if inside { map[(row as usize * self.width + column as usize) * self.in_stride + self.offset + c] } else { self.pad };
                            acc += i64::from(code) * i64::from(weights[(ky * self.kernel + kx) * self.in_stride + self.offset + c]);
                        }
                    }
                    out.push(rates.rq(acc, c));
                }
            }
        }
        out
    }

    fn check(&self, rng: &mut Rng) {
        let map = rng.codes(self.height * self.width * self.in_stride);
        let weights = rng.weights(self.kernel * self.kernel * self.in_stride);
        let bias = rng.ints(self.channels, 100_000);
        let rates = rng.rates(self.channels, 18, 8);
        let expected = self.naive(&map, &weights, &bias, &rates);
        let table = rng.codes(97);
        let (rows, columns) = self.out_size();
        let span = (columns - 1) * self.out_stride + self.channels;
        for y in 0..rows {
            let inputs: Vec<Option<&[i8]>> = (0..self.kernel)
                .map(|ky| (y * self.stride + ky).checked_sub(self.kernel / 2).filter(|row| *row < self.height))
                .map(|row| row.map(|row| &map[row * self.width * self.in_stride..][..self.width * self.in_stride][self.offset..]))
                .collect();
            let args = Depthwise {
                rows: &inputs,
                in_stride: self.in_stride,
                columns: self.width,
                kernel: self.kernel,
                stride: self.stride,
                pad: self.pad,
                weights: &weights[self.offset..],
                weight_stride: self.in_stride,
                bias: &bias,
                requant: rates.view(),
            };
            let expected = &expected[y * columns * self.channels..][..columns * self.channels];
            let at = |i: usize| i / self.channels * self.out_stride + i % self.channels;

            let mut out = vec![CANARY; span];
            let mut want = out.clone();
            expected.iter().enumerate().for_each(|(i, rq)| want[at(i)] = clamp8(*rq, RANGE));
            SCALAR.depthwise_s8(&args, Epilogue::Store8 { out: &mut out, range: RANGE }, self.out_stride).unwrap();
            assert_eq!(out, want, "row {y}");

            let mut out = vec![CANARY; span];
            expected.iter().enumerate().for_each(|(i, rq)| want[at(i)] = index(&table, 40, *rq));
            SCALAR.depthwise_s8(&args, Epilogue::Table8 { out: &mut out, table: &table, zero: 40 }, self.out_stride).unwrap();
            assert_eq!(out, want, "row {y}");

            let mut out = rng.words(span);
            let mut want = out.clone();
            expected.iter().enumerate().for_each(|(i, rq)| want[at(i)] = clamp16(i64::from(want[at(i)]) + *rq));
            SCALAR.depthwise_s8(&args, Epilogue::Add16 { out: &mut out }, self.out_stride).unwrap();
            assert_eq!(out, want, "row {y}");

            expected.iter().enumerate().for_each(|(i, rq)| want[at(i)] = clamp16(*rq));
            SCALAR.depthwise_s8(&args, Epilogue::Store16 { out: &mut out }, self.out_stride).unwrap();
            assert_eq!(out, want, "row {y}");
        }
    }
}

/// Every kernel and stride of the network.
const KERNELS: [(usize, usize); 5] = [(3, 1), (5, 1), (3, 2), (5, 4), (9, 8)];

#[test]
fn depthwise_maps_smaller_than_the_kernel() {
    let mut rng = Rng(10);
    for (kernel, stride) in KERNELS {
        for (height, width) in [(1, 1), (1, 2), (1, 7), (2, 1), (2, 3), (3, 9), (4, 4)] {
            Case::plain(height, width, 5, kernel, stride).check(&mut rng);
        }
    }
}

#[test]
fn depthwise_odd_columns() {
    let mut rng = Rng(11);
    for (kernel, stride) in KERNELS {
        for width in [8, 9, 15, 16, 17, 23] {
            Case::plain(11, width, 18, kernel, stride).check(&mut rng);
        }
    }
}

#[test]
fn depthwise_every_channel_count() {
    let mut rng = Rng(12);
    for channels in CHANNELS.into_iter().chain([1, 3, 4, 15, 17, 24, 33]) {
        for (kernel, stride) in KERNELS {
            Case::plain(3, 5, channels, kernel, stride).check(&mut rng);
        }
    }
}

#[test]
fn depthwise_half_of_the_channels() {
    let mut rng = Rng(13);
    for (kernel, stride) in KERNELS {
        for (channels, offset) in [(16, 0), (16, 16), (24, 24), (5, 7)] {
            let wide = Case { in_stride: 2 * channels + 3, out_stride: channels + 9, offset, ..Case::plain(4, 7, channels, kernel, stride) };
            wide.check(&mut rng);
        }
    }
}

#[test]
fn depthwise_padding_holds_the_zero_point() {
    // With bias -zero * sum(w), a map full of the zero point gives 0 everywhere, borders included.
    let mut rng = Rng(14);
    for pad in [-128i8, -1, 0, 127] {
        let (weights, rates) = (rng.weights(9 * 4), rng.rates(4, 18, 8));
        let bias: Vec<i32> = (0..4).map(|c| -(0..9).map(|tap| i32::from(pad) * i32::from(weights[tap * 4 + c])).sum::<i32>()).collect();
        let row = vec![pad; 3 * 4];
        let args = Depthwise {
            rows: &[None, Some(&row), None],
            in_stride: 4,
            columns: 3,
            kernel: 3,
            stride: 1,
            pad,
            weights: &weights,
            weight_stride: 4,
            bias: &bias,
            requant: rates.view(),
        };
        let mut out = [1i16; 12];
        SCALAR.depthwise_s8(&args, Epilogue::Store16 { out: &mut out }, 4).unwrap();
        assert_eq!(out, [0; 12]);
    }
}

#[test]
fn depthwise_wrong_shapes_are_named() {
    let (weights, bias, mult, shift, row) = ([0i8; 36], [0i32; 4], [1 << 30; 4], [40u8; 4], [0i8; 20]);
    let rows = [Some(&row[..]), None, Some(&row[..])];
    let requant = hrvit_kernels::Requant { mult: &mult, shift: &shift, pre_shift: 0 };
    let good = Depthwise { rows: &rows, in_stride: 4, columns: 5, kernel: 3, stride: 1, pad: 0, weights: &weights, weight_stride: 4, bias: &bias, requant };
    let run = |args: &Depthwise<'_>, len: usize, stride: usize| SCALAR.depthwise_s8(args, Epilogue::Store16 { out: &mut vec![0; len] }, stride);
    assert_eq!(run(&good, 20, 4), Ok(()));
    assert_eq!(run(&good, 24, 5), Ok(()));
    assert_eq!(run(&good, 19, 4), Err(ShapeError::Output));
    assert_eq!(run(&good, 20, 3), Err(ShapeError::Parameter));
    assert_eq!(run(&Depthwise { kernel: 2, ..good }, 20, 4), Err(ShapeError::Parameter));
    assert_eq!(run(&Depthwise { stride: 0, ..good }, 20, 4), Err(ShapeError::Parameter));
    assert_eq!(run(&Depthwise { in_stride: 3, ..good }, 20, 4), Err(ShapeError::Parameter));
    assert_eq!(run(&Depthwise { columns: 6, ..good }, 24, 4), Err(ShapeError::Input));
    assert_eq!(run(&Depthwise { columns: usize::MAX, ..good }, 24, 4), Err(ShapeError::Parameter));
    assert_eq!(run(&Depthwise { rows: &rows[1..], ..good }, 20, 4), Err(ShapeError::Input));
    assert_eq!(run(&Depthwise { weights: &weights[1..], ..good }, 20, 4), Err(ShapeError::Weights));
    assert_eq!(run(&Depthwise { bias: &[], ..good }, 20, 4), Err(ShapeError::Channels));
}

#[test]
fn dense_equals_loops_over_the_map() {
    let mut rng = Rng(15);
    for stride in [1, 2] {
        for channels in [1, 3, 4, 16] {
            for (height, width) in [(1, 1), (1, 4), (2, 2), (3, 5), (4, 8), (5, 7)] {
                dense(&mut rng, height, width, channels, stride, -7);
            }
        }
    }
}

fn dense(rng: &mut Rng, height: usize, width: usize, channels: usize, stride: usize, pad: i8) {
    let cout = 6;
    let map = rng.codes(height * width * channels);
    let (weights, bias, rates) = (rng.weights(cout * 9 * channels), rng.ints(cout, 1000), rng.rates(cout, 20, 8));
    let (rows, columns) = (height.div_ceil(stride), width.div_ceil(stride));
    let mut patches = vec![CANARY; columns * 9 * channels];
    let mut got = vec![CANARY; rows * columns * cout];
    for (y, out) in got.chunks_exact_mut(columns * cout).enumerate() {
        let inputs = [0, 1, 2].map(|ky| (y * stride + ky).checked_sub(1).and_then(|row| map.chunks_exact(width * channels).nth(row)));
        SCALAR.im2row_s8(inputs, channels, stride, pad, &mut patches).unwrap();
        let args = Gemm { a: &patches, depth: 9 * channels, weights: &weights, bias: &bias, requant: rates.view() };
        SCALAR.gemm_s8(&args, Epilogue::Store8 { out, range: RANGE }).unwrap();
    }
    let mut want = Vec::new();
    for y in 0..rows {
        for x in 0..columns {
            for c in 0..cout {
                let mut acc = i64::from(bias[c]);
                for (ky, kx, i) in (0..9 * channels).map(|tap| (tap / channels / 3, tap / channels % 3, tap % channels)) {
                    let (row, column) = ((y * stride + ky) as isize - 1, (x * stride + kx) as isize - 1);
                    let inside = (0..height as isize).contains(&row) && (0..width as isize).contains(&column);
                    let code = if inside { map[(row as usize * width + column as usize) * channels + i] } else { pad };
                    acc += i64::from(code) * i64::from(weights[((c * 3 + ky) * 3 + kx) * channels + i]);
                }
                want.push(clamp8(rates.rq(acc, c), RANGE));
            }
        }
    }
    assert_eq!(got, want, "{height}x{width}x{channels} stride {stride}");
}

#[test]
fn patches_wrong_shapes_are_named() {
    let (row, short) = ([0i8; 12], [0i8; 9]);
    let mut out = [0i8; 108];
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], 3, 1, 0, &mut out), Ok(()));
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], 3, 2, 0, &mut out), Err(ShapeError::Output));
    assert_eq!(SCALAR.im2row_s8([Some(&short), Some(&row), None], 3, 1, 0, &mut out), Err(ShapeError::Input));
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], 5, 1, 0, &mut out), Err(ShapeError::Input));
    assert_eq!(SCALAR.im2row_s8([None, None, None], 3, 1, 0, &mut out), Err(ShapeError::Input));
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], 0, 1, 0, &mut out), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], 3, 0, 0, &mut out), Err(ShapeError::Parameter));
    assert_eq!(SCALAR.im2row_s8([None, Some(&row), None], usize::MAX, 1, 0, &mut out), Err(ShapeError::Input));
}

#[test]
fn pixel_codes_are_pixels_minus_128() {
    let pixels: Vec<u8> = (0..=255).collect();
    let mut out = [0i8; 256];
    SCALAR.pixels_s8(&pixels, &mut out).unwrap();
    assert!(pixels.iter().zip(out).all(|(pixel, code)| i32::from(code) == i32::from(*pixel) - 128));
    assert_eq!(SCALAR.pixels_s8(&pixels, &mut out[1..]), Err(ShapeError::Output));
}
