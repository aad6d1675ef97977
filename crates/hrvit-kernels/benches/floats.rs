//! The f16 kernels with the shapes of HRViT-b1 at 512x512; `Gelem/s` are GMAC/s of products, else
//! elements.

mod common;

use common::{all_kernels, halves, s16s};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hrvit_kernels::{ActivationF16, DepthwiseF16, DesF16, EpilogueF16, GemmF16, Kernels, NormF16, ShapeError, StripF16, attention_f16, blocks_f16_len, f16};

/// Benches `call` on every instruction set; it handles `elements`.
fn each(criterion: &mut Criterion, family: &str, shape: &str, elements: usize, mut call: impl FnMut(Kernels) -> Result<(), ShapeError>) {
    let mut group = criterion.benchmark_group(family);
    group.throughput(Throughput::Elements(elements as u64));
    for kernels in all_kernels() {
        group.bench_function(BenchmarkId::new(kernels.isa().name(), shape), |bencher| bencher.iter(|| call(kernels)));
    }
    group.finish();
}

fn products(criterion: &mut Criterion) {
    for (rows, depth, cout) in common::PRODUCTS {
        let (a, weights, bias) = (halves(rows * depth), halves(blocks_f16_len(cout, depth)), vec![0.5; cout]);
        let args = GemmF16 { a: &a, depth, weights: &weights, bias: &bias };
        let mut out = vec![f16::ZERO; rows * cout];
        for (name, act) in [("gemm_f16", ActivationF16::None), ("gemm_f16 gelu", ActivationF16::Gelu)] {
            each(criterion, name, &format!("{rows}x{depth}x{cout}"), rows * depth * cout, |kernels| {
                kernels.gemm_f16(&args, EpilogueF16::Store { out: &mut out, act })
            });
        }
    }
}

fn depthwise(criterion: &mut Criterion) {
    for (kernel, stride, columns, channels) in common::CONVOLUTIONS {
        let (row, weights, bias) = (halves(columns * channels), halves(kernel * kernel * channels), vec![0.5; channels]);
        let rows = vec![Some(&row[..]); kernel];
        let args = DepthwiseF16 { rows: &rows, in_stride: channels, columns, kernel, stride, weights: &weights, weight_stride: channels, bias: &bias };
        let outputs = columns.div_ceil(stride) * channels;
        let mut out = vec![f16::ZERO; outputs];
        each(criterion, "dwconv_f16", &format!("{kernel}x{kernel}/{stride} {columns}x{channels}"), outputs * kernel * kernel, |kernels| {
            kernels.depthwise_f16(&args, EpilogueF16::Store { out: &mut out, act: ActivationF16::None }, channels)
        });
    }
}

fn attention(criterion: &mut Criterion) {
    for (keys, dim) in common::STRIPS {
        let (q, v) = (halves(keys * dim), halves(keys * dim));
        let (mut scratch, mut out) = (vec![0.0; attention_f16::scratch(keys, dim)], vec![f16::ZERO; keys * dim]);
        each(criterion, "attention_f16", &format!("{keys}x{dim}"), 2 * keys * keys * dim, |kernels| {
            kernels.attention_f16(&StripF16 { q: &q, v: &v, dim }, &mut scratch, &mut out)
        });
    }
}

fn des(criterion: &mut Criterion) {
    for (tokens, k, p) in common::VIEWS {
        let (x, right, left, bias) = (halves(tokens * k * p), halves(blocks_f16_len(p, p)), halves(k * k), [0.5; 16]);
        let args = DesF16 { x: &x, k, p, right: &right, right_bias: &bias[..p], act: ActivationF16::Gelu, left: &left, left_bias: &bias[..k] };
        let (mut hidden, mut out) = (vec![0.0; k * p], vec![0.0; x.len()]);
        each(criterion, "des_f16", &format!("{tokens} tokens of {k}x{p}"), x.len() * (k + p), |kernels| {
            out.fill(0.0);
            kernels.des_f16(&args, &mut hidden, &mut out)
        });
    }
}

fn elements(criterion: &mut Criterion) {
    let (tokens, channels) = (64, 64);
    let len = tokens * channels;
    let (x, codes, acc) = (halves(len), s16s(len), vec![0.75; len]);
    let (gain, offset) = (vec![1.25; channels], vec![0.5; channels]);
    let norm = NormF16 { gain: &gain, offset: &offset, eps: 1e-5 };
    let (mut out, mut sums, mut back) = (vec![f16::ZERO; len], vec![0.0; len], vec![0; len]);
    let shape = format!("{tokens}x{channels}");
    each(criterion, "layernorm_f16", &shape, len, |kernels| kernels.layernorm_f16(&x, &norm, &mut out));
    each(criterion, "hardswish_f16", &shape, len, |kernels| kernels.hardswish_f16(&x, &mut out));
    each(criterion, "activate_f32 gelu", &shape, len, |kernels| kernels.activate_f32(&acc, ActivationF16::Gelu, &mut out));
    each(criterion, "s16_to_f16", &shape, len, |kernels| kernels.s16_to_f16(&codes, 1e-3, &mut out));
    each(criterion, "f16_to_s16", &shape, len, |kernels| kernels.f16_to_s16(&x, 1e-3, &mut back));
    each(criterion, "mean_f16", &shape, len, |kernels| kernels.mean_f16(&mut sums[..channels], &x));
    each(criterion, "widen_add_f32", &shape, len, |kernels| {
        sums.fill(0.0);
        kernels.widen_add_f32(&x, &mut sums)
    });
    each(criterion, "add_f16", &shape, len, |kernels| {
        out.fill(f16::ONE);
        kernels.add_f16(&mut out, &acc)
    });
    for factor in [2, 8] {
        let (near, far) = (2 * factor as i32 - 1, 1);
        let (row, mut acc) = (halves(32 * 256), vec![0.0; 8 * 256]);
        each(criterion, "bilinear_add_f16", &format!("x{factor}"), acc.len(), |kernels| {
            acc.fill(0.0);
            kernels.bilinear_add_f16(&row, &row, near, far, 256, factor, 8, &mut acc)
        });
    }
    let (logits, mut labels, mut margins) = (halves(128 * 19), vec![0; 512], vec![0; 512]);
    each(criterion, "argmax_f16", "512 labels of 19 classes", 512 * 19, |kernels| kernels.argmax_f16(&logits, &logits, 3, 5, 19, 4, &mut labels));
    each(criterion, "argmax_margin_f16", "512 labels of 19 classes", 512 * 19, |kernels| {
        kernels.argmax_margin_f16(&logits, &logits, 3, 5, 19, 4, &mut labels, 6, &mut margins)
    });
}

criterion_group!(benches, products, depthwise, attention, des, elements);
criterion_main!(benches);
