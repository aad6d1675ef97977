//! What this machine can do at most with exact 32-bit sums of 8-bit products and no memory: the two ways that AVX2 has, from registers only. `Gelem/s` are GMAC/s; the
//! better of the two is the peak that products are compared with.

use criterion::{Criterion, Throughput, criterion_group, criterion_main};

#[cfg(target_arch = "x86_64")]
mod avx2 {
    use core::arch::asm;
    use core::arch::x86_64::*;
    use std::hint::black_box;

    /// Turns of a loop.
    pub const TURNS: u64 = 10_000;
    /// Products of one turn of [`words`]: 12 accumulators, 16 products each.
    pub const WORDS: u64 = 12 * 16;
    /// Products of one turn of [`bytes`]: 10 accumulators, 32 products each.
    pub const BYTES: u64 = 10 * 32;

    /// Keeps the compiler from computing less, or once: both may have changed.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn touch(acc: &mut __m256i, weights: &mut __m256i) {
        // SAFETY: no instruction at all.
        unsafe { asm!("/* {0} {1} */", inout(ymm_reg) * acc, inout(ymm_reg) * weights, options(pure, nomem, nostack, preserves_flags)) };
    }

    /// 16-bit products: multiply and add pairs, add.
    #[target_feature(enable = "avx2")]
    pub fn words() -> __m256i {
        let (a, mut weights) = (black_box(_mm256_set1_epi16(5)), black_box(_mm256_set1_epi16(3)));
        let mut accumulators = [_mm256_setzero_si256(); 12];
        for _ in 0..TURNS {
            for acc in &mut accumulators {
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(a, weights));
                touch(acc, &mut weights);
            }
        }
        accumulators.into_iter().fold(_mm256_setzero_si256(), |sum, acc| _mm256_add_epi32(sum, acc))
    }

    /// 8-bit products: the sign of one operand to the other, multiply and add pairs, add pairs, add.
    #[target_feature(enable = "avx2")]
    pub fn bytes() -> __m256i {
        let (magnitude, sign, mut weights) = (black_box(_mm256_set1_epi8(5)), black_box(_mm256_set1_epi8(-5)), black_box(_mm256_set1_epi8(3)));
        let one = _mm256_set1_epi16(1);
        let mut accumulators = [_mm256_setzero_si256(); 10];
        for _ in 0..TURNS {
            for acc in &mut accumulators {
                let pairs = _mm256_maddubs_epi16(magnitude, _mm256_sign_epi8(weights, sign));
                *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(pairs, one));
                touch(acc, &mut weights);
            }
        }
        accumulators.into_iter().fold(_mm256_setzero_si256(), |sum, acc| _mm256_add_epi32(sum, acc))
    }
}

fn peak(criterion: &mut Criterion) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("avx2") {
        let mut group = criterion.benchmark_group("peak");
        group.throughput(Throughput::Elements(avx2::TURNS * avx2::WORDS));
        // SAFETY: AVX2 was detected.
        group.bench_function("16-bit multiply and add pairs", |bencher| bencher.iter(|| unsafe { avx2::words() }));
        group.throughput(Throughput::Elements(avx2::TURNS * avx2::BYTES));
        // SAFETY: AVX2 was detected.
        group.bench_function("8-bit sign, multiply and add pairs", |bencher| bencher.iter(|| unsafe { avx2::bytes() }));
        group.finish();
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = (criterion, Throughput::Elements(0));
}

criterion_group!(benches, peak);
criterion_main!(benches);
