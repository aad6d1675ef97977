//! The definitions of the f16 kernels against their formulas in f64, and what they do with extremes
//! and wrong shapes.
#![cfg(feature = "fp16")]

mod common;

use common::Rng;
use hrvit_kernels::attention_f16::scratch;
use hrvit_kernels::math_f32::gelu;
use hrvit_kernels::*;

const KERNELS: Kernels = Kernels::SCALAR;

/// Normal numbers of about `scale`.
fn halves(rng: &mut Rng, len: usize, scale: f64) -> Vec<f16> {
    (0..len).map(|_| f16::from_f64(rng.normal() * scale)).collect()
}

fn floats(rng: &mut Rng, len: usize) -> Vec<f32> {
    (0..len).map(|_| rng.normal() as f32).collect()
}

/// `[cout, depth]` row-major to blocks.
fn blocks(weights: &[f16], depth: usize) -> Vec<f16> {
    let cout = weights.len() / depth;
    let mut all = vec![f16::ZERO; blocks_f16_len(cout, depth)];
    for (at, weight) in weights.iter().enumerate() {
        all[blocks_f16_index(depth, at / depth, at % depth)] = *weight;
    }
    all
}

/// Half a unit in the last place of f16, and `slack` for the sums in f32.
fn close(got: f16, want: f64, slack: f64) {
    let unit = (want.abs().log2().floor().max(-14.0) - 10.0).exp2();
    assert!((got.to_f64() - want).abs() <= unit * 0.5001 + slack, "{got} is not {want}");
}

#[test]
fn blocks_pad_the_last_channels() {
    assert_eq!((blocks_f16_len(8, 3), blocks_f16_len(9, 3), blocks_f16_len(1, 1)), (24, 48, 8));
    assert_eq!((blocks_f16_len(usize::MAX, 2), blocks_f16_len(1 << 60, 1 << 20)), (usize::MAX, usize::MAX));
    let mut seen = [false; 48];
    (0..9).flat_map(|c| (0..3).map(move |i| blocks_f16_index(3, c, i))).for_each(|at| assert!(!std::mem::replace(&mut seen[at], true)));
    assert_eq!(blocks_f16_index(3, 8, 2), 24 + 16);
}

#[test]
fn products_with_every_way_of_storing() {
    let rng = &mut Rng(1);
    for (rows, depth, cout) in [(1, 1, 1), (3, 17, 9), (5, 64, 19), (2, 1152, 8), (0, 3, 4)] {
        let (a, weights, bias) = (halves(rng, rows * depth, 1.0), halves(rng, cout * depth, 0.1), floats(rng, cout));
        let packed = blocks(&weights, depth);
        let args = GemmF16 { a: &a, depth, weights: &packed, bias: &bias };
        let sum = |at: usize| {
            let (row, c) = (at / cout, at % cout);
            let terms = (0..depth).map(|i| a[row * depth + i].to_f64() * weights[c * depth + i].to_f64());
            f64::from(bias[c]) + terms.sum::<f64>()
        };
        let before = halves(rng, rows * cout, 1.0);
        let mut out = before.clone();
        KERNELS.gemm_f16(&args, EpilogueF16::Add { out: &mut out }).unwrap();
        (0..out.len()).for_each(|at| close(out[at], before[at].to_f64() + sum(at), 1e-5));
        let mut sums: Vec<f32> = before.iter().map(|x| x.to_f32()).collect();
        KERNELS.gemm_f16(&args, EpilogueF16::Sum { out: &mut sums }).unwrap();
        (0..out.len()).for_each(|at| assert!((f64::from(sums[at]) - before[at].to_f64() - sum(at)).abs() < 1e-5));
        for act in ActivationF16::ALL {
            KERNELS.gemm_f16(&args, EpilogueF16::Store { out: &mut out, act }).unwrap();
            for (at, out) in out.iter().enumerate() {
                let (x, relu) = (sum(at), sum(at).max(0.0));
                let want = match act {
                    ActivationF16::None => x,
                    ActivationF16::Relu => relu,
                    ActivationF16::Gelu => f64::from(gelu(x as f32)),
                    ActivationF16::ReluGelu => f64::from(gelu(relu as f32)),
                    ActivationF16::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
                };
                close(*out, want, 1e-5);
            }
        }
    }
}

#[test]
fn dense_convolution_is_patches_times_weights() {
    let rng = &mut Rng(2);
    let (height, width, cin, cout, stride) = (5, 7, 3, 4, 2);
    let (map, weights) = (halves(rng, height * width * cin, 1.0), halves(rng, cout * 9 * cin, 0.2));
    let (packed, bias) = (blocks(&weights, 9 * cin), floats(rng, cout));
    let columns = width.div_ceil(stride);
    for y in 0..height.div_ceil(stride) {
        let rows = [0, 1, 2].map(|ky| (y * stride + ky).checked_sub(1).and_then(|row| map.chunks(width * cin).nth(row)));
        let mut patches = vec![f16::NAN; columns * 9 * cin];
        KERNELS.im2row_f16(rows, cin, stride, &mut patches).unwrap();
        let mut out = vec![f16::ZERO; columns * cout];
        let args = GemmF16 { a: &patches, depth: 9 * cin, weights: &packed, bias: &bias };
        KERNELS.gemm_f16(&args, EpilogueF16::Store { out: &mut out, act: ActivationF16::None }).unwrap();
        for (at, out) in out.iter().enumerate() {
            let (x, c) = (at / cout, at % cout);
            let mut want = f64::from(bias[c]);
            for tap in 0..9 {
                let (row, column) = ((y * stride + tap / 3).wrapping_sub(1), (x * stride + tap % 3).wrapping_sub(1));
                if row < height && column < width {
                    want += (0..cin).map(|i| map[(row * width + column) * cin + i].to_f64() * weights[(c * 9 + tap) * cin + i].to_f64()).sum::<f64>();
                }
            }
            close(*out, want, 1e-5);
        }
    }
    let mut codes = vec![f16::NAN; 256];
    KERNELS.pixels_f16(&(0..=255).collect::<Vec<u8>>(), &mut codes).unwrap();
    (0..256).for_each(|pixel| assert_eq!(codes[pixel].to_f64(), pixel as f64 - 128.0));
}

#[test]
fn depthwise_taps_outside_the_map_contribute_nothing() {
    let rng = &mut Rng(3);
    for (kernel, stride, columns, channels) in [(3, 1, 1, 1), (3, 1, 9, 5), (5, 4, 10, 17), (9, 8, 3, 8), (3, 2, 8, 33)] {
        let (in_stride, weight_stride, out_stride) = (channels + 3, channels + 1, channels + 2);
        let map: Vec<Vec<f16>> = (0..kernel).map(|_| halves(rng, columns * in_stride, 1.0)).collect();
        let rows: Vec<Option<&[f16]>> = map.iter().enumerate().map(|(ky, row)| (ky != 0).then_some(&row[..])).collect();
        let (weights, bias) = (halves(rng, kernel * kernel * weight_stride, 0.3), floats(rng, channels));
        let args = DepthwiseF16 { rows: &rows, in_stride, columns, kernel, stride, weights: &weights, weight_stride, bias: &bias };
        let tokens = columns.div_ceil(stride);
        let mut out = vec![f16::from_f32(77.0); tokens * out_stride];
        KERNELS.depthwise_f16(&args, EpilogueF16::Store { out: &mut out, act: ActivationF16::None }, out_stride).unwrap();
        for (at, out) in out.iter().enumerate() {
            let (x, c) = (at / out_stride, at % out_stride);
            if c >= channels {
                assert_eq!(out.to_f32(), 77.0);
                continue;
            }
            let mut want = f64::from(bias[c]);
            for (ky, row) in rows.iter().enumerate() {
                for kx in 0..kernel {
                    let column = (x * stride + kx).wrapping_sub(kernel / 2);
                    if let Some(row) = row.filter(|_| column < columns) {
                        want += row[column * in_stride + c].to_f64() * weights[(ky * kernel + kx) * weight_stride + c].to_f64();
                    }
                }
            }
            close(*out, want, 1e-5);
        }
    }
}

#[test]
fn layernorm_equals_the_formula_and_a_constant_token_gives_the_offset() {
    let rng = &mut Rng(4);
    for channels in common::CHANNELS {
        let (x, gain, offset) = (halves(rng, 3 * channels, 30.0), floats(rng, channels), floats(rng, channels));
        let norm = NormF16 { gain: &gain, offset: &offset, eps: 1e-5 };
        let (mut out, mut in_place) = (vec![f16::NAN; x.len()], x.clone());
        KERNELS.layernorm_f16(&x, &norm, &mut out).unwrap();
        KERNELS.layernorm_f16_in_place(&mut in_place, &norm).unwrap();
        assert_eq!(out, in_place);
        for (x, out) in x.chunks(channels).zip(out.chunks(channels)) {
            let mean = x.iter().map(|x| x.to_f64()).sum::<f64>() / channels as f64;
            let var = x.iter().map(|x| (x.to_f64() - mean).powi(2)).sum::<f64>() / channels as f64;
            for c in 0..channels {
                close(out[c], (x[c].to_f64() - mean) / (var + 1e-5).sqrt() * f64::from(gain[c]) + f64::from(offset[c]), 1e-5);
            }
        }
    }
    for (channels, value) in [(1, f16::MAX), (100, f16::MIN), (contract::MAX_NORM_CHANNELS_F16, f16::from_bits(0x7bcd)), (7, f16::from_bits(1))] {
        let (gain, offset) = (vec![1e6; channels], vec![0.5; channels]);
        let mut x = vec![value; channels];
        KERNELS.layernorm_f16_in_place(&mut x, &NormF16 { gain: &gain, offset: &offset, eps: f32::MIN_POSITIVE }).unwrap();
        assert!(x.iter().all(|x| x.to_f32() == 0.5), "{value} in {channels} channels");
    }
}

#[test]
fn attention_equals_the_softmax() {
    let rng = &mut Rng(5);
    for (queries, keys, dim) in [(3, 1, 8), (4, 9, 17), (2, 49, 32), (1, 500, 16)] {
        let (q, v) = (halves(rng, queries * dim, 0.7), halves(rng, keys * dim, 1.0));
        let mut out = vec![f16::NAN; q.len()];
        KERNELS.attention_f16(&StripF16 { q: &q, v: &v, dim }, &mut vec![f32::NAN; scratch(keys, dim)], &mut out).unwrap();
        for (q, out) in q.chunks(dim).zip(out.chunks(dim)) {
            let powers: Vec<f64> = v.chunks(dim).map(|v| q.iter().zip(v).map(|(q, v)| q.to_f64() * v.to_f64()).sum::<f64>().exp2()).collect();
            for i in 0..dim {
                let sum: f64 = powers.iter().zip(v.chunks(dim)).map(|(power, v)| power * v[i].to_f64()).sum();
                close(out[i], sum / powers.iter().sum::<f64>(), 2e-5);
            }
        }
    }
}

#[test]
fn scratch_of_the_attention_stays_within_its_stated_size() {
    for (keys, dim) in [(1, 1), (7, 32), (8, 32), (49, 17), (896, 32)] {
        assert!(scratch(keys, dim) <= 4 * keys + keys.next_multiple_of(8) * dim / 2 + 28);
    }
    assert_eq!((scratch(usize::MAX, 1), scratch(1 << 60, 1 << 20)), (usize::MAX, usize::MAX));
}

#[test]
fn shortcut_equals_the_kronecker_product() {
    let rng = &mut Rng(6);
    for (k, p) in [(1, 1), (3, 5), (4, 8), (16, 16), (15, 16)] {
        let (x, right, left) = (halves(rng, 2 * k * p, 1.0), halves(rng, p * p, 0.3), halves(rng, k * k, 0.3));
        let (right_bias, left_bias, packed) = (floats(rng, p), floats(rng, k), blocks(&right, p));
        for act in ActivationF16::ALL {
            let args = DesF16 { x: &x, k, p, right: &packed, right_bias: &right_bias, act, left: &left, left_bias: &left_bias };
            let mut out = vec![10.0; x.len()];
            KERNELS.des_f16(&args, &mut vec![f32::NAN; k * p], &mut out).unwrap();
            for (x, out) in x.chunks(k * p).zip(out.chunks(k * p)) {
                let hidden = |i: usize, o: usize| {
                    let h = f64::from(right_bias[o]) + (0..p).map(|j| x[i * p + j].to_f64() * right[o * p + j].to_f64()).sum::<f64>();
                    match act {
                        ActivationF16::None => h,
                        ActivationF16::Relu => h.max(0.0),
                        ActivationF16::Gelu => h * libm::erfc(-h * core::f64::consts::FRAC_1_SQRT_2) / 2.0,
                        ActivationF16::ReluGelu => h.max(0.0) * libm::erfc(-h * core::f64::consts::FRAC_1_SQRT_2) / 2.0,
                        ActivationF16::Hardswish => h * (h + 3.0).clamp(0.0, 6.0) / 6.0,
                    }
                };
                for (at, out) in out.iter().enumerate() {
                    let (o, q) = (at / p, at % p);
                    let z = f64::from(left_bias[o]) + (0..k).map(|i| hidden(i, q) * left[o * k + i].to_f64()).sum::<f64>();
                    assert!((f64::from(*out) - 10.0 - z).abs() < 3e-4, "{out} is not 10 + {z}");
                }
            }
        }
    }
}

#[test]
fn resized_rows_and_labels() {
    let rng = &mut Rng(7);
    for (factor, classes) in [(1, 3), (2, 19), (4, 8), (8, 5)] {
        let columns = 6;
        let (upper, lower) = (halves(rng, columns * classes, 3.0), halves(rng, columns * classes, 3.0));
        for y in 0..factor {
            let row = phase(y, factor, 2);
            let z = |x: usize, c: usize| {
                let column = phase(x, factor, columns);
                let mix = |row: &[f16]| {
                    row[column.near * classes + c].to_f64() * f64::from(column.near_weight)
                        + row[column.far * classes + c].to_f64() * f64::from(column.far_weight)
                };
                (mix(&upper) * f64::from(row.near_weight) + mix(&lower) * f64::from(row.far_weight)) / (4 * factor * factor) as f64
            };
            let mut acc = vec![1.0; (columns * factor - 1) * classes];
            KERNELS.bilinear_add_f16(&upper, &lower, row.near_weight, row.far_weight, classes, factor, 1, &mut acc).unwrap();
            (0..acc.len()).for_each(|at| assert!((f64::from(acc[at]) - 1.0 - z(1 + at / classes, at % classes)).abs() < 1e-5));
            let mut labels = vec![255; columns * factor];
            KERNELS.argmax_f16(&upper, &lower, row.near_weight, row.far_weight, classes, factor, &mut labels).unwrap();
            for (x, label) in labels.into_iter().enumerate() {
                assert!((0..classes).all(|c| z(x, c) <= z(x, label.into()) + 1e-5));
            }
        }
    }
    let mut labels = [9; 4];
    KERNELS.argmax_f16(&[f16::MIN; 6], &[f16::MIN; 6], 1, 3, 3, 2, &mut labels).unwrap();
    assert_eq!(labels, [0; 4]);
}

#[test]
fn margins_are_within_their_bound() {
    let rng = &mut Rng(8);
    for (factor, classes, magnitude) in [(1, 3, 3.0), (2, 19, 3.0), (4, 8, 0.01), (8, 5, 3.0), (4, 19, 9000.0), (4, 1, 3.0), (4, 2, 3.0)] {
        let columns = 6;
        let (upper, lower) = (halves(rng, columns * classes, magnitude), halves(rng, columns * classes, magnitude));
        let most = upper.iter().chain(&lower).fold(0.0f64, |most, x| most.max(x.to_f64().abs()));
        for (y, k) in (0..factor).flat_map(|y| (0..=31).map(move |k| (y, k))) {
            let row = phase(y, factor, 2);
            let [mut alone, mut labels, mut margins] = [(); 3].map(|()| vec![77; columns * factor]);
            KERNELS.argmax_f16(&upper, &lower, row.near_weight, row.far_weight, classes, factor, &mut alone).unwrap();
            KERNELS.argmax_margin_f16(&upper, &lower, row.near_weight, row.far_weight, classes, factor, &mut labels, k, &mut margins).unwrap();
            assert_eq!(labels, alone);
            for (x, got) in margins.into_iter().enumerate() {
                let column = phase(x, factor, columns);
                let mix = |row: &[f16], c: usize| {
                    row[column.near * classes + c].to_f64() * f64::from(column.near_weight)
                        + row[column.far * classes + c].to_f64() * f64::from(column.far_weight)
                };
                let z = |c| (mix(&upper, c) * f64::from(row.near_weight) + mix(&lower, c) * f64::from(row.far_weight)) / (4 * factor * factor) as f64;
                let mut logits: Vec<f64> = (0..classes).map(z).collect();
                logits.sort_by(|a, b| b.total_cmp(a));
                let code = |margin: f64| (margin * 2f64.powi(MARGIN_BITS_F16 as i32 - i32::from(k))).floor().clamp(0.0, 255.0) as u8;
                let (least, most) = match logits[..] {
                    [largest, second, ..] => [-1.0, 1.0].map(|sign| code(largest - second + sign * most / 2f64.powi(21))).into(),
                    _ => (255, 255),
                };
                assert!((least..=most).contains(&got), "factor {factor} classes {classes} row {y} column {x} k {k}: {got}, not in {least}..={most}");
            }
        }
    }
    // Exact: 1 - 15/16, at either end of the shifts; the largest margin of all.
    let (mut labels, mut margins) = ([9], [9]);
    let mut run = |values: [f64; 2], k| {
        let row = values.map(f16::from_f64);
        KERNELS.argmax_margin_f16(&row, &row, 1, 1, 2, 1, &mut labels, k, &mut margins).map(|()| (labels[0], margins[0]))
    };
    assert_eq!([0, 1, 5, 8, 9, 31].map(|k| run([0.9375, 1.0], k).unwrap()), [255, 128, 8, 1, 0, 0].map(|margin| (1, margin)));
    assert_eq!(run([1.0, 1.0], 0), Ok((0, 0)));
    assert_eq!([20, 21, 22, 31].map(|k| run([65504.0, -65504.0], k).unwrap()), [255, 255, 127, 0].map(|margin| (0, margin)));
    assert_eq!(run([1.0, 2.0], 32), Err(ShapeError::Parameter));
}

#[test]
fn elements_equal_their_formulas() {
    let x = [-65504.0, -4.0, -1.5, 0.0, 1.0, 2.5, 4.0, 65504.0].map(f16::from_f64);
    let mut out = [f16::NAN; 8];
    KERNELS.hardswish_f16(&x, &mut out).unwrap();
    (0..8).for_each(|i| close(out[i], x[i].to_f64() * (x[i].to_f64() + 3.0).clamp(0.0, 6.0) / 6.0, 0.0));
    let mut stream = x;
    KERNELS.add_f16(&mut stream, &[-100.0, 1.0, 1.5, -0.0, 1e-9, 2.0, 1e30, 100.0]).unwrap();
    assert_eq!(stream.map(f16::to_f32), [-65504.0, -3.0, 0.0, 0.0, 1.0, 4.5, 65504.0, 65504.0]);
    let mut acc = [-1.0, 2.0, 0.5];
    KERNELS.add_f32(&mut acc, &[0.5, 0.5, 0.5]).unwrap();
    KERNELS.widen_add_f32(&x[..3], &mut acc).unwrap();
    assert_eq!(acc, [-65504.5, -1.5, -0.5]);
    acc[2] = 3.0;
    KERNELS.relu_f32(&mut acc);
    assert_eq!(acc, [0.0, 0.0, 3.0]);
    KERNELS.activate_f32(&[-3.0, 0.0, 3.0, 1e20, -1e20], ActivationF16::Relu, &mut out[..5]).unwrap();
    assert_eq!(out.map(f16::to_f32)[..5], [0.0, 0.0, 3.0, 65504.0, 0.0]);
    let (mut sums, mut mean) = ([1.0, 0.0], [f16::NAN; 2]);
    KERNELS.mean_f16(&mut sums, &x).unwrap();
    assert_eq!(sums, [1.0 - 65504.0 - 1.5 + 1.0 + 4.0, -4.0 + 2.5 + 65504.0]);
    KERNELS.mean_finish_f16(&sums, 4, &mut mean).unwrap();
    assert_eq!(mean.map(f16::to_f32), [-16376.0, 16376.0]);
}

#[test]
fn codes_become_f16_and_come_back() {
    let codes: Vec<i16> = (-2048..=2048).chain([i16::MIN, i16::MAX]).collect();
    let (mut values, mut back) = (vec![f16::NAN; codes.len()], vec![0; codes.len()]);
    KERNELS.s16_to_f16(&codes, 0.125, &mut values).unwrap();
    codes.iter().zip(&values).for_each(|(code, value)| close(*value, f64::from(*code) / 8.0, 0.0));
    KERNELS.f16_to_s16(&values, 0.125, &mut back).unwrap();
    assert_eq!(back[..4097], codes[..4097]);
    KERNELS.f16_to_s16(&[0.5, 1.5, -0.5, -2.5, 65504.0, -65504.0].map(f16::from_f64), 1.0, &mut back[..6]).unwrap();
    assert_eq!(back[..6], [0, 2, 0, -2, 32767, -32768]);
    KERNELS.f16_to_s16(&[f16::MAX, f16::MIN, f16::ZERO], f32::MIN_POSITIVE, &mut back[..3]).unwrap();
    assert_eq!(back[..3], [32767, -32768, 0]);
    KERNELS.s16_to_f16(&[i16::MAX, i16::MIN], 18_446_744_073_709_551_616.0, &mut values[..2]).unwrap();
    assert_eq!(values[..2], [f16::MAX, f16::MIN]);
}

#[test]
fn extremes_never_make_an_infinity_or_a_nan() {
    const HUGE: f32 = 18_446_744_073_709_551_616.0;
    let extremes = [f16::MAX, f16::MIN, f16::ZERO, f16::from_bits(1), f16::from_bits(0x8001)];
    for kernels in Isa::available().map(|isa| Kernels::new(isa).unwrap()) {
        for (x, bias) in extremes.into_iter().flat_map(|x| [-HUGE, -1.0, 0.0, HUGE].map(|bias| (x, bias))) {
            for y in extremes {
                let (a, w) = ([x; 2 * 64], [y; 64 * 64]);
                for act in ActivationF16::ALL {
                    let mut out = [f16::NAN; 2 * 64];
                    kernels.gemm_f16(&GemmF16 { a: &a, depth: 64, weights: &w, bias: &[bias; 64] }, EpilogueF16::Store { out: &mut out, act }).unwrap();
                    assert!(out.iter().all(|out| out.is_finite()));
                    let des = DesF16 { x: &a, k: 8, p: 8, right: &w[..64], right_bias: &[bias; 8], act, left: &w[..64], left_bias: &[bias; 8] };
                    let mut out = [bias; 2 * 64];
                    kernels.des_f16(&des, &mut [f32::NAN; 64], &mut out).unwrap();
                    assert!(out.iter().all(|out| out.is_finite()));
                    let mut out = [f16::NAN; 4];
                    kernels.activate_f32(&[bias; 4], act, &mut out).unwrap();
                    assert!(out.iter().all(|out| out.is_finite()));
                }
                let mut out = [f16::NAN; 2 * 64];
                kernels.attention_f16(&StripF16 { q: &a, v: &w[..40 * 32], dim: 32 }, &mut vec![f32::NAN; scratch(40, 32)], &mut out).unwrap();
                assert!(out.iter().all(|out| *out == y), "an average of {y} is not {out:?}");
                let mut mixed = a;
                mixed.iter_mut().step_by(3).for_each(|x| *x = y);
                kernels.layernorm_f16_in_place(&mut mixed, &NormF16 { gain: &[bias; 64], offset: &[-bias; 64], eps: f32::MIN_POSITIVE }).unwrap();
                assert!(mixed.iter().all(|x| x.is_finite()));
            }
        }
    }
}

#[test]
fn wrong_shapes_are_named() {
    let zeros = [f16::ZERO; 64];
    let gemm = |a: usize, depth, weights: usize, bias: usize, out: usize| {
        let args = GemmF16 { a: &zeros[..a], depth, weights: &zeros[..weights], bias: &[0.0; 9][..bias] };
        KERNELS.gemm_f16(&args, EpilogueF16::Sum { out: &mut [0.0; 64][..out] })
    };
    assert_eq!(gemm(4, 2, 16, 8, 16), Ok(()));
    assert_eq!(gemm(4, 0, 16, 8, 16), Err(ShapeError::Parameter));
    assert_eq!(gemm(5, 2, 16, 8, 16), Err(ShapeError::Input));
    assert_eq!(gemm(4, 2, 16, 0, 16), Err(ShapeError::Channels));
    assert_eq!(gemm(4, 2, 16, 9, 18), Err(ShapeError::Weights));
    assert_eq!(gemm(4, 2, 16, 7, 16), Err(ShapeError::Output));
    let norm = |eps| KERNELS.layernorm_f16_in_place(&mut [f16::ZERO; 4], &NormF16 { gain: &[1.0; 2], offset: &[0.0; 2], eps });
    assert_eq!(norm(1e-5), Ok(()));
    assert!([0.0, -1.0, 1e-40, f32::NAN, f32::INFINITY].into_iter().all(|eps| norm(eps) == Err(ShapeError::Parameter)));
    let attention = |q: usize, v: usize, dim, len: usize, out: usize| {
        KERNELS.attention_f16(&StripF16 { q: &zeros[..q], v: &zeros[..v], dim }, &mut vec![0.0; len], &mut [f16::ZERO; 64][..out])
    };
    assert_eq!(attention(8, 16, 4, scratch(4, 4), 8), Ok(()));
    assert_eq!(attention(8, 16, 0, scratch(4, 4), 8), Err(ShapeError::Parameter));
    assert_eq!(attention(8, 0, 4, scratch(4, 4), 8), Err(ShapeError::Input));
    assert_eq!(attention(8, 16, 4, scratch(4, 4) - 1, 8), Err(ShapeError::Scratch));
    assert_eq!(attention(8, 16, 4, scratch(4, 4), 7), Err(ShapeError::Output));
    assert_eq!(KERNELS.s16_to_f16(&[1], 0.0, &mut [f16::ZERO]), Err(ShapeError::Parameter));
    assert_eq!(KERNELS.f16_to_s16(&[f16::ONE], f32::NAN, &mut [0]), Err(ShapeError::Parameter));
    assert_eq!(KERNELS.mean_finish_f16(&[1.0], 0, &mut [f16::ZERO]), Err(ShapeError::Parameter));
    assert_eq!(KERNELS.add_f16(&mut [f16::ZERO; 2], &[0.0]), Err(ShapeError::Input));
}
