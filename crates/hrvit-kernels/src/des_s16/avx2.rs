//! The shortcut on AVX2: the first product as tiles ([`crate::avx2::tile`]) over the rows of a
//! token's view, the second one along its columns, two rows side by side.

use core::arch::x86_64::*;
use core::mem::MaybeUninit;

use super::{Des, scalar};
use crate::avx2::rates::{Order, Rates, up_to};
use crate::avx2::tile::{Group, ROWS, multiply, pack};
use crate::avx2::{load8_i16, load8_i32, store8_i32};
use crate::isa::Avx2;
use crate::requant::TensorRequant;
use crate::slices::{rows as each_row, rows_mut, window, window_mut};

/// Largest `k` and `p`; larger ones, and a `p` that is no multiple of 8, are left to `scalar`.
const MAX: usize = 32;
/// Channels of a block.
const BLOCK: usize = 8;

/// See [`Kernels::des_s16`](crate::Kernels::des_s16).
pub(super) fn run(_: Avx2, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let fits = args.k <= MAX && args.p <= MAX && args.p.is_multiple_of(BLOCK);
    if !fits {
        return scalar::run(args, hidden, out);
    }
    // SAFETY: the token proves AVX2.
    unsafe { tokens(args, hidden, out) }
}

#[target_feature(enable = "avx2")]
fn tokens(args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    let (k, p) = (args.k, args.p);
    let groups = p / 4;
    let mut buffer = [const { MaybeUninit::<Group>::uninit() }; MAX / BLOCK * MAX / 4];
    let buffer = buffer.get_mut(..p / BLOCK * groups).unwrap_or_default();
    let mut outputs = each_row(args.right, p);
    for block in rows_mut(buffer, groups) {
        pack(core::array::from_fn(|_| outputs.next().unwrap_or_default()), block);
    }
    // SAFETY: the loop above has written every block.
    let weights: &[Group] = unsafe { buffer.assume_init_ref() };
    let right: [Right; MAX / BLOCK] = core::array::from_fn(|block| Right::new(args, block * BLOCK));
    let left: [Left; MAX] = core::array::from_fn(|o| Left::new(args, o));
    let last = args.table.len() as i32 - 1;
    let look_up = LookUp { table: args.table, zero: _mm256_set1_epi32(args.zero), last: _mm256_set1_epi32(last) };
    for (token, out) in each_row(args.x, k * p).zip(rows_mut(out, k * p)) {
        for (rows, hidden) in token.chunks(ROWS * p).zip(hidden.chunks_mut(ROWS * p)) {
            let mut each = each_row(rows.as_chunks::<4>().0, groups);
            let first = each.next().unwrap_or_default();
            let a = [first, each.next().unwrap_or(first), each.next().unwrap_or(first), each.next().unwrap_or(first)];
            for ((b, block), right) in each_row(weights, groups).enumerate().zip(&right) {
                let sums = multiply(a, block, right.bias);
                for ([low, high], row) in sums.into_iter().zip(rows_mut(hidden, p)) {
                    if let Some(out) = window_mut(row, b * BLOCK) {
                        *out = look_up.eight(right.rates.of_pairs(low, high));
                    }
                }
            }
        }
        for q in (0..p).step_by(BLOCK) {
            columns(hidden, p, q, &left, out);
        }
    }
}

/// Bias and multipliers of 8 outputs of the first product.
struct Right {
    bias: [__m256i; 2],
    rates: Rates,
}

impl Right {
    #[target_feature(enable = "avx2")]
    fn new(args: &Des<'_>, first: usize) -> Self {
        let bias = load8_i32(&up_to(args.right_bias, first, 0));
        let bias = [_mm256_cvtepu32_epi64(_mm256_castsi256_si128(bias)), _mm256_cvtepu32_epi64(_mm256_extracti128_si256::<1>(bias))];
        Self { bias, rates: Rates::new(args.right_requant, first, Order::Pairs) }
    }
}

/// One output of the second product: weights two by two, bias, multiplier.
struct Left {
    pairs: [i32; MAX / 2],
    bias: i32,
    rates: Rates,
}

impl Left {
    #[target_feature(enable = "avx2")]
    fn new(args: &Des<'_>, o: usize) -> Self {
        let rq = args.left_requant;
        let weights = args.left.get(o * args.k..(o + 1) * args.k).unwrap_or_default();
        let mut pairs = [0; MAX / 2];
        for (pair, weights) in pairs.iter_mut().zip(weights.chunks(2)) {
            let [low, high] = up_to(weights, 0, 0i8).map(i32::from);
            *pair = (low & 0xffff) | high << 16;
        }
        let mult = rq.mult.get(o).copied().unwrap_or_default();
        let shift = rq.shift.get(o).copied().unwrap_or(32);
        Self { pairs, bias: args.left_bias.get(o).copied().unwrap_or_default(), rates: Rates::splat(TensorRequant { mult, shift, pre_shift: rq.pre_shift }) }
    }
}

/// Activation by table.
struct LookUp<'a> {
    table: &'a [i16],
    zero: __m256i,
    last: __m256i,
}

impl LookUp<'_> {
    /// Entries of 8 indices in the lanes `[0 1 4 5 | 2 3 6 7]`.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn eight(&self, rq: __m256i) -> [i16; 8] {
        let index = _mm256_max_epi32(_mm256_min_epi32(_mm256_add_epi32(rq, self.zero), self.last), _mm256_setzero_si256());
        let mut lanes = [0; 8];
        store8_i32(&mut lanes, index);
        // SAFETY: `0 <= index <= table.len() - 1` by the line above.
        let [a, b, e, f, c, d, g, h] = lanes.map(|index| unsafe { *self.table.get_unchecked(index as usize) });
        [a, b, c, d, e, f, g, h]
    }
}

/// Adds the second product for 8 columns from `q` on, all outputs, to a token's `out`; `hidden` is
/// `[k, p]`.
#[inline]
#[target_feature(enable = "avx2")]
fn columns(hidden: &[i16], p: usize, q: usize, left: &[Left; MAX], out: &mut [i32]) {
    let row = |i: usize| window::<i16, 8>(hidden, i * p + q).map_or(_mm_setzero_si128(), |row| load8_i16(row));
    let k = hidden.len() / p;
    let mut pairs = [_mm256_setzero_si256(); MAX / 2];
    let pairs = pairs.get_mut(..k.div_ceil(2)).unwrap_or_default();
    for (i, pair) in pairs.iter_mut().enumerate() {
        let (upper, lower) = (row(2 * i), row(2 * i + 1));
        *pair = _mm256_set_m128i(_mm_unpackhi_epi16(upper, lower), _mm_unpacklo_epi16(upper, lower));
    }
    for (left, out) in left.iter().zip(rows_mut(out, p)) {
        let mut acc = _mm256_set1_epi32(left.bias);
        for (pair, weights) in pairs.iter().zip(left.pairs) {
            acc = _mm256_add_epi32(acc, _mm256_madd_epi16(*pair, _mm256_set1_epi32(weights)));
        }
        if let Some(out) = window_mut::<i32, 8>(out, q) {
            store8_i32(out, _mm256_add_epi32(load8_i32(out), left.rates.apply(acc)));
        }
    }
}
