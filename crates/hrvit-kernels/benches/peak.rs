//! Peak of this machine with exact 32-bit sums of 8-bit products and no memory: the loops of
//! [`hrvit_kernels::peak`]. `Gelem/s` are GMAC/s; the best loop of an instruction set is the peak
//! that its products are compared with.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

mod common;

/// Turns of a loop.
const TURNS: u32 = 10_000;

fn peak(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("peak");
    for kernels in common::all_kernels() {
        for peak in kernels.peaks() {
            group.throughput(Throughput::Elements(peak.run(1) * u64::from(TURNS)));
            group.bench_function(format!("{} {}", kernels.isa(), peak.name()), |bencher| bencher.iter(|| peak.run(TURNS)));
        }
    }
    group.finish();
}

criterion_group!(benches, peak);
criterion_main!(benches);
