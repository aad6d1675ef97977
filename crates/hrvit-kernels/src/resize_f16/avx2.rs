//! The resized rows on vectors of 8 channels or classes. Sums are those of the definition, in its
//! order.

use core::arch::x86_64::*;

use half::f16;

use super::scalar;
use crate::avx2::floats::{LANES, largest, load};
use crate::isa::Avx2;
use crate::math_f32::widen;
use crate::resize::Rows;
use crate::slices::window;

super::sums::sums!(Avx2, avx2, "avx2,fma,f16c");

/// Writes the labels.
pub(super) fn labels(_: Avx2, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8]) {
    // SAFETY: the token proves the features; so below.
    unsafe { row::<false>(source, columns, labels, 0.0, &mut []) }
}

/// Writes the labels and the margins of two classes or more.
pub(super) fn margins(_: Avx2, source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    // SAFETY: as above.
    unsafe { row::<true>(source, columns, labels, scale, margins) }
}

/// The function for as many classes.
#[target_feature(enable = "avx2,fma,f16c")]
fn row<const MARGINS: bool>(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    match source.channels.div_ceil(LANES) {
        1 => arguments::<1, MARGINS>(source, columns, labels, scale, margins),
        2 => arguments::<2, MARGINS>(source, columns, labels, scale, margins),
        3 => arguments::<3, MARGINS>(source, columns, labels, scale, margins),
        4 => arguments::<4, MARGINS>(source, columns, labels, scale, margins),
        5..=8 => arguments::<8, MARGINS>(source, columns, labels, scale, margins),
        9..=16 => arguments::<16, MARGINS>(source, columns, labels, scale, margins),
        _ => arguments::<32, MARGINS>(source, columns, labels, scale, margins),
    }
}

/// Labels of at most 8 times `N` classes, and margins where `MARGINS` says so.
#[inline(never)] // one for each number of vectors
#[target_feature(enable = "avx2,fma,f16c")]
fn arguments<const N: usize, const MARGINS: bool>(source: &Rows<'_, f16>, columns: usize, labels: &mut [u8], scale: f32, margins: &mut [u8]) {
    let least = _mm256_set1_ps(f32::NEG_INFINITY);
    let (mut sources, mut classes) = ([[_mm256_setzero_ps(); 4]; N], [least; N]);
    // Lanes that are classes.
    let lane = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    for (first, classes) in (0..).step_by(LANES).zip(&mut classes) {
        let count = source.channels.saturating_sub(first) as i32;
        *classes = _mm256_castsi256_ps(_mm256_cmpgt_epi32(_mm256_set1_epi32(count), lane));
    }
    // The source tokens of neighbours are mostly the same.
    let mut held = None;
    for (x, label) in labels.iter_mut().enumerate() {
        let Some(corners) = source.corners_onwards(x, columns) else { continue };
        let tokens = Some([corners[0].0.len(), corners[1].0.len()]);
        if tokens != held {
            held = tokens;
            for (first, source) in (0..).step_by(LANES).zip(&mut sources) {
                for (vector, (corner, _)) in source.iter_mut().zip(corners) {
                    *vector = load_within(corner, first);
                }
            }
        }
        let [wa, wb, wc, wd] = corners.map(|(_, weight)| _mm256_set1_ps(weight as f32));
        let (mut z, mut most, mut second) = ([least; N], least, least);
        for ((z, [a, b, c, d]), classes) in z.iter_mut().zip(&sources).zip(classes) {
            let sum = _mm256_fmadd_ps(*b, wb, _mm256_mul_ps(*a, wa));
            *z = _mm256_blendv_ps(least, _mm256_fmadd_ps(*d, wd, _mm256_fmadd_ps(*c, wc, sum)), classes);
            if MARGINS {
                second = _mm256_min_ps(_mm256_max_ps(second, *z), most);
            }
            most = _mm256_max_ps(most, *z);
        }
        if MARGINS && let Some(to) = margins.get_mut(x) {
            let [largest, second] = two_largest([most, second]);
            *to = scalar::margin(largest, second, scale);
        }
        let most = _mm256_set1_ps(largest(most));
        // From the last to the first, so that the lowest is left; one of them is the largest.
        let mut argument = 0;
        for n in (0..N).rev() {
            let equal = _mm256_movemask_ps(_mm256_cmp_ps::<_CMP_EQ_OQ>(z[n], most));
            let first = (n * LANES) as u32 + equal.trailing_zeros();
            argument = if equal != 0 { first } else { argument };
        }
        *label = argument as u8;
    }
}

/// The two largest of all lanes, each of which has its own two.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn two_largest(two: [__m256; 2]) -> [f32; 2] {
    let both =
        |[a, second_a]: [__m256; 2], [b, second_b]: [__m256; 2]| [_mm256_max_ps(a, b), _mm256_max_ps(_mm256_min_ps(a, b), _mm256_max_ps(second_a, second_b))];
    let two = both(two, two.map(|x| _mm256_permute2f128_ps::<1>(x, x)));
    let two = both(two, two.map(|x| _mm256_permute_ps::<0b01_00_11_10>(x)));
    both(two, two.map(|x| _mm256_permute_ps::<0b10_11_00_01>(x))).map(|x| _mm256_cvtss_f32(x))
}

/// The 8 values from `first` on, zeros beyond the end of the row.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn load_within(row: &[f16], first: usize) -> __m256 {
    match window(row, first) {
        Some(eight) => load(eight),
        None => load(&crate::avx2::rates::up_to(row, first, f16::ZERO)),
    }
}
