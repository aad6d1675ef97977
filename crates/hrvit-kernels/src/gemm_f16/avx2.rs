//! The product: activations are widened once per call, 6 rows times 16 channels are summed in
//! registers, weights widened as they are read.
//!
//! Sums are those of the definition, in its order. Deeper products than 5120 are left to `scalar`.

use core::mem::MaybeUninit;

use half::f16;

use super::{BLOCK, GemmF16, scalar};
use crate::avx2::floats::{load_up_to, put, tile, widen};
use crate::epilogue_f16::EpilogueF16;
use crate::isa::Avx2;
use crate::slices::rows as each_row;

/// Rows of a tile.
const ROWS: usize = 6;
/// Deepest product.
const MAX_DEPTH: usize = 5120;
/// Widened activations that leave room for weights in the first-level cache.
const CACHED: usize = 6144;

/// Computes the product.
pub(super) fn run(_: Avx2, args: &GemmF16<'_>, epilogue: EpilogueF16<'_>) {
    if args.depth > MAX_DEPTH {
        return scalar::run(args, epilogue);
    }
    // SAFETY: the token proves AVX2, FMA and F16C.
    unsafe { product(args, epilogue) }
}

/// All rows, as many at a time as are kept widened.
#[target_feature(enable = "avx2,fma,f16c")]
fn product(args: &GemmF16<'_>, mut epilogue: EpilogueF16<'_>) {
    let GemmF16 { a, depth, weights, bias } = *args;
    let mut wide = [MaybeUninit::<f32>::uninit(); ROWS * MAX_DEPTH];
    let rows_at_once = (CACHED / (ROWS * depth)).max(1) * ROWS;
    let mut first_row = 0;
    for a in a.chunks(rows_at_once * depth) {
        let wide = widen(a, &mut wide);
        let mut blocks = each_row(weights.as_chunks::<BLOCK>().0, depth);
        let mut first = 0;
        while let Some(low) = blocks.next() {
            match blocks.next() {
                Some(high) => columns(&mut epilogue, [low, high], wide, bias, (first_row, first)),
                None => columns(&mut epilogue, [low], wide, bias, (first_row, first)),
            }
            first += 2 * BLOCK;
        }
        first_row += rows_at_once;
    }
}

/// `N` blocks of channels of all rows that are widened.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn columns<const N: usize>(epilogue: &mut EpilogueF16<'_>, weights: [&[[f16; BLOCK]]; N], wide: &[f32], bias: &[f32], (row, first): (usize, usize)) {
    let depth = weights[0].len();
    let mut start = [load_up_to(bias, first); N];
    if N == 2 {
        start[N - 1] = load_up_to(bias, first + BLOCK);
    }
    let mut row = row;
    let (sixes, rest) = wide.split_at(wide.len() / (ROWS * depth) * (ROWS * depth));
    for a in each_row(sixes, ROWS * depth) {
        some_rows::<ROWS, N>(epilogue, weights, a, start, bias.len(), (row, first));
        row += ROWS;
    }
    let at = (row, first);
    match rest.len() / depth {
        1 => some_rows::<1, N>(epilogue, weights, rest, start, bias.len(), at),
        2 => some_rows::<2, N>(epilogue, weights, rest, start, bias.len(), at),
        3 => some_rows::<3, N>(epilogue, weights, rest, start, bias.len(), at),
        4 => some_rows::<4, N>(epilogue, weights, rest, start, bias.len(), at),
        5 => some_rows::<5, N>(epilogue, weights, rest, start, bias.len(), at),
        _ => {}
    }
}

/// `N` blocks of channels of `R` rows.
#[inline]
#[target_feature(enable = "avx2,fma,f16c")]
fn some_rows<const R: usize, const N: usize>(
    epilogue: &mut EpilogueF16<'_>,
    weights: [&[[f16; BLOCK]]; N],
    a: &[f32],
    start: [core::arch::x86_64::__m256; N],
    cout: usize,
    (row, first): (usize, usize),
) {
    let depth = weights[0].len();
    let mut rows = each_row(a, depth);
    let a: [&[f32]; R] = core::array::from_fn(|_| rows.next().unwrap_or_default());
    for (r, sums) in tile(a, weights, [start; R]).into_iter().enumerate() {
        put(epilogue, (row + r) * cout + first, sums, (cout - first).min(N * BLOCK));
    }
}
