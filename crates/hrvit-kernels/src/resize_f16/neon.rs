//! The resized rows on vectors of 8 channels or classes. Sums are those of the definition, in its order.

use core::arch::aarch64::*;

use half::f16;

use super::scalar;
use crate::isa::Neon;
use crate::math_f32::widen;
use crate::neon::floats::{Eight, LANES, add, fma, largest, load, load_f32, max, mul, splat, store_f32};
use crate::resize::Rows;
use crate::slices::{rows_mut, window};

/// Adds the resized row to `acc`.
pub(super) fn bilinear_add(_: Neon, source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
    // SAFETY: the token proves NEON; so below.
    unsafe { add_row(source, columns, first, acc) }
}

/// Writes the labels.
pub(super) fn labels(_: Neon, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    // SAFETY: as above.
    unsafe { arguments::<false>(source, columns, labels, 0.0, &mut []) }
}

/// Writes the labels and the margins of two classes or more.
pub(super) fn margins(_: Neon, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    // SAFETY: as above.
    unsafe { arguments::<true>(source, columns, labels, scale, margins) }
}

#[target_feature(enable = "neon")]
fn add_row(source: &Rows<'_, f16>, columns: usize, first: usize, acc: &mut [f32]) {
    let unit = scalar::unit(source.factor);
    for (x, acc) in rows_mut(acc, source.channels).enumerate() {
        let Some(corners) = source.corners(first + x, columns) else { continue };
        let weights = corners.map(|(_, weight)| weight as f32 * unit);
        let vectors = weights.map(|weight| splat(weight));
        let [a, b, c, d] = corners.map(|(corner, _)| corner.as_chunks::<LANES>());
        let (acc, acc_tail) = acc.as_chunks_mut::<LANES>();
        for (acc, ((a, b), (c, d))) in acc.iter_mut().zip(a.0.iter().zip(b.0).zip(c.0.iter().zip(d.0))) {
            store_f32(acc, add(load_f32(acc), mix([a, b, c, d], vectors)));
        }
        for (acc, ((a, b), (c, d))) in acc_tail.iter_mut().zip(a.1.iter().zip(b.1).zip(c.1.iter().zip(d.1))) {
            *acc += widen(*a) * weights[0] + widen(*b) * weights[1] + widen(*c) * weights[2] + widen(*d) * weights[3];
        }
    }
}

/// The weighted sum of four vectors, in order.
#[inline]
#[target_feature(enable = "neon")]
fn mix([a, b, c, d]: [&[f16; LANES]; 4], [wa, wb, wc, wd]: [Eight; 4]) -> Eight {
    let sum = fma(mul(load(a), wa), load(b), wb);
    fma(fma(sum, load(c), wc), load(d), wd)
}

/// Vectors of the most classes.
const VECTORS: usize = 256 / LANES;

/// The labels, and the margins where `MARGINS` says so.
#[target_feature(enable = "neon")]
fn arguments<const MARGINS: bool>(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    let classes = source.channels;
    let mut z = [splat(0.0); VECTORS];
    // Lanes of the last vector that are no classes are never the largest.
    let mut limits = [f32::INFINITY; LANES];
    limits.iter_mut().skip(classes - (classes - 1) / LANES * LANES).for_each(|limit| *limit = f32::NEG_INFINITY);
    let limits = load_f32(&limits);
    let lanes = vcreate_u32(1 << 32);
    let lanes = vcombine_u32(lanes, vadd_u32(lanes, vdup_n_u32(2)));
    let first = [lanes, vaddq_u32(lanes, vdupq_n_u32(4))];
    let Some(z) = z.get_mut(..classes.div_ceil(LANES)) else { return };
    for (x, label) in labels.iter_mut().enumerate() {
        let Some(corners) = source.corners_onwards(x, columns) else { continue };
        let weights = corners.map(|(_, weight)| splat(weight as f32));
        for (first, z) in (0..).step_by(LANES).zip(z.iter_mut()) {
            let tail = corners.map(|(corner, _)| up_to(corner, first));
            *z = mix(tail.each_ref(), weights);
        }
        if let Some(last) = z.last_mut() {
            *last = [vminq_f32(last[0], limits[0]), vminq_f32(last[1], limits[1])];
        }
        if MARGINS && let Some(to) = margins.get_mut(x) {
            let [largest, second] = two_largest(z);
            *to = scalar::margin(largest, second, scale);
        }
        let most = z.iter().fold(splat(f32::NEG_INFINITY), |most, z| max(most, *z));
        let most = vdupq_n_f32(largest(most));
        // The classes of a vector, and the lowest of those that have the largest value.
        let (mut class, mut lowest) = (first, [vdupq_n_u32(u32::MAX); 2]);
        for z in z.iter() {
            for ((z, class), lowest) in z.iter().zip(&mut class).zip(&mut lowest) {
                *lowest = vminq_u32(*lowest, vbslq_u32(vceqq_f32(*z, most), *class, vdupq_n_u32(u32::MAX)));
                *class = vaddq_u32(*class, vdupq_n_u32(LANES as u32));
            }
        }
        *label = vminvq_u32(vminq_u32(lowest[0], lowest[1])) as u8;
    }
}

/// The two largest of all values.
#[inline]
#[target_feature(enable = "neon")]
fn two_largest(values: &[Eight]) -> [f32; 2] {
    let least = splat(f32::NEG_INFINITY);
    let ([a, b], [second_a, second_b]) = values.iter().fold((least, least), |([a, b], [second_a, second_b]), z| {
        // The second lies between itself and the largest.
        let second = [vminq_f32(vmaxq_f32(second_a, z[0]), a), vminq_f32(vmaxq_f32(second_b, z[1]), b)];
        (max([a, b], *z), second)
    });
    let mut two = [vmaxq_f32(a, b), vmaxq_f32(vminq_f32(a, b), vmaxq_f32(second_a, second_b))];
    // Neighbours together, twice.
    for _ in 0..2 {
        let [a, second] = two;
        two = [vpmaxq_f32(a, a), vmaxq_f32(vpminq_f32(a, a), vpmaxq_f32(second, second))];
    }
    two.map(|x| vgetq_lane_f32::<0>(x))
}

/// The 8 values from `first` on, zeros beyond the end of the row.
#[inline(always)]
fn up_to(row: &[f16], first: usize) -> [f16; LANES] {
    match window(row, first) {
        Some(eight) => *eight,
        None => {
            let mut eight = [f16::ZERO; LANES];
            eight.iter_mut().zip(row.get(first..).unwrap_or_default()).for_each(|(to, from)| *to = *from);
            eight
        }
    }
}
