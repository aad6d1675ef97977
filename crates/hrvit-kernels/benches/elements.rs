//! LayerNorm, elementwise operators and resizing over a row of the map of each branch of HRViT-b1
//! at 512x512; `Gelem/s` are elements.

mod common;

use common::{RANGE, Rates, SCALAR, all_kernels, codes, s16s, sums};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use hrvit_kernels::{Kernels, Norm, ShapeError};

/// Tokens and channels of a row.
const ROWS: [(usize, usize); 4] = [(128, 32), (64, 64), (32, 128), (16, 256)];

/// Benches `call` on every instruction set; it handles `elements`.
fn each(criterion: &mut Criterion, family: &str, shape: &str, elements: usize, mut call: impl FnMut(Kernels) -> Result<(), ShapeError>) {
    let mut group = criterion.benchmark_group(family);
    group.throughput(Throughput::Elements(elements as u64));
    for kernels in all_kernels() {
        group.bench_function(BenchmarkId::new(kernels.isa().name(), shape), |bencher| bencher.iter(|| call(kernels)));
    }
    group.finish();
}

fn rows(criterion: &mut Criterion) {
    for (tokens, channels) in ROWS {
        let (len, shape) = (tokens * channels, format!("{tokens}x{channels}"));
        let (x, v, acc, table) = (s16s(len), codes(len), sums(len), codes(1024));
        let (gain, offset, three, rates) = (vec![1000; channels], vec![5000; channels], vec![50_000; channels], Rates::new(channels));
        let norm = Norm { gain: &gain, offset: &offset, eps: 1000, shift: 20, fraction: 10 };
        let (mut out8, mut out16, mut out32) = (vec![0; len], vec![0; len], vec![0; len]);
        each(criterion, "layernorm_s8", &shape, len, |kernels| kernels.layernorm_s8(&x, &norm, -128, 127, &mut out8));
        each(criterion, "layernorm_s16", &shape, len, |kernels| kernels.layernorm_s16(&x, &norm, &mut out16));
        each(criterion, "narrow_s16", &shape, len, |kernels| kernels.narrow_s16(&x, rates.view(), RANGE, &mut out8));
        each(criterion, "rescale_s16", &shape, len, |kernels| kernels.rescale_s16(&x, rates.view(), &mut out16));
        each(criterion, "rescale_add32", &shape, len, |kernels| kernels.rescale_add32(&x, rates.view(), &mut out32));
        each(criterion, "hardswish_s8", &shape, len, |kernels| kernels.hardswish_s8(&v, &three, rates.view(), RANGE, &mut out8));
        each(criterion, "hardswish_s16", &shape, len, |kernels| kernels.hardswish_s16(&x, 3000, SCALAR, RANGE, &mut out8));
        each(criterion, "store_s8", &shape, len, |kernels| kernels.store_s8(&acc, SCALAR, RANGE, &mut out8));
        each(criterion, "table_s8", &shape, len, |kernels| kernels.table_s8(&acc, SCALAR, 512, &table, &mut out8));
        each(criterion, "add_s16", &shape, len, |kernels| kernels.add_s16(&mut out16, &acc));
        each(criterion, "add_s32", &shape, len, |kernels| kernels.add_s32(&mut out32, &acc));
        each(criterion, "mean_s8", &shape, len, |kernels| kernels.mean_s8(&mut out32[..channels], &v, 3));
    }
}

fn resize(criterion: &mut Criterion) {
    let (width, columns, classes) = (256, 32, 19);
    let row = s16s(columns * width);
    let mut acc = vec![0; 8 * width];
    for factor in [1, 2, 4, 8] {
        let unit = 2 * factor as i32;
        let (near, far, scale) = (unit - 1, 1, 256 / (unit * unit));
        each(criterion, "bilinear_add_s16", &format!("x{factor}"), acc.len(), |kernels| {
            kernels.bilinear_add_s16(&row, &row, near, far, width, factor, scale, 8, &mut acc)
        });
    }
    let logits = s16s(128 * classes);
    let mut labels = vec![0; 512];
    each(criterion, "argmax_s16", "512 labels of 19 classes", 512 * classes, |kernels| kernels.argmax_s16(&logits, &logits, 3, 5, classes, 4, &mut labels));
    let mut margins = vec![0; 512];
    each(criterion, "argmax_margin_s16", "512 labels of 19 classes", 512 * classes, |kernels| {
        kernels.argmax_margin_s16(&logits, &logits, 3, 5, classes, 4, &mut labels, 14, &mut margins)
    });
}

criterion_group!(benches, rows, resize);
criterion_main!(benches);
