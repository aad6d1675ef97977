//! The shortcut: both products by the sums of [`crate::neon::product_f16`], hidden values on the
//! stack, their rows padded to whole vectors. Views of 16 to 256 channels whose sizes are powers of
//! two have functions of their own, `neon_views`.
//!
//! Sums are those of the definition, in its order. Views of more than 64 rows or columns are left
//! to `scalar`.

use core::mem::MaybeUninit;

use half::f16;

use super::{DesF16, neon_views, scalar};
use crate::gemm_f16::BLOCK;
use crate::isa::Neon;
use crate::neon::activations::activate;
use crate::neon::floats::{Eight, LANES, add, load_f32, load_up_to, splat, store_f32};
use crate::neon::product_f16::{Fmla, Products, ROWS, pointers, tiles};
use crate::slices::{rows, rows_mut, window_mut};

/// Most rows, and most columns, of a token's view.
const MOST: usize = 64;

/// Computes all tokens.
pub(super) fn run(_: Neon, args: &DesF16<'_>, hidden: &mut [f32], out: &mut [f32]) {
    if args.k > MOST || args.p > MOST {
        return scalar::run(args, hidden, out);
    }
    // SAFETY: the token proves NEON, and the views are small enough.
    unsafe {
        match (args.k, args.p) {
            (4, 4) => neon_views::tokens::<4, 1>(args, out),
            (4, 8) => neon_views::tokens::<4, 2>(args, out),
            (8, 8) => neon_views::tokens::<8, 2>(args, out),
            (8, 16) => neon_views::tokens::<8, 4>(args, out),
            (16, 16) => neon_views::tokens::<16, 4>(args, out),
            _ => tokens(args, out),
        }
    }
}

/// All tokens.
///
/// # Safety
/// A view has at most [`MOST`] rows and columns. The entry has checked the lengths.
#[inline(never)] // its hidden values would lie on the stack of all other views
#[target_feature(enable = "neon")]
unsafe fn tokens(args: &DesF16<'_>, out: &mut [f32]) {
    let (k, p) = (args.k, args.p);
    // A block of 8 columns after the other, each row by row.
    let mut hidden = [MaybeUninit::<[f32; LANES]>::uninit(); MOST * MOST / LANES];
    let hidden = hidden.as_mut_ptr().cast::<[f32; LANES]>();
    for (x, out) in rows(args.x, k * p).zip(rows_mut(out, k * p)) {
        for block in 0..p.div_ceil(BLOCK) {
            let first = block * BLOCK;
            let bias = load_up_to(args.right_bias, first);
            // SAFETY: `x` has k rows of p elements, a block of `right` p steps of 8 weights;
            // `hidden` has room for k vectors of each of the at most `MOST / 8` blocks, and those
            // of this block are written before they are read; `left` has k rows of k elements.
            unsafe {
                let hidden = hidden.add(block * k);
                let right = args.right.as_ptr().add(block * p * BLOCK);
                tiles!(k, |row, HERE| {
                    let mut sums = [bias; ROWS];
                    Fmla::add::<HERE>(&pointers::<HERE>(x, p, row), right, size_of::<[f16; BLOCK]>(), p, &mut sums);
                    for (r, sums) in sums.into_iter().enumerate().take(HERE) {
                        let mut values = [0.0; LANES];
                        store_f32(&mut values, activate(args.act, sums));
                        hidden.add(row + r).write(values);
                    }
                });
                tiles!(k, |row, HERE| {
                    let mut sums: [Eight; ROWS] = core::array::from_fn(|r| splat(args.left_bias.get(row + r).copied().unwrap_or(0.0)));
                    Fmla::add::<HERE>(&pointers::<HERE>(args.left, k, row), hidden.cast::<f32>(), size_of::<[f32; LANES]>(), k, &mut sums);
                    for (r, sums) in sums.into_iter().enumerate().take(HERE) {
                        put(out, (row + r) * p + first, sums, (p - first).min(LANES));
                    }
                });
            }
        }
    }
}

/// Adds `len` lanes to the elements from `at` on.
#[inline]
#[target_feature(enable = "neon")]
fn put(out: &mut [f32], at: usize, sums: Eight, len: usize) {
    if len == LANES {
        if let Some(out) = window_mut(out, at) {
            store_f32(out, add(load_f32(out), sums));
        }
        return;
    }
    let mut all = [0.0; LANES];
    store_f32(&mut all, sums);
    out.iter_mut().skip(at).take(len).zip(all).for_each(|(out, sum)| *out += sum);
}
