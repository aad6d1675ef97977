//! The shortcut on AVX-512: vectors are 16 neighbouring elements of a token's view, one row of 16
//! or two of 8. Both products are `vpdpwssd`, two steps of depth at a time: the first one over the
//! columns of each row, the second one over pairs of rows; the table between them is gathered.

use core::arch::x86_64::*;

use super::{Des, avx2};
use crate::avx512::rates::Rates;
use crate::avx512::{LANES, load_i16, load_i32};
use crate::isa::Avx512;
use crate::requant::Requant;
use crate::slices::{rows as each_row, rows_mut};

/// Largest `k`.
const MAX: usize = 16;

/// See [`Kernels::des_s16`](crate::Kernels::des_s16). Views other than 4x8, 8x8, 8x16 and 16x16,
/// and tables of one entry, are left to `avx2`.
pub(super) fn run(token: Avx512, args: &Des<'_>, hidden: &mut [i16], out: &mut [i32]) {
    if args.table.len() < 2 {
        return avx2::run(token.into(), args, hidden, out);
    }
    // SAFETY: the token proves AVX-512.
    unsafe {
        match (args.k, args.p) {
            (4, 8) => tokens::<4, 8, 2>(args, out),
            (8, 8) => tokens::<8, 8, 4>(args, out),
            (8, 16) => tokens::<8, 16, 8>(args, out),
            (16, 16) => tokens::<16, 16, 16>(args, out),
            _ => avx2::run(token.into(), args, hidden, out),
        }
    }
}

/// All tokens of `VECTORS` vectors: `K * P / 16`.
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn tokens<const K: usize, const P: usize, const VECTORS: usize>(args: &Des<'_>, out: &mut [i32]) {
    let right = Right::<P>::new(args);
    let look_up = LookUp::new(args);
    let mut left = [Left { pairs: [_mm512_setzero_si512(); MAX / 2], bias: _mm512_setzero_si512(), rates: right.rates }; VECTORS];
    for (t, left) in left.iter_mut().enumerate() {
        *left = Left::new::<K, P>(args, t);
    }
    for (x, out) in each_row(args.x, K * P).zip(rows_mut(out, K * P)) {
        let mut hidden = [_mm512_setzero_si512(); VECTORS];
        for (t, hidden) in hidden.iter_mut().enumerate() {
            *hidden = look_up.sixteen(right.apply(load_i16(x, t * LANES)));
        }
        // Two rows of the view side by side: where a vector has two, both of its halves.
        let mut pairs = [_mm512_setzero_si512(); MAX / 2];
        for (i, pair) in pairs.iter_mut().enumerate().take(K / 2) {
            let (upper, lower) = if P == LANES {
                (hidden[2 * i % VECTORS], hidden[(2 * i + 1) % VECTORS])
            } else {
                let both = hidden[i % VECTORS];
                (_mm512_shuffle_i64x2::<0b01_00_01_00>(both, both), _mm512_shuffle_i64x2::<0b11_10_11_10>(both, both))
            };
            *pair = _mm512_mask_blend_epi16(0xaaaa_aaaa, upper, _mm512_slli_epi32::<16>(lower));
        }
        for (left, out) in left.iter().zip(out.as_chunks_mut::<LANES>().0) {
            let mut acc = left.bias;
            for (pair, weights) in pairs.iter().zip(left.pairs).take(K / 2) {
                acc = _mm512_dpwssd_epi32(acc, *pair, weights);
            }
            let sum = _mm512_add_epi32(load_i32(out, 0), left.rates.apply(acc));
            // SAFETY: writes the 64 bytes of the reference, without alignment.
            unsafe { _mm512_storeu_epi32(out.as_mut_ptr(), sum) };
        }
    }
}

/// Two weights as the pair that `vpdpwssd` reads, 0 beyond the end.
fn pair(weights: &[i8], first: usize) -> i32 {
    let weight = |i: usize| i32::from(weights.get(i).copied().unwrap_or_default());
    (weight(first) & 0xffff) | weight(first + 1) << 16
}

/// Vector of a function of the lane, for 16 lanes.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn each_lane(value: impl Fn(usize) -> i32) -> __m512i {
    let mut lanes = [0; LANES];
    lanes.iter_mut().enumerate().for_each(|(lane, to)| *to = value(lane));
    load_i32(&lanes, 0)
}

/// The multipliers and shifts of 16 lanes, of which `output` names the output.
#[inline]
#[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
fn rates(requant: Requant<'_>, output: impl Fn(usize) -> usize) -> Rates {
    let (mut mult, mut shift) = ([0; LANES], [32; LANES]);
    for (lane, (mult, shift)) in mult.iter_mut().zip(&mut shift).enumerate() {
        *mult = requant.mult.get(output(lane)).copied().unwrap_or_default();
        *shift = requant.shift.get(output(lane)).copied().unwrap_or(32);
    }
    Rates::new(Requant { mult: &mult, shift: &shift, pre_shift: requant.pre_shift }, 0)
}

/// The first product: weights of two columns, bias and multipliers in the lanes of their outputs.
struct Right<const P: usize> {
    pairs: [__m512i; LANES / 2],
    bias: __m512i,
    rates: Rates,
    /// Lane of the first two columns of each lane's row.
    row: __m512i,
}

impl<const P: usize> Right<P> {
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new(args: &Des<'_>) -> Self {
        let mut pairs = [_mm512_setzero_si512(); LANES / 2];
        for (j, pairs) in pairs.iter_mut().enumerate().take(P / 2) {
            *pairs = each_lane(|lane| pair(args.right.get(lane % P * P..).unwrap_or_default(), 2 * j));
        }
        Self {
            pairs,
            bias: each_lane(|lane| args.right_bias.get(lane % P).copied().unwrap_or_default()),
            rates: rates(args.right_requant, |lane| lane % P),
            row: each_lane(|lane| (lane / P * (P / 2)) as i32),
        }
    }

    /// 16 requantised outputs of 16 inputs.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn apply(&self, x: __m256i) -> __m512i {
        let x = _mm512_castsi256_si512(x);
        let mut acc = self.bias;
        for j in 0..P / 2 {
            let two = _mm512_permutexvar_epi32(_mm512_add_epi32(self.row, _mm512_set1_epi32(j as i32)), x);
            acc = _mm512_dpwssd_epi32(acc, two, self.pairs[j]);
        }
        self.rates.apply(acc)
    }
}

/// One vector of outputs of the second product: weights of two rows, bias and multipliers.
#[derive(Clone, Copy)]
struct Left {
    pairs: [__m512i; MAX / 2],
    bias: __m512i,
    rates: Rates,
}

impl Left {
    /// Parameters of vector `t`.
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new<const K: usize, const P: usize>(args: &Des<'_>, t: usize) -> Self {
        let output = |lane: usize| t * (LANES / P) + lane / P;
        let mut pairs = [_mm512_setzero_si512(); MAX / 2];
        for (i, pairs) in pairs.iter_mut().enumerate().take(K / 2) {
            *pairs = each_lane(|lane| pair(args.left.get(output(lane) * K..).unwrap_or_default(), 2 * i));
        }
        Self { pairs, bias: each_lane(|lane| args.left_bias.get(output(lane)).copied().unwrap_or_default()), rates: rates(args.left_requant, output) }
    }
}

/// Activation by table, of two entries or more.
struct LookUp<'a> {
    table: &'a [i16],
    zero: __m512i,
    last: __m512i,
}

impl<'a> LookUp<'a> {
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn new(args: &Des<'a>) -> Self {
        Self { table: args.table, zero: _mm512_set1_epi32(args.zero), last: _mm512_set1_epi32(args.table.len() as i32 - 1) }
    }

    /// Entries of 16 requantised sums, in the lower halves of their lanes.
    #[inline]
    #[target_feature(enable = "avx512cd,avx512dq,avx512vl,avx512vnni,avx512vbmi")]
    fn sixteen(&self, rq: __m512i) -> __m512i {
        let index = _mm512_max_epi32(_mm512_min_epi32(_mm512_add_epi32(rq, self.zero), self.last), _mm512_setzero_si512());
        // Each lane reads two entries; the last one is the second of the last two.
        let is_last = _mm512_cmpeq_epi32_mask(index, self.last);
        let first = _mm512_mask_sub_epi32(index, is_last, index, _mm512_set1_epi32(1));
        // SAFETY: `0 <= first <= table.len() - 2`.
        let two = unsafe { _mm512_i32gather_epi32::<2>(first, self.table.as_ptr().cast()) };
        _mm512_mask_srli_epi32::<16>(two, is_last, two)
    }
}
