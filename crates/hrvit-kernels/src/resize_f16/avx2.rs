//! The resized rows on vectors of 8 channels or classes. Sums are those of the definition, in its order.

use core::arch::x86_64::*;

use half::f16;

use super::scalar;
use crate::avx2::floats::{LANES, largest, load, load_f32, store_f32};
use crate::isa::Avx2;
use crate::lanes::{rows_mut, window};
use crate::math_f32::widen;
use crate::resize::Rows;

/// Adds the resized row to `acc`.
pub(super) fn bilinear_add(_: Avx2, source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
    // SAFETY: the token proves AVX2, FMA and F16C; so below.
    unsafe { add(source, columns, first, acc) }
}

/// Writes the labels.
pub(super) fn labels(_: Avx2, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    // SAFETY: as above.
    unsafe { arguments(source, columns, labels) }
}

#[target_feature(enable = "avx2,fma,f16c")]
fn add(source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
    let unit = scalar::unit(source.factor);
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some(corners) = source.corners(first + x, columns) else { continue };
        let weights = corners.map(|(_, weight)| weight as f32 * unit);
        let vectors = weights.map(|weight| _mm256_set1_ps(weight));
        let [a, b, c, d] = corners.map(|(corner, _)| corner.as_chunks::<LANES>());
        let (acc, acc_tail) = acc.as_chunks_mut::<LANES>();
        for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.0.iter().zip(b.0).zip(c.0.iter().zip(d.0))) {
            store_f32(acc, _mm256_add_ps(load_f32(acc), mix([a, b, c, d], vectors)));
        }
        for (acc, ((a, b), (c, d))) in acc_tail.iter_mut().zip(a.1.iter().zip(b.1).zip(c.1.iter().zip(d.1))) {
            *acc += widen(*a) * weights[0] + widen(*b) * weights[1] + widen(*c) * weights[2] + widen(*d) * weights[3];
        }
    }
}

/// The weighted sum of four vectors, in order.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn mix([a, b, c, d]: [&[f16; LANES]; 4], [wa, wb, wc, wd]: [__m256; 4]) -> __m256 {
    let sum = _mm256_fmadd_ps(load(b), wb, _mm256_mul_ps(load(a), wa));
    _mm256_fmadd_ps(load(d), wd, _mm256_fmadd_ps(load(c), wc, sum))
}

/// Vectors of the most classes.
const VECTORS: usize = 256 / LANES;

#[target_feature(enable = "avx2,fma,f16c")]
fn arguments(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    let classes = source.channels;
    let mut z = [_mm256_setzero_ps(); VECTORS];
    // Lanes of the last vector that are classes.
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    let count = classes - (classes - 1) / LANES * LANES;
    let last = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count as i32), lane));
    let least = _mm256_set1_ps(f32::NEG_INFINITY);
    let Some(z) = z.get_mut(..classes.div_ceil(LANES)) else { return };
    for (x, label) in labels.iter_mut().enumerate() {
        let Some(corners) = source.corners_onwards(x, columns) else { continue };
        let weights = corners.map(|(_, weight)| _mm256_set1_ps(weight as f32));
        for (first, z) in (0..).step_by(LANES).zip(z.iter_mut()) {
            let tail = corners.map(|(corner, _)| up_to(corner, first));
            *z = mix(tail.each_ref(), weights);
        }
        let mut most = least;
        if let Some((z_last, z)) = z.split_last_mut() {
            *z_last = _mm256_blendv_ps(least, *z_last, last);
            most = z.iter().fold(*z_last, |most, z| _mm256_max_ps(most, *z));
        }
        let most = _mm256_set1_ps(largest(most));
        for (first, z) in (0..).step_by(LANES).zip(z.iter()) {
            let equal = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(*z, most));
            if equal != 0 {
                *label = (first + equal.trailing_zeros()) as u8;
                break;
            }
        }
    }
}

/// The 8 values from `first` on, zeros beyond the end of the row.
#[inline(always)]
fn up_to(row: &[f16], first: usize) -> [f16; LANES] {
    match window(row, first) {
        Some(eight) => *eight,
        None => crate::avx2::rates::up_to(row, first, f16::ZERO),
    }
}
