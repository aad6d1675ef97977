//! The shortcut: both products with the tile of [`crate::avx2::floats`], hidden values on the
//! stack, their rows padded to whole vectors.
//!
//! Sums are those of the definition, in its order. Views of more than 64 rows or columns are left
//! to `scalar`.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{DesF16, scalar};
use crate::avx2::activations::activate;
use crate::avx2::floats::{LANES, Weights, load_f32, load_up_to, store_f32, tile, widen};
use crate::gemm_f16::BLOCK;
use crate::isa::Avx2;
use crate::slices::{rows, rows_mut, window_mut};

/// Most rows, and most columns, of a token's view.
const MOST: usize = 64;
/// Rows of a tile.
const ROWS: usize = 4;

/// Computes all tokens.
pub(super) fn run(_: Avx2, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
    if args.k > MOST || args.p > MOST {
        return scalar::run(args, hidden, out);
    }
    // SAFETY: the token proves AVX2, FMA and F16C.
    unsafe { tokens(args, out) }
}

/// Hidden values: a block of 8 columns after the other, each row by row.
type Hidden = [[f32; LANES]; MOST * MOST / LANES];

/// All tokens.
#[target_feature(enable = "avx2,fma,f16c")]
fn tokens(args: &DesF16<'_>, out: &mut [f32]) {
    let (k, p) = (args.k, args.p);
    let (mut left, mut wide) = ([MaybeUninit::uninit(); MOST * MOST], [MaybeUninit::uninit(); MOST * MOST]);
    let left = widen(args.left, &mut left);
    let mut hidden: Hidden = [[0.0; LANES]; MOST * MOST / LANES];
    for (x, out) in rows(args.x, k * p).zip(rows_mut(out, k * p)) {
        let wide = widen(x, &mut wide);
        let blocks = rows(args.right.as_chunks::<BLOCK>().0, p);
        for (block, (weights, h)) in blocks.zip(rows_mut(&mut hidden, k)).enumerate() {
            let bias = load_up_to(args.right_bias, block * BLOCK);
            by_rows(
                wide,
                p,
                weights,
                |_| bias,
                |i, sum| {
                    if let Some(h) = h.get_mut(i) {
                        store_f32(h, activate(args.act, sum));
                    }
                },
            );
        }
        for (block, h) in rows(&hidden, k).take(p.div_ceil(BLOCK)).enumerate() {
            let bias = |o: usize| _mm256_set1_ps(args.left_bias.get(o).copied().unwrap_or(0.0));
            by_rows(left, k, h, bias, |o, sum| add(out, o * p + block * BLOCK, sum, (p - block * BLOCK).min(LANES)));
        }
    }
}

/// Every row of `a`, of `depth` elements, times the weights, plus the row's `start`, to `put`.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn by_rows<W: Weights>(a: &[f32], depth: usize, weights: &[W], start: impl Fn(usize) -> __m256, mut put: impl FnMut(usize, __m256)) {
    let (fours, ones) = a.split_at(a.len() / (ROWS * depth) * (ROWS * depth));
    let mut row = 0;
    for a in rows(fours, ROWS * depth) {
        let mut each = rows(a, depth);
        let a: [&[f32]; ROWS] = core::array::from_fn(|_| each.next().unwrap_or_default());
        for (r, [sum]) in tile(a, [weights], core::array::from_fn(|r| [start(row + r)])).into_iter().enumerate() {
            put(row + r, sum);
        }
        row += ROWS;
    }
    for a in rows(ones, depth) {
        let [[sum]] = tile([a], [weights], [[start(row)]]);
        put(row, sum);
        row += 1;
    }
}

/// Adds `len` lanes to the elements from `at` on.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn add(out: &mut [f32], at: usize, sum: __m256, len: usize) {
    if len == LANES {
        if let Some(out) = window_mut(out, at) {
            store_f32(out, _mm256_add_ps(load_f32(out), sum));
        }
        return;
    }
    let mut all = [0.0; LANES];
    store_f32(&mut all, sum);
    out.iter_mut().skip(at).take(len).zip(all).for_each(|(out, sum)| *out += sum);
}
