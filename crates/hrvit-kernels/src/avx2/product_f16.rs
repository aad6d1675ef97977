//! Sums of the f16 products: up to 6 rows with 16 channels. No instruction widens an f16 into all
//! lanes, so that rows are widened before.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use half::f16;

use super::floats::{Eight, LANES, fma, load, load_f32, splat};
use crate::floats::Products;

/// Elements of rows as products take them, which are widened before.
pub(crate) type Row = f32;
/// Room for an element that is widened before.
pub(crate) type Room = MaybeUninit<f32>;
/// Whether elements are widened before.
pub(crate) const WIDENS: bool = true;
/// Most rows of a product.
pub(crate) const ROWS: usize = 6;

/// Calls the body for tiles of rows.
macro_rules! tiles {
    ($($of:tt)+) => { $crate::floats::steps!([6 5 4 3 2 1] $($of)+) };
}
/// Calls the body for groups of blocks of 8 channels.
macro_rules! blocks {
    ($($of:tt)+) => { $crate::floats::steps!([2 1] $($of)+) };
}
pub(crate) use {blocks, tiles};

/// `values` as products take them; as many as `room` holds.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
pub(crate) fn widened<'o>(values: &[f16], room: &'o mut [Room]) -> &'o [Row] {
    let len = values.len().min(room.len());
    let room = &mut room[..len];
    let ((values, tail), (blocks, room_tail)) = (values[..len].as_chunks::<LANES>(), room.as_chunks_mut::<LANES>());
    for (values, room) in values.iter().zip(blocks) {
        // SAFETY: writes the 32 bytes of the reference; the store needs no alignment.
        unsafe { _mm256_storeu_ps(room.as_mut_ptr().cast(), load(values)) };
    }
    for (value, room) in tail.iter().zip(room_tail) {
        room.write(crate::math_f32::widen(*value));
    }
    // SAFETY: the two loops have written whole vectors and what is left: all `len`.
    unsafe { room.assume_init_ref() }
}

/// Weights of 8 channels.
pub(crate) trait Weights {
    /// As a vector.
    ///
    /// # Safety
    /// The processor has AVX2, FMA and F16C; 8 elements may be read.
    unsafe fn vector(from: *const Self) -> Eight;
}

impl Weights for f16 {
    #[inline(always)]
    unsafe fn vector(from: *const f16) -> Eight {
        // SAFETY: by the contract.
        unsafe { load(&*from.cast()) }
    }
}

impl Weights for f32 {
    #[inline(always)]
    unsafe fn vector(from: *const f32) -> Eight {
        // SAFETY: by the contract.
        unsafe { load_f32(&*from.cast()) }
    }
}

/// Fused products.
pub(crate) struct Fma;

impl<W: Weights> Products<f32, W, Eight, ROWS> for Fma {
    #[inline(always)]
    unsafe fn add<const R: usize, const N: usize>(
        rows: &[*const f32; ROWS],
        weights: [*const W; N],
        stride: usize,
        depth: usize,
        sums: &mut [[Eight; N]; ROWS],
    ) {
        // SAFETY: the caller vouches for the instructions, and for every step's elements.
        unsafe {
            // Two at a time: rows have too many addresses for an instruction each.
            for i in (0..depth / 2 * 2).step_by(2) {
                step::<W, R, N>(rows, weights, stride, i, sums);
                step::<W, R, N>(rows, weights, stride, i + 1, sums);
            }
            if !depth.is_multiple_of(2) {
                step::<W, R, N>(rows, weights, stride, depth - 1, sums);
            }
        }
    }
}

/// Adds the products of step `i`.
///
/// # Safety
/// As for [`Products::add`], whose step it is.
#[inline(always)]
unsafe fn step<W: Weights, const R: usize, const N: usize>(
    rows: &[*const f32; ROWS],
    weights: [*const W; N],
    stride: usize,
    i: usize,
    sums: &mut [[Eight; N]; ROWS],
) {
    // SAFETY: by the contract.
    unsafe {
        let weights = weights.map(|weights| W::vector(weights.byte_add(i * stride)));
        for (row, sums) in rows.iter().zip(sums.iter_mut()).take(R) {
            let a = splat(*row.add(i));
            for (sum, weights) in sums.iter_mut().zip(weights) {
                *sum = fma(*sum, a, weights);
            }
        }
    }
}
