//! Products, depthwise convolutions and attention with the shapes of HRViT-b1 at 512x512; `Gelem/s`
//! are GMAC/s.

mod common;

use common::{CONVOLUTIONS, PRODUCTS, RANGE, Rates, STRIPS, VIEWS, all_kernels, codes, s16s, sums};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hrvit_kernels::{Depthwise, Des, Epilogue, Gemm, GemmS16, Packing, Strip, exp_table};

fn gemm(criterion: &mut Criterion) {
    for packing in Packing::ALL {
        let mut group = criterion.benchmark_group(format!("gemm_s8 {packing}"));
        for (rows, depth, cout) in PRODUCTS {
            let (a, weights, rates, bias) = (codes(rows * depth), codes(cout * depth), Rates::new(cout), vec![77; cout]);
            let mut packed = vec![0; packing.packed_len(cout, depth).unwrap()];
            packing.pack(&weights, depth, &mut packed).unwrap();
            let args = Gemm { a: &a, depth, weights: &packed, bias: &bias, requant: rates.view() }.packed(packing);
            let (mut out, table) = (vec![0i8; rows * cout], codes(1024));
            group.throughput(Throughput::Elements((rows * depth * cout) as u64));
            for kernels in all_kernels().filter(|kernels| kernels.isa() == hrvit_kernels::Isa::Scalar || kernels.chosen_gemm(packing) != "scalar") {
                group.bench_function(BenchmarkId::new(format!("{} store8", kernels.isa()), format!("{rows}x{depth}x{cout}")), |bencher| {
                    bencher.iter(|| kernels.gemm_s8_packed(&args, Epilogue::Store8 { out: &mut out, range: RANGE }));
                });
                group.bench_function(BenchmarkId::new(format!("{} table8", kernels.isa()), format!("{rows}x{depth}x{cout}")), |bencher| {
                    bencher.iter(|| kernels.gemm_s8_packed(&args, Epilogue::Table8 { out: &mut out, table: &table, zero: 300 }));
                });
            }
        }
    }
}

fn gemm_s16(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("gemm_s16");
    let (depth, cout) = (2048, 1000);
    let (a, weights, rates, bias) = (s16s(depth), codes(cout * depth), Rates::new(cout), vec![77; cout]);
    let args = GemmS16 { a: &a, depth, weights: &weights, bias: &bias, requant: rates.view() };
    let mut out = vec![0; cout];
    group.throughput(Throughput::Elements((depth * cout) as u64));
    for kernels in all_kernels() {
        group.bench_function(kernels.isa().name(), |bencher| bencher.iter(|| kernels.gemm_s16(&args, Epilogue::Store16 { out: &mut out })));
    }
}

fn depthwise(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("dwconv_s8");
    for (kernel, stride, columns, channels) in CONVOLUTIONS {
        let (row, weights, rates, bias) = (codes(columns * channels), codes(kernel * kernel * channels), Rates::new(channels), vec![5; channels]);
        let rows = vec![Some(&row[..]); kernel];
        let args = Depthwise {
            rows: &rows,
            in_stride: channels,
            columns,
            kernel,
            stride,
            pad: 0,
            weights: &weights,
            weight_stride: channels,
            bias: &bias,
            requant: rates.view(),
        };
        let outputs = columns.div_ceil(stride) * channels;
        let (mut out, table) = (vec![0i8; outputs], codes(1024));
        group.throughput(Throughput::Elements((outputs * kernel * kernel) as u64));
        for kernels in all_kernels() {
            let shape = format!("{kernel}x{kernel}/{stride} {columns}x{channels}");
            group.bench_function(BenchmarkId::new(format!("{} store8", kernels.isa()), &shape), |bencher| {
                bencher.iter(|| kernels.depthwise_s8(&args, Epilogue::Store8 { out: &mut out, range: RANGE }, channels));
            });
            group.bench_function(BenchmarkId::new(format!("{} table8", kernels.isa()), &shape), |bencher| {
                bencher.iter(|| kernels.depthwise_s8(&args, Epilogue::Table8 { out: &mut out, table: &table, zero: 300 }, channels));
            });
        }
    }
}

fn attention(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("attention_s8");
    let exp = exp_table();
    for (keys, dim) in STRIPS {
        let (q, v) = (codes(keys * dim), codes(keys * dim));
        let (mut scores, mut out) = (vec![0; keys], vec![0; keys * dim]);
        group.throughput(Throughput::Elements(2 * (keys * keys * dim) as u64));
        for kernels in all_kernels() {
            for bits in [8, 15] {
                let args = Strip { q: &q, v: &v, dim, mult: 1 << 30, shift: 40, exp: &exp, bits };
                group.bench_function(BenchmarkId::new(format!("{} {bits} bits", kernels.isa()), format!("{keys}x{dim}")), |bencher| {
                    bencher.iter(|| kernels.attention_s8(&args, &mut scores, &mut out));
                });
            }
        }
    }
}

fn des(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("des_s16");
    for (tokens, k, p) in VIEWS {
        let (x, right, left, table) = (s16s(tokens * k * p), codes(p * p), codes(k * k), s16s(1024));
        let (rates, bias) = (Rates::new(16), vec![3; 16]);
        let part = |n: usize| hrvit_kernels::Requant { mult: &rates.view().mult[..n], shift: &rates.view().shift[..n], pre_shift: 0 };
        let args = Des {
            x: &x,
            k,
            p,
            right: &right,
            right_bias: &bias[..p],
            right_requant: part(p),
            zero: 512,
            table: &table,
            left: &left,
            left_bias: &bias[..k],
            left_requant: part(k),
        };
        let (mut hidden, mut out) = (vec![0; k * p], sums(tokens * k * p));
        group.throughput(Throughput::Elements((tokens * k * p * (k + p)) as u64));
        for kernels in all_kernels() {
            group.bench_function(BenchmarkId::new(kernels.isa().name(), format!("{tokens} tokens of {k}x{p}")), |bencher| {
                bencher.iter(|| kernels.des_s16(&args, &mut hidden, &mut out));
            });
        }
    }
}

criterion_group!(benches, gemm, gemm_s16, depthwise, attention, des);
criterion_main!(benches);
